"""The environments that mean several processes, and the messages for inconsistent ones."""

import socket

import jax
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.parallel.distributed import initialise, lost_process, plan

SLURM = {
    "SLURM_JOB_ID": "9",
    "SLURM_STEP_NODELIST": "n[1-2]",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_RANK": "3"}
JOBSET = {
    "JAX_COORDINATOR_ADDRESS": "run-workers-0-0.run:3389",
    "JAX_NUM_PROCESSES": "2",
    "JOB_COMPLETION_INDEX": "1",
}


def found(environ):
    return plan(None, None, None, environ)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        SLURM | {"SLURM_NTASKS": "1"},
        {"SLURM_JOB_ID": "9", "SLURM_NTASKS": "8"},  # a shell inside an allocation, not srun
        {"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"},
        {"JOB_COMPLETION_INDEX": "0", "KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        {"TPU_WORKER_HOSTNAMES": "localhost", "TPU_WORKER_ID": "0"},
        JOBSET | {"JAX_NUM_PROCESSES": "1", "JOB_COMPLETION_INDEX": "0"},
    ],
)
def test_a_single_process_is_left_alone(environ):
    assert found({"TPU_SKIP_MDS_QUERY": "1"} | environ) is None
    if not environ:
        assert initialise() == 1 and not jax.distributed.is_initialized()


def test_flags_come_before_the_environment():
    chosen = plan("node7:1234", 16, 5, SLURM | {"SLURM_NTASKS": "2"} | JOBSET)
    assert chosen[1:5] == ("node7:1234", 16, 5, "deactivate")


def test_a_jobset_says_it_by_variables_and_the_number_of_its_pod():
    assert found(JOBSET)[1:5] == ("run-workers-0-0.run:3389", 2, 1, "deactivate")
    assert found(JOBSET | {"JAX_PROCESS_ID": "0"}).process_id == 0


def test_slurm_and_open_mpi_and_tpus_are_left_to_jax():
    assert found(SLURM | {"SLURM_NTASKS": "2"}).method == "slurm"
    assert found(OPEN_MPI | {"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:3"}).method == "ompi"
    assert found({"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}).method is None
    assert found({"TPU_WORKER_HOSTNAMES": "a", "MEGASCALE_NUM_SLICES": "2"}).method is None


def test_a_slurm_task_alone_on_its_node_takes_all_gpus_of_it():
    environ = SLURM | {"SLURM_NTASKS": "2", "SLURM_GPUS_ON_NODE": "8"}
    assert found(environ | {"SLURM_STEP_NUM_NODES": "2"}).local_device_ids == tuple(range(8))
    assert found(environ | {"SLURM_STEP_NUM_NODES": "1"}).local_device_ids is None


def test_open_mpi_5_needs_the_address_and_says_so():
    with pytest.raises(InputError, match="set JAX_COORDINATOR_ADDRESS to HOST:PORT"):
        found(OPEN_MPI)
    assert found(OPEN_MPI | {"JAX_COORDINATOR_ADDRESS": "a:1"})[1:4] == ("a:1", 4, 3)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ("a:1", None, 0),
            "--processes missing: a run of several processes needs all of --coordinator, --proc",
        ),
        ((None, 2, None), "--coordinator and --process-id missing"),
        (("a", 2, 0), "--coordinator a: need HOST:PORT"),
        (("a:99999", 2, 0), "need HOST:PORT"),
        (("a:1", 2, 2), "--processes 2, --process-id 2: processes are numbered from 0"),
        (("a:1", 0, 0), "--processes 0"),
    ],
)
def test_flags_that_do_not_fit_together_are_refused(flags, says):
    with pytest.raises(InputError, match=says):
        plan(*flags, {})


def test_variables_that_do_not_fit_together_are_refused():
    with pytest.raises(InputError, match="JAX_COORDINATOR_ADDRESS missing"):
        found({"JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "0"})
    with pytest.raises(InputError, match=r"JAX_NUM_PROCESSES 'two'.*need a whole number"):
        found({"JAX_NUM_PROCESSES": "two"})


def test_a_coordinator_that_does_not_answer_is_one_line_within_the_timeout():
    with socket.socket() as silent:  # it has the port to the end and does not listen
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(
            InputError,
            match=rf"coordinator {address} does not answer after 0 s .*is process 0 runn",
        ):
            initialise(coordinator=address, processes=2, process_id=1, timeout_s=0.1)
    assert not jax.distributed.is_initialized()


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        (
            "UNKNOWN: Gloo all-reduce failed: [pair.cc:538] Read error [127.0.0.1]:9631: "
            "Connection reset by peer",
            True,
        ),
        (
            "INTERNAL: NCCL operation async_err failed: remote process exited or there was a "
            "network error",
            True,
        ),
        ("UNAVAILABLE: The coordination service cannot be reached\nand more lines", True),
        ("RESOURCE_EXHAUSTED: Out of memory allocating 8589934592 bytes.", False),
        ("INTERNAL: NCCL operation ncclCommInitRank failed: unhandled cuda error", False),
    ],
)
def test_an_error_of_a_lost_process_is_told_from_an_error_of_our_own(said, lost):
    expected = said.splitlines()[0] if lost else None
    assert lost_process(jax.errors.JaxRuntimeError(said)) == expected
    try:
        try:
            raise jax.errors.JaxRuntimeError(said)
        except RuntimeError as error:
            raise ValueError("while saving") from error
    except ValueError as error:
        assert lost_process(error) == expected
    assert lost_process(OSError(said)) is None
