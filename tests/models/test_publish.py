"""Checkpoints to the hub and back: the real client against a server of our own
(tests/hub_server.py).
"""

import dataclasses
import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from ksdiff_jax.models.pretrained import load_pretrained, save_pretrained
from tests.animate.fake_system import CONFIG, STATISTICS
from tests.conftest import REPOSITORY
from tests.hub_server import TOKEN, running

PREAMBLE = """
import json, sys, warnings
import numpy as np
import ksdiff_jax.models
from ksdiff_jax.errors import InputError, Notice
from ksdiff_jax.models.pretrained import find_pretrained, load_pretrained
from ksdiff_jax.models.publish import push_to_hub
from tests.animate.fake_system import FakeSystem

ksdiff_jax.models.build_system = FakeSystem

def answer_of(work, *arguments, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = work(*arguments, **options)
        except InputError as error:
            result = {"refused": str(error)}
    notices = [str(w.message) for w in caught if issubclass(w.category, Notice)]
    return {"notices": notices, "result": getattr(result, "digest", result)}

def show(*arguments, **options):
    print(json.dumps(answer_of(*arguments, **options), default=str))
"""


@pytest.fixture
def hub():
    with running() as server:
        yield server


def saved(folder, *, scale=1.0, card="# Tiny\n\nWords.\n", config=CONFIG):
    params = {"scale": np.full((), scale, np.float32)}
    return save_pretrained(folder, config=config, params=params, space=STATISTICS, card=card)


def hearing(path):
    encoder = dataclasses.replace(CONFIG.model.encoder, kind="pretrained", path=path)
    return dataclasses.replace(CONFIG, model=dataclasses.replace(CONFIG.model, encoder=encoder))


@pytest.fixture
def client(hub, tmp_path):
    """Run lines of Python in a process whose hub is ours; what its `show(...)` calls print, one
    value each.
    """

    def run(lines, **environment):
        ours = {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
        }
        ours |= {"PYTHONPATH": str(REPOSITORY), "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "*"}
        done = subprocess.run(
            [sys.executable, "-c", PREAMBLE + textwrap.dedent(lines)],
            env=os.environ | ours | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_what_is_pushed_comes_back_with_the_same_digest_and_moves_the_same_way(
    hub, client, tmp_path
):
    folder = saved(tmp_path / "tiny", scale=1.5)
    address, ours, theirs, same = client(
        f"""
        from ksdiff_jax import Animator
        from tests.animate.test_animator import tone
        here = Animator.from_pretrained("tiny")
        about = {{"licence": "apache-2.0", "message": "First"}}
        show(here.push_to_hub, "org/tiny", private=True, token="{TOKEN}", **about)
        there = Animator.from_pretrained("org/tiny")
        show(lambda: here.pretrained.digest)
        show(lambda: there.pretrained.digest)
        motions = [animator(tone(2.0), sample_rate_hz=16_000, seed=3) for animator in (here, there)]
        show(lambda: motions[0].coefficients.tobytes() == motions[1].coefficients.tobytes())
        """,
        HF_TOKEN=TOKEN,
    )
    assert address["result"] == f"{hub.address}/org/tiny"
    assert ours["result"] == theirs["result"] == load_pretrained(folder).digest
    assert same["result"] is True
    repository = hub.repositories["org/tiny"]
    files = repository.commits[repository.head]
    assert sorted(files) == [".gitattributes", "README.md", "config.json", "weights.safetensors"]
    assert files["weights.safetensors"] == (folder / "weights.safetensors").read_bytes()
    assert (repository.private, repository.messages[-1]) == (True, "First")
    yaml = pytest.importorskip("yaml")
    _, metadata, text = files["README.md"].decode().split("---\n", 2)
    expected = {"license": "apache-2.0", "library_name": "ksdiff_jax", "pipeline_tag": "other"}
    assert (
        yaml.safe_load(metadata).items() >= expected.items()
        and "jax" in yaml.safe_load(metadata)["tags"]
    )
    assert text == "\n# Tiny\n\nWords.\n"


def test_a_revision_is_one_commit_and_what_lies_here_goes_before_the_hub(hub, client, tmp_path):
    folders = [saved(tmp_path / str(scale), scale=scale) for scale in (1, 2, 3)]
    digests = [load_pretrained(folder).digest for folder in folders]
    client(f'for name in "12": push_to_hub(name, "org/two", token="{TOKEN}")')
    _, first, second = hub.repositories["org/two"].commits
    (tmp_path / "org").mkdir()
    answers = client(
        f"""
        import shutil
        for revision in ("", "@main", "@{first}", "@{second}", "@v9"):
            show(load_pretrained, "org/two" + revision)
        shutil.move("3", "org/two")
        show(load_pretrained, "org/two")
        """
    )
    assert [answer["result"] for answer in answers[:4]] == [
        digests[1],
        digests[1],
        digests[0],
        digests[1],
    ]
    assert answers[4]["result"]["refused"].endswith(
        "on the hub: org/two on the hub has no revision 'v9'"
    )
    assert answers[5]["result"] == digests[2]
    # none is invented
    assert "license" not in hub.repositories["org/two"].commits[second]["README.md"].decode()


@pytest.mark.slow
def test_without_a_network_an_earlier_download_serves_and_nothing_else_does(hub, client, tmp_path):
    digest = load_pretrained(saved(tmp_path / "tiny")).digest
    client(f'push_to_hub("tiny", "org/tiny", token="{TOKEN}"); find_pretrained("org/tiny")')
    questions = 'show(load_pretrained, "org/tiny"); show(load_pretrained, "org/never")'
    kept, never = client(questions, HF_HUB_OFFLINE="1")
    assert kept == {"notices": [], "result": digest}
    assert "no checkpoint 'org/never'" in never["result"]["refused"]
    assert "and no earlier download of it is here" in never["result"]["refused"]
    nobody = "http://127.0.0.1:9"
    kept, never = client(questions, HF_ENDPOINT=nobody)
    assert (
        kept["result"] == digest
        and "the Hugging Face hub did not answer (ConnectError" in kept["notices"][0]
    )
    assert "the Hugging Face hub (ConnectError" in never["result"]["refused"]
    (unwritable,) = client('show(load_pretrained, "org/tiny")', HF_HOME="/dev/null/home")
    assert (
        "cannot be stored" in unwritable["result"]["refused"]
        and "set HF_HOME" in unwritable["result"]["refused"]
    )
    hub.failing = 503
    kept, never = client(questions)
    assert kept["result"] == digest and "did not answer (HfHubHTTPError" in kept["notices"][0]
    assert "the Hugging Face hub (HfHubHTTPError" in never["result"]["refused"]
    assert "\n" not in never["result"]["refused"]


def test_what_is_no_checkpoint_or_a_damaged_one_is_refused_in_one_line(hub, client, tmp_path):
    folder = saved(tmp_path / "tiny")
    files = {name: (folder / name).read_bytes() for name in ("config.json", "weights.safetensors")}
    hub.make("org/text", {"README.md": b"nothing"})
    hub.make("org/other", {"config.json": b'{"model_type": "bert"}', "weights.safetensors": b"x"})
    damaged = files["weights.safetensors"][:-1] + bytes([files["weights.safetensors"][-1] ^ 1])
    hub.make("org/damaged", files | {"weights.safetensors": damaged})
    names = ["org/none", "org/text", "org/other", "org/damaged"]
    lines = [
        answer["result"]["refused"]
        for answer in client(f"for name in {names}: show(load_pretrained, name)")
    ]
    assert "org/none: the hub has no repository of this name that you may read" in lines[0]
    assert lines[1].startswith("org/text on the hub: not a checkpoint of ksdiff-jax")
    assert "not a checkpoint's config.json" in lines[2] and "to have it fetched anew" in lines[2]
    cache = tmp_path / "hf" / "hub" / "models--org--damaged"
    assert "weight 'scale' is corrupt" in lines[3] and lines[3].endswith(
        f"delete {cache} to have it fetched anew"
    )
    assert not any("\n" in line for line in lines)


def test_the_hub_is_not_asked_for_what_cannot_be_a_name_there(hub, client):
    names = ["nonesuch", "a/b/c", "../x", "/tmp/x", "a/b@", "a/..", "a b/c"]
    answers = client(f"for name in {names}: show(load_pretrained, name)")
    assert all("no checkpoint" in answer["result"]["refused"] for answer in answers)
    assert [line for line in hub.requests if "/api/models" in line] == []


def test_nothing_is_sent_over_what_is_not_ours_or_that_others_could_not_use(hub, client, tmp_path):
    saved(tmp_path / "tiny")
    saved(tmp_path / "strict", card="---\n[: no yaml\n---\n# Words\n")
    saved(tmp_path / "deaf", config=hearing("encoders/mine"))
    saved(tmp_path / "hears", config=hearing("somebody/encoder"))
    hub.make("somebody/encoder", {"config.json": b"{}"})
    hub.make("org/full", {"config.json": b"{}", "README.md": b"mine"})
    answers = client(
        f"""
        token = {{"token": "{TOKEN}"}}
        show(push_to_hub, "tiny", "tiny", **token)
        show(push_to_hub, "tiny", "org/full", **token)
        show(push_to_hub, "deaf", "org/deaf", **token)
        show(push_to_hub, "strict", "org/strict", **token)
        show(push_to_hub, "tiny", "org/new", token="hf_wrong")
        show(push_to_hub, "tiny", "org/new", digest="0", **token)
        show(push_to_hub, "tiny", "org/full", overwrite=True, **token)
        show(push_to_hub, "tiny", "org/full", **token)
        show(push_to_hub, "hears", "org/hears", **token)
        """
    )
    lines = [answer["result"]["refused"] for answer in answers[:6]]
    assert lines[0] == "'tiny': not the name of a repository on the hub; need owner/name"
    assert lines[1].startswith("org/full: holds README.md and no checkpoint of ksdiff-jax")
    assert (
        "deaf: refers to its speech encoder as 'encoders/mine', a folder that others do not have"
        in lines[2]
    )
    assert lines[3].startswith("card.md: invalid metadata")
    assert (
        lines[4].startswith("org/new: not uploaded to the hub")
        and "log in with `hf auth login`" in lines[4]
    )
    assert lines[5] == "tiny: has changed since it was loaded; load it again"
    assert not any("\n" in line for line in lines) and "org/new" not in hub.repositories
    sent = [f"{hub.address}/org/{name}" for name in ("full", "full", "hears")]
    assert [answer["result"] for answer in answers[6:]] == sent


def test_commands_take_names_of_the_hub(hub, client, tmp_path):
    folder = saved(tmp_path / "tiny")
    hub.make("org/tiny", {path.name: path.read_bytes() for path in folder.iterdir()})
    lines = client(
        """
        import contextlib, io
        from ksdiff_jax.cli.main import main
        commands = [["inspect", "org/tiny", "--json"], ["inspect", "org/none"]]
        commands += [["push", "tiny", "org/sent", "--private", "--json"], ["push", "tiny", "org"]]
        for command in commands:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                status = main(command)
            show(lambda: [status, out.getvalue(), err.getvalue()])
        """,
        HF_TOKEN=TOKEN,
    )
    (status, out, err), (failed, nothing, line), sent, unsent = (
        answer["result"] for answer in lines
    )
    assert (status, err) == (0, "") and json.loads(out)["digest"] == load_pretrained(folder).digest
    assert (
        (failed, nothing) == (2, "")
        and line.count("\n") == 1
        and "org/none: the hub has no repository" in line
    )
    assert (sent[0], sent[2]) == (0, "") and json.loads(sent[1])[
        "address"
    ] == f"{hub.address}/org/sent"
    assert hub.repositories["org/sent"].private
    assert unsent == [
        2,
        "",
        "ksdiff-jax push: 'org': not the name of a repository on the hub; need owner/name\n",
    ]
