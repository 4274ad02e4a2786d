"""The launch files are well-formed, short and consistent."""

import importlib
import re
import shutil
import subprocess
import tomllib

import pytest

from ksdiff_jax.cli.animate_outputs import OWN_FORMATS
from ksdiff_jax.cli.main import CommandParser
from ksdiff_jax.parallel.distributed import plan
from ksdiff_jax.parallel.shares import share
from ksdiff_jax.train.watchdog import EXIT_STATUS
from tests.conftest import REPOSITORY

LAUNCH = REPOSITORY / "launch"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
SCRIPTS = sorted(path for path in LAUNCH.iterdir() if path.suffix in (".sh", ".sbatch"))
JOBSETS, JOBS = (sorted(LAUNCH.glob(f"{name}_*.yaml")) for name in ("jobset", "animate"))
MANIFESTS = JOBS + JOBSETS


def name_of(path):
    return path.name


def manifest(path):
    return pytest.importorskip("yaml").safe_load(path.read_text())


@pytest.mark.parametrize("path", SCRIPTS + MANIFESTS, ids=name_of)
def test_each_is_short_and_holds_the_one_command(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    what = "animate" if path.name.startswith("animate") else "train"
    assert re.search(rf"(ksdiff-jax|\$command),? {what}", text)
    assert f"| `{path.name}" in (LAUNCH / "README.md").read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_are_sound_shell(path):
    bash = shutil.which("bash") or pytest.skip("no bash here")
    done = subprocess.run([bash, "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nset -u\n" in path.read_text()  # a misspelt variable is an error


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (2, False), (1, True)])
def test_each_job_of_the_array_animates_its_share(tmp_path, status, requeued):
    bash = shutil.which("bash") or pytest.skip("no bash here")
    for name, code in {"ksdiff": f"exit {status}", "scontrol": ""}.items():
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $@"\n{code}\n')
        (tmp_path / name).chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "REPOSITORY": str(tmp_path), "OUT": "/out"}
    environ |= {"KSDIFF_JAX": "ksdiff", "RECORDINGS": "/in", "SLURM_ARRAY_TASK_COUNT": "4"}
    environ |= {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_JOB_ID": "7"}
    command = [bash, str(LAUNCH / "animate.sbatch")]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == status, done.stderr
    animated, *others = done.stdout.splitlines()
    assert animated == "ksdiff animate /in --out /out --formats npz --hosts 4 --host-index 3"
    assert others == (["scontrol requeue 7_3"] if requeued else [])


def test_local_says_how_it_is_called_and_passes_the_status_on(tmp_path):
    bash = shutil.which("bash") or pytest.skip("no bash here")
    local = str(LAUNCH / "local.sh")
    for wrong in ([], ["two", "demo"], ["2"]):
        done = subprocess.run([bash, local, *wrong], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "usage: launch/local.sh PROCESSES CONFIG" in done.stderr
    stand_in = tmp_path / "stand-in"
    stand_in.write_text('#!/bin/sh\necho "$@"\n[ "${10}" = 1 ] && exit 75\nexit 0\n')
    stand_in.chmod(0o755)
    environ = {"KSDIFF_JAX": str(stand_in), "PORT": "1234", "PATH": "/usr/bin:/bin"}
    command = [bash, local, "2", "demo", "--train.steps", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 75, done.stderr
    flags = "train demo --train.steps 3 --coordinator 127.0.0.1:1234 --processes 2 --process-id"
    assert sorted(done.stdout.splitlines()) == [f"{flags} 0", f"{flags} 1"]


@pytest.mark.parametrize("path", JOBSETS, ids=name_of)
def test_a_jobset_gives_time_to_save_and_restarts_all_but_mistakes(path):
    jobset = manifest(path)
    assert jobset["kind"] == "JobSet" and jobset["spec"]["failurePolicy"]["maxRestarts"] > 0
    (group,) = jobset["spec"]["replicatedJobs"]
    job = group["template"]["spec"]
    assert job["parallelism"] == job["completions"] and job["backoffLimit"] == 0
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [2]
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and pod["terminationGracePeriodSeconds"] >= 30
    (container,) = pod["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert container["command"][:2] == ["ksdiff-jax", "train"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }


@pytest.mark.parametrize("path", JOBS, ids=name_of)
def test_the_pods_of_a_job_animate_one_share_each_and_a_mistake_is_not_repeated(path):
    job = manifest(path)
    assert job["kind"] == "Job" and job["spec"]["completionMode"] == "Indexed"
    count = job["spec"]["completions"]
    assert job["spec"]["parallelism"] == count and job["spec"]["backoffLimitPerIndex"] > 0
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mistake, disruption = job["spec"]["podFailurePolicy"]["rules"]
    wanted = {"containerName": container["name"], "operator": "In", "values": [2]}
    assert mistake == {"action": "FailIndex", "onExitCodes": wanted}
    assert disruption["action"] == "Ignore" and pod["restartPolicy"] == "Never"
    arguments = container["command"]
    parser = CommandParser()
    importlib.import_module("ksdiff_jax.cli.animate").add_arguments(parser)
    given = parser.parse_args(arguments[2:])
    environ = {entry["name"]: entry["value"] for entry in container["env"]}
    shares = [
        share(given.hosts, given.host_index, environ | {"JOB_COMPLETION_INDEX": str(index)})
        for index in range(count)
    ]
    assert [found.index for found in shares] == list(range(count))
    assert sorted(item for found in shares for item in found.of(range(10))) == list(range(10))
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert [mount["name"] for mount in container["volumeMounts"]] == volumes


def test_the_pods_of_the_gpu_jobset_find_each_other():
    jobset = manifest(LAUNCH / "jobset_gpu.yaml")
    (group,) = jobset["spec"]["replicatedJobs"]
    job = group["template"]["spec"]
    environ = {
        entry["name"]: entry["value"] for entry in job["template"]["spec"]["containers"][0]["env"]
    }
    for index in range(job["completions"]):
        chosen = plan(None, None, None, environ | {"JOB_COMPLETION_INDEX": str(index)})
        assert (chosen.processes, chosen.process_id) == (job["completions"], index)
    name = jobset["metadata"]["name"]
    assert chosen.coordinator.startswith(f"{name}-{group['name']}-0-0.{name}:")


def test_the_readme_names_the_statuses_that_the_code_gives():
    text = (LAUNCH / "README.md").read_text()
    assert f"| {EXIT_STATUS} | the watchdog" in text and "| 143, 130 | SIGTERM or Ctrl-C" in text


def instructions(name):
    """Words of each line of the Dockerfile that begins with this instruction."""
    lines = (LAUNCH / "Dockerfile").read_text().splitlines()
    return [line.split()[1:] for line in lines if line.startswith(f"{name} ")]


def test_the_image_takes_what_exists_and_what_its_context_keeps():
    kept = [
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    sources = {source for copied in instructions("COPY") for source in copied[:-1]}
    assert sources == set(kept) and all((REPOSITORY / source).exists() for source in sources)
    assert sources >= {
        PROJECT["readme"],
        *PROJECT["license-files"],
        "pyproject.toml",
        "configs",
        "ksdiff_jax",
    }


def test_the_image_has_the_command_and_the_folder_that_the_jobs_ask_for():
    for path in MANIFESTS:
        kind = path.stem.rpartition("_")[2]
        extras = re.search(
            rf"ksdiff-jax:{kind} +# <-- of launch/Dockerfile, EXTRAS=([a-z,]+)", path.read_text()
        )[1]
        assert set(extras.split(",")) <= set(
            PROJECT["optional-dependencies"]
        ) and kind in extras.split(",")
        assert (
            f"-t ksdiff-jax:{kind} --build-arg EXTRAS={extras} ."
            in (LAUNCH / "Dockerfile").read_text()
        )
        spec = manifest(path)["spec"]
        if path in JOBSETS:
            (group,) = spec["replicatedJobs"]
            spec = group["template"]["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        assert [[container["workingDir"]]] == instructions("WORKDIR")
        assert ["configs", f"{container['workingDir']}/configs"] in instructions("COPY")
        assert container["command"][0] in PROJECT["scripts"]
    ((default,),) = [words for words in instructions("ARG") if words[0].startswith("EXTRAS=")]
    assert default.removeprefix("EXTRAS=") in PROJECT["optional-dependencies"]
    assert instructions("USER") == [["ksdiff"]]  # not root


def test_workflows_run_the_whole_on_linux_and_animate_elsewhere():
    for path in sorted((REPOSITORY / ".github" / "workflows").glob("*.yml")):
        jobs = manifest(path)["jobs"]
        assert "Untested" in path.read_text().splitlines()[0]
        assert ".ci/run" in [step.get("run") for step in jobs["linux"]["steps"]]
        assert jobs["elsewhere"]["strategy"]["matrix"]["os"] == ["windows-latest", "macos-latest"]
        commands = [
            step["run"]
            for step in jobs["elsewhere"]["steps"]
            if step.get("run", "").startswith("ksdiff-jax ")
        ]
        for command in commands:
            module = importlib.import_module(f"ksdiff_jax.cli.{command.split()[1]}")
            parser = CommandParser()
            module.add_arguments(parser)
            parser.parse_args(command.split()[2:])  # leaves with status 2 where the command is none
        assert f"--formats {' '.join(OWN_FORMATS)}" in commands[1]
        assert (REPOSITORY / commands[1].split()[2]).is_file()
