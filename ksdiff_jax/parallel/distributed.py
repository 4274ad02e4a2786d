"""Several processes as one run: their number, the index of this one, and the address of the
coordinator.

    flags        --coordinator HOST:PORT --processes N --process-id K, from any launcher
    environment  JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES, JAX_PROCESS_ID; on Kubernetes
                 JOB_COMPLETION_INDEX replaces the last  (launch/jobset_gpu.yaml)
    Slurm        srun sets SLURM_PROCID and related variables  (launch/slurm.sbatch)
    Open MPI     mpirun sets OMPI_COMM_WORLD_RANK and related variables
    Cloud TPU    the machine's metadata, or variables that GKE sets in the pod
                 (launch/tpu_vm.sh, jobset_tpu.yaml)

The first of these that is present is used; without any of them this is the only process. JAX's own
detection reads Slurm, Open MPI and TPUs. `initialise` must be called before anything that touches a
device; afterwards JAX would find only the devices of this process.

If a process dies, the others end too. After `HEARTBEAT_S` without a heartbeat, JAX's coordination
service in process 0 ends every process with status 134 (SIGABRT). If a collective fails first, that
is an error that `lost_process` recognises, with the same status. When they are started again, they
resume from the last checkpoint.
"""

import importlib.util
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn

from ksdiff_jax.errors import InputError, first_line

# A node that is busy compiling or paused by its host still answers within this time; JAX's default
# is 100 s.
HEARTBEAT_S = 60
# Nodes of a large job start minutes apart, for example because images are pulled or a node is
# replaced.
START_TIMEOUT_S = 300
# How long a process that has finished waits for the others to finish.
SHUTDOWN_TIMEOUT_S = 120

_LEADER_LINGERS_S = 2.0

# The status with which JAX itself ends a process (SIGABRT) when another has died.
LOST_PROCESS_STATUS = 134
# Errors of a collective on a CPU, of one on a GPU, and of the service that monitors both.
_LOST = re.compile(
    r"Gloo .*failed|remote process exited|(?:Connection|Socket) (?:reset|closed)|"
    r"coordination service",
    re.I,
)

_FLAGS = ("--coordinator", "--processes", "--process-id")
_VARIABLES = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")


class Plan(NamedTuple):
    """How this process joins the others; None for values that JAX determines by `method` (None:
    automatic detection).
    """

    source: str  # for messages
    coordinator: str | None = None  # HOST:PORT of process 0
    processes: int | None = None
    process_id: int | None = None
    method: str | None = "deactivate"  # name of JAX's cluster detection
    # None: all devices, or the choice of the method
    local_device_ids: tuple[int, ...] | None = None


def initialise(
    *,
    coordinator: str | None = None,
    processes: int | None = None,
    process_id: int | None = None,
    timeout_s: float = START_TIMEOUT_S,
    heartbeat_s: int = HEARTBEAT_S,
    tell: Callable[[str], None] = lambda line: None,
) -> int:
    """Join the other processes of this run, if there are any; return the number of processes
    including this one.

    Raises `InputError` for inconsistent flags or variables and for a coordinator that does not
    answer within `timeout_s` seconds.
    """
    import jax

    chosen = plan(coordinator, processes, process_id, os.environ)
    if chosen is None:
        return 1
    if chosen.process_id and chosen.coordinator:
        _wait_for_coordinator(chosen.coordinator, timeout_s=timeout_s)
    if chosen.process_id == 0:
        tell(
            f"waiting up to {timeout_s:.0f} s for {chosen.processes} processes at "
            f"{chosen.coordinator}"
        )
    # JAX would catch SIGTERM itself; train/agreement.py catches it instead, so that it also covers
    # Ctrl-C and slow steps.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            coordinator_address=chosen.coordinator,
            num_processes=chosen.processes,
            process_id=chosen.process_id,
            local_device_ids=chosen.local_device_ids,
            cluster_detection_method=chosen.method,
            initialization_timeout=int(timeout_s),
            heartbeat_timeout_seconds=heartbeat_s,
            shutdown_timeout_seconds=SHUTDOWN_TIMEOUT_S,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"cannot join the processes named by {chosen.source} ({first_line(error)}); give all "
            f"of {', '.join(_FLAGS)}"
        ) from error
    return jax.process_count()


def plan(
    coordinator: str | None,
    processes: int | None,
    process_id: int | None,
    environ: Mapping[str, str],
) -> Plan | None:
    """Return the plan that the flags or the environment describe; None for a single process.

    Raises `InputError` if they are inconsistent.
    """
    flags = (coordinator, processes, process_id)
    if any(flag is not None for flag in flags):
        return _checked("the flags", _FLAGS, flags)
    variables = (
        environ.get("JAX_COORDINATOR_ADDRESS"),
        _number(environ, "JAX_NUM_PROCESSES"),
        _number(environ, "JAX_PROCESS_ID", "JOB_COMPLETION_INDEX"),
    )
    if variables[1] is not None:
        return _checked("the environment", _VARIABLES, variables)
    if (_number(environ, "SLURM_NTASKS") or 1) > 1 and "SLURM_STEP_NODELIST" in environ:
        return Plan("Slurm", method="slurm", local_device_ids=_all_of_the_node(environ))
    if (size := _number(environ, "OMPI_COMM_WORLD_SIZE") or 1) > 1:
        return _open_mpi(size, environ)
    if _many_tpu_hosts(environ) or _on_tpu_vm(environ):
        return Plan("the TPU's metadata", method=None)
    return None


def _checked(
    source: str, names: tuple[str, str, str], values: tuple[str | None, int | None, int | None]
) -> Plan | None:
    coordinator, processes, process_id = values
    if missing := [name for name, value in zip(names, values, strict=True) if value is None]:
        raise InputError(
            f"{' and '.join(missing)} missing: a run of several processes needs all of "
            f"{', '.join(names)}"
        )
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InputError(
            f"{names[0]} {coordinator}: need HOST:PORT of the machine that runs process 0"
        )
    if processes < 1 or not 0 <= process_id < processes:
        raise InputError(
            f"{names[1]} {processes}, {names[2]} {process_id}: processes are numbered from 0 to "
            "one less than there are"
        )
    return None if processes == 1 else Plan(source, coordinator, processes, process_id)


def _number(environ: Mapping[str, str], *names: str) -> int | None:
    for name in names:
        if text := environ.get(name, ""):
            if not text.isdecimal():
                raise InputError(f"{name} {text!r} in the environment: need a whole number")
            return int(text)
    return None


def _all_of_the_node(environ: Mapping[str, str]) -> tuple[int, ...] | None:
    """Return every GPU of the node if one task runs on each node; JAX would give a task only the
    GPU of its local rank.
    """
    gpus = _number(environ, "SLURM_GPUS_ON_NODE")
    alone = environ.get("SLURM_STEP_NUM_NODES") == environ.get("SLURM_NTASKS")
    return tuple(range(gpus)) if alone and gpus else None


def _open_mpi(size: int, environ: Mapping[str, str]) -> Plan:
    if "OMPI_MCA_orte_hnp_uri" in environ:
        return Plan("Open MPI", method="ompi")
    # From version 5 on mpirun does not provide the address of rank 0.
    if not (address := environ.get("JAX_COORDINATOR_ADDRESS")):
        raise InputError(
            "Open MPI does not provide the machine of rank 0: set JAX_COORDINATOR_ADDRESS to "
            "HOST:PORT of "
            "that machine (mpirun -x JAX_COORDINATOR_ADDRESS=...)"
        )
    names = ("JAX_COORDINATOR_ADDRESS", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")
    return _checked("Open MPI", names, (address, size, _number(environ, "OMPI_COMM_WORLD_RANK")))


def _many_tpu_hosts(environ: Mapping[str, str]) -> bool:
    hosts = environ.get("TPU_PROCESS_ADDRESSES") or environ.get("TPU_WORKER_HOSTNAMES") or ""
    return "," in hosts or (_number(environ, "MEGASCALE_NUM_SLICES") or 1) > 1


def _on_tpu_vm(environ: Mapping[str, str]) -> bool:
    """Return whether this is a machine with TPU chips outside GKE; once imported, JAX sets
    TPU_SKIP_MDS_QUERY if it finds no chip.
    """
    if environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu" or "TPU_WORKER_HOSTNAMES" in environ:
        return False
    return importlib.util.find_spec("libtpu") is not None and "TPU_SKIP_MDS_QUERY" not in environ


def _wait_for_coordinator(address: str, *, timeout_s: float) -> None:
    """Wait for the coordinator here, because JAX would abort the process with a stack trace if it
    does not answer.
    """
    host, _, port = address.rpartition(":")
    until = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                raise InputError(
                    f"coordinator {address} does not answer after {timeout_s:.0f} s ({error}): is "
                    "process 0 running there, and is the port open?"
                ) from error
            time.sleep(0.5)


def is_main_process() -> bool:
    """Return whether this process writes files that are written once: logs, configuration,
    exports.
    """
    import jax

    return jax.process_index() == 0


def from_main_process(text: str) -> str:
    """Return process 0's text on every process; all processes must call this."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return text
    content = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(content.size)))
    # The other processes provide an array of the same size, whose content is ignored.
    received = multihost_utils.broadcast_one_to_all(
        np.resize(content, size) if content.size else np.zeros(size, np.uint8)
    )
    return received.tobytes().decode("utf-8", "surrogatepass")


def any_process(condition: bool) -> bool:
    """Return whether `condition` is true on any process; all processes must call this."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return condition
    return bool(np.any(multihost_utils.process_allgather(np.bool_(condition))))


def wait_for_all(what: str) -> None:
    """Wait until every process is here; `what` must be the same on all."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def several() -> bool:
    """Return whether other processes wait for this one."""
    import jax

    return jax.distributed.is_initialized() and jax.process_count() > 1


def lost_process(error: BaseException) -> str | None:
    """Return JAX's message if `error` reports a process that died or cannot be reached; None for
    any other error.
    """
    import jax

    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        if isinstance(cause, jax.errors.JaxRuntimeError) and _LOST.search(str(cause)):
            return first_line(cause)
        cause = cause.__cause__ or cause.__context__
    return None


def leave(status: int) -> NoReturn:
    """End this process now: after a failure it would otherwise keep the others waiting.

    Process 0 first waits for a moment: if all processes fail together, its exit would end the
    others before they have printed their messages.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if several() and is_main_process():
        time.sleep(_LEADER_LINGERS_S)
    os._exit(status)
