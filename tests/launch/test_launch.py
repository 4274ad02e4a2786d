"""The files that start runs elsewhere are well-formed, short, and say the same thing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ksdiff_jax.parallel.distributed import plan
from ksdiff_jax.train.watchdog import EXIT_STATUS

LAUNCH = Path(__file__).parents[2] / "launch"
SCRIPTS = sorted(path for path in LAUNCH.iterdir() if path.suffix in (".sh", ".sbatch"))
MANIFESTS = sorted(LAUNCH.glob("*.yaml"))


def name_of(path):
    return path.name


def manifest(path):
    return pytest.importorskip("yaml").safe_load(path.read_text())


@pytest.mark.parametrize("path", SCRIPTS + MANIFESTS, ids=name_of)
def test_each_is_short_and_holds_the_one_command(path):
    text = path.read_text()
    assert len(text.splitlines()) < 60
    assert re.search(r"(ksdiff-jax|\$command),? train", text)
    assert f"| `{path.name}" in (LAUNCH / "README.md").read_text()


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_scripts_are_sound_shell(path):
    bash = shutil.which("bash") or pytest.skip("no bash here")
    done = subprocess.run([bash, "-n", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nset -u\n" in path.read_text()  # a misspelt variable is an error


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


@pytest.mark.parametrize("path", MANIFESTS, ids=name_of)
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
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_the_pods_of_the_gpu_jobset_find_each_other():
    jobset = manifest(LAUNCH / "jobset_gpu.yaml")
    (group,) = jobset["spec"]["replicatedJobs"]
    job = group["template"]["spec"]
    environ = {entry["name"]: entry["value"] for entry in job["template"]["spec"]["containers"][0]["env"]}
    for index in range(job["completions"]):
        chosen = plan(None, None, None, environ | {"JOB_COMPLETION_INDEX": str(index)})
        assert (chosen.processes, chosen.process_id) == (job["completions"], index)
    name = jobset["metadata"]["name"]
    assert chosen.coordinator.startswith(f"{name}-{group['name']}-0-0.{name}:")


def test_the_readme_names_the_statuses_that_the_code_gives():
    text = (LAUNCH / "README.md").read_text()
    assert f"| {EXIT_STATUS} | the watchdog" in text and "| 143, 130 | SIGTERM or Ctrl-C" in text
