import argparse
import json
from types import SimpleNamespace

import numpy as np
import pytest

from ksdiff_jax.cli import evaluate
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.evaluate_measure import Trained, distinct_labels
from ksdiff_jax.cli.evaluate_samplers import run_samplers, use_one_value
from ksdiff_jax.cli.evaluate_sampling import compared_options, run_table
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import Config, SampleConfig
from ksdiff_jax.models.pretrained import save_pretrained
from tests.evaluate.pretend import STILL, LoudnessSystem, loudness_engine, talking_clip
from tests.models.sync.conftest import TINY, tiny  # noqa: F401


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A checkpoint without weights worth loading, for the controls do not sample it, and a small
    data set.
    """
    folder = tmp_path_factory.mktemp("evaluate")
    save_pretrained(
        folder / "checkpoint",
        config=Config(),
        params={"a": np.zeros(1, np.float32)},
        space=STILL,
    )
    clips = [talking_clip(number) for number in range(2)]
    write_dataset(folder / "data", {"train": clips, "test": clips}, licence="none", made_by="test")
    return ["--checkpoint", str(folder / "checkpoint"), "--data", str(folder / "data")]


def test_the_truth_as_a_control_reaches_its_targets_and_leaves_metrics_and_a_plot(
    scene, tmp_path, capsys
):
    assert main(["evaluate", *scene, "--control", "truth", "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("jaw_correlation ") and line.endswith("yes") for line in lines)
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content["targets"]["lve_ratio"]["reached"] is True
    assert content["control"] == "truth"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "openings.png"]


def test_a_still_face_as_a_control_misses_its_targets(scene, capsys):
    assert main(["evaluate", *scene, "--control", "still", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["targets"]["jaw_correlation"]["reached"] is False
    assert content["targets"]["lve_ratio"]["reached"] is False
    assert content["targets"]["keyframe_head_f1"]["reached"] is False


@pytest.mark.slow
def test_a_comparison_has_checkpoints_baselines_tables_and_pictures(scene, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    groups = ["lips", "head", "sync", "rest"]
    args = parser.parse_args([*scene, "--metrics", *groups, "--samples", "1"])
    args.datas, args.data, args.split = args.data, args.data[0], "test"
    trained = [
        Trained(label, label, loudness_engine(offset=offset), SimpleNamespace(digest="0" * 64))
        for label, offset in (("good", 0.0), ("open", 0.1))
    ]
    found = evaluate.Found()
    evaluate.measure_on_data(args, trained, found, out=tmp_path, console=Console("evaluate"))
    names = ["another clip", "best constant pose", "good", "log-mel ridge", "nearest neighbour"]
    names += ["open", "speech level", "truth"]
    metrics = {line["name"]: line for line in found.about["comparison"]["data"]["metrics"]}
    lve = metrics["LVE, mean of distances"]["predictors"]
    assert sorted(lve) == names
    assert lve["truth"]["mean"] == 0.0 < lve["good"]["mean"] < lve["open"]["mean"]
    assert len(found.figures) == len(found.about["runs"]) == 2
    shut, hanging = (each["rest_silence_opening_max"] for each in found.figures)
    assert shut < 0.015 < hanging
    # the shipped lip-sync model reports its accuracy on people held out
    of_model = found.about["comparison"]["data"]["sync_model"]
    assert of_model["sync_held_out_people"] == 13 and of_model["sync_held_out_accuracy"] > 0.75
    assert "sync_accuracy_predicted" not in of_model
    for text in ((tmp_path / "comparison.md").read_text(encoding="utf-8"), found.tables[0]):
        assert "of the pairs of 13 people held out of its training 97.9 %" in text
    assert "sync_held_out_accuracy" in (tmp_path / "comparison.csv").read_text(encoding="utf-8")
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {"comparison.md", "comparison.csv", "distributions.png", "courses.png"} | {
        "spectra.png"
    }
    printed = capsys.readouterr().out
    assert "2 training clips for the baselines" in printed and "motions scored" in printed

    args.datas, args.training_clips = [args.data, str(tmp_path / "nothing")], 0
    with pytest.raises(InputError, match="nothing: no data set here"):
        evaluate.measure_on_data(args, trained, found, out=None, console=Console("evaluate"))


def test_checkpoints_of_one_name_get_different_labels():
    assert distinct_labels(["runs/a/", "runs/b"]) == ["a", "b"]
    assert distinct_labels(["one/run", "two/run"]) == ["one/run", "two/run"]
    assert distinct_labels(["demo", "demo"]) == ["demo (1)", "demo (2)"]


def test_data_without_true_motion_is_one_line(scene, tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(b"")
    assert main(["evaluate", *scene[:2], "--data", str(tmp_path)]) == 2
    assert "so no true motion to compare with" in capsys.readouterr().err


@pytest.fixture
def sync_model(tiny, tmp_path):  # noqa: F811
    """A checkpoint of a tiny lip-sync model."""
    return str(save_pretrained(tmp_path / "sync", config=TINY, params=tiny[1], space=STILL))


def test_a_lip_sync_model_judges_the_motion_of_a_checkpoint_and_alone_its_own_accuracy(
    scene, sync_model, capsys
):
    beside = ["evaluate", *scene, "--control", "still", "--metrics", "real", "--json"]
    assert main([*beside, "--sync", sync_model]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["targets"]["sync_accuracy"]["target"] == ">= 0.90"
    assert 0 <= content["figures"]["sync_confidence"] <= 1
    assert content["sync"] == sync_model

    assert main(["evaluate", "--checkpoint", sync_model, *scene[2:], "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)["figures"]
    shared = alone.keys() & content["figures"].keys()
    assert {"sync_accuracy", "sync_accuracy_all", "sync_confidence_truth"} <= shared == alone.keys()
    assert {name: content["figures"][name] for name in alone} == alone


def test_what_a_lip_sync_model_cannot_do_is_one_line_with_status_two(scene, sync_model, capsys):
    for arguments, says in (
        ([*scene, "--sync", scene[1]], "of the system ksdiff; need a lip-sync model"),
        (["--checkpoint", sync_model, *scene[2:], "--control", "still"], "a lip-sync model itself"),
        (["--checkpoint", sync_model, *scene[2:], "--real", "real"], "a lip-sync model itself"),
    ):
        assert main(["evaluate", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert says in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--split", "nowhere"], "no split 'nowhere'"),
        (["--clips", "0"], "need 1 or more"),
        (["--real", "real", "--real-seeds", "0"], "--real-seeds 0: need 1 or more"),
        (["--real", "real", "--metrics", "lips"], "--real real: --metrics leaves out the group"),
        (["--real", "real"], "--real real: --control still has no motion for real speech"),
        (["--metrics", "real"], "name their folders with --real DIR"),
        (["--folds", "a", "b"], "--folds a b: these measure real people only"),
        (["--metrics", "lps"], "invalid choice"),
        (["--checkpoint", "no/such/folder"], "no checkpoint"),
        (["--data", "no/such/folder"], "no data set here"),
        (["--style", "anna"], "style anna: need it empty, the model has no styles"),
        (["--space", "flame"], "leave --space out"),
        (["--late", "2"], "--late 2: used with --discriminate only"),
        (["--landmarks", "file"], "--landmarks file: these are of a --face"),
        (["--face", "no.npz"], "no.npz: no such file"),
        (["--training-clips", "-1"], "--training-clips -1: need 0 or more"),
        (["--videos", "0"], "--videos 0: need 1 or more"),
    ],
)
def test_each_mistake_is_one_line_with_status_two_and_leaves_no_folder(
    scene, arguments, says, capsys, tmp_path
):
    out = ["--out", str(tmp_path / "figures")]
    assert main(["evaluate", *scene, "--control", "still", *out, *arguments]) == 2
    assert not (tmp_path / "figures").exists()
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


def test_the_metrics_are_tested_on_the_clips_of_a_split(scene, tmp_path, capsys):
    out = tmp_path / "figures"
    late = ["--late", "2"]
    assert main(["evaluate", *scene, "--discriminate", *late, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "2 clips; the test of the metrics is meant for 30" in printed.err
    content = json.loads((out / "discrimination.json").read_text())
    assert content["table"] in printed.out
    assert content["schema"] == "ksdiff-discrimination/1" and not content["enough_clips"]
    assert "not tested: LSE-C; LSE-D: need the weights of SyncNet" in printed.out
    assert "--sync sync" in content["not_tested"]["sync confidence"]
    lve = content["metrics"][0]
    assert lve["name"].startswith("LVE") and lve["truth"] > 0  # of the truth 80 ms late
    best = lve["controls"]["lips closed"]
    assert best["share"] == 1.0 and best["clips"] == 2 and best["verdict"] == "cannot tell"
    assert [path.name for path in out.iterdir()] == ["discrimination.json"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--control", "still"], "--control: not used with --discriminate"),
        (["--guidance", "1", "2"], "--guidance: not used with --discriminate"),
        (["--late", "-1"], "--late -1: need a number of frames"),
        (["--clips", "1"], "--discriminate: got 1 clip, need two or more"),
        (["--causal"], "--causal: not used with --discriminate"),
        (["--data", "a", "b"], "--data: got 2, need one"),
    ],
)
def test_a_test_of_the_metrics_refuses_what_it_does_not_use(
    scene, arguments, says, capsys, tmp_path
):
    out = ["--out", str(tmp_path / "figures")]
    assert main(["evaluate", *scene, "--discriminate", *out, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--split", "test"], "--split test: options chosen on the test split"),
        (["--real", "real"], "--real: not used for a table"),
        (["--control", "still"], "--control: not used for a table"),
        (["--head-guidance", "3"], "--head-guidance: not used for a table"),
        (["--lip-temperature", "2"], "lip_temperature 2"),
        (["--style", "anna"], "style anna: need it empty"),
    ],
)
def test_a_table_of_sampling_options_refuses_the_test_split_and_what_it_does_not_measure(
    scene, arguments, says, capsys
):
    own = [*scene, "--split", "train", "--guidance", "1", "2"]
    assert main(["evaluate", *own, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--samplers", "euler"], "sampler euler: need one of ddim, dpm++2m, unipc"),
        (
            ["--samplers", "ddim", "--spacing", "even"],
            "spacing even: need one of trailing, log_snr",
        ),
        (["--steps", "4", "6"], "--steps 4 6: several make a table; add --samplers"),
        (["--samplers", "ddim", "--split", "test"], "--split test: a sampler chosen on the test"),
        (["--student", "demo"], "--student demo: a row of the table of samplers; add --samplers"),
        (["--samplers", "ddim", "--student", "demo"], "--student demo: was not distilled from"),
        (["--samplers", "ddim", "--control", "still"], "--control: not used with --samplers"),
        (["--samplers", "ddim", "--guidance", "1", "2"], "--guidance: several values are another"),
        (["--sampler", "unipc", "--steps", "0"], "steps 0"),
        (["--samplers", "unipc", "--steps", "4", "1001"], "steps 1001"),
    ],
)
def test_samplers_that_cannot_be_compared_are_one_line(scene, arguments, says, capsys, tmp_path):
    own = [*scene, "--out", str(tmp_path / "figures")]
    own += [] if "--split" in arguments else ["--split", "train"]
    assert main(["evaluate", *own, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error and len(error.splitlines()) == 1
    assert not (tmp_path / "figures").exists()


def test_a_table_of_samplers_is_continued_and_names_its_choice(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    system, clips = LoudnessSystem(), [talking_clip(number) for number in range(5)]
    trained = SimpleNamespace(params={"offset": np.float32(0)}, digest="0" * 64)

    def table(*steps: str, seed: int = 0) -> tuple[dict, list[str]]:
        args = parser.parse_args(
            ["--samplers", "unipc", "--steps", *steps, "--seed", str(seed), "--samples", "2"]
        )
        use_one_value(args)
        console = Console("evaluate")
        assert run_samplers(args, system, trained, clips, out=tmp_path, console=console) == 0
        content = json.loads((tmp_path / "samplers.json").read_text())
        return content, capsys.readouterr().out.splitlines()

    content, lines = table("4", "6")
    kept = [(row["sampler"], row["steps"]) for row in content["rows"]]
    assert kept == [("ddim", 50), ("unipc", 4), ("unipc", 6)]
    # this system's motion does not depend on the sampler: the fewest steps are as good
    assert (content["chosen"]["sampler"], content["chosen"]["steps"]) == ("unipc", 4)
    assert "chosen: unipc, 4 steps" in lines
    assert len(content["times"]) == 3 and content["changes"][1]["amplitude"][0] == 0
    again, lines = table("4", "8")
    assert [row["steps"] for row in again["rows"]] == [50, 4, 6, 8] and len(again["times"]) == 4
    assert sum(line.endswith(" s)") for line in lines) == 1  # one row was measured now
    assert any("continues with its 3 finished rows" in line for line in lines)
    other, lines = table("4", seed=1)
    assert len(other["rows"]) == 2 and any("it is replaced" in line for line in lines)


@pytest.mark.parametrize(("causal", "guidance"), [(False, 1.0), (True, 2.0)])
def test_the_checkpoints_own_guidance_is_that_of_the_mode(causal, guidance):
    sample = SampleConfig(guidance=1.0, causal_guidance=2.0, causal=causal)
    engine = SimpleNamespace(system=SimpleNamespace(config=Config(sample=sample)))
    args = argparse.Namespace(guidance=None, lip_temperature=[0.5])
    own, rows = compared_options(args, engine)
    assert own.guidance == guidance
    assert {row.guidance for row in rows} == {1.0, guidance}


def test_a_table_of_sampling_options_is_continued_and_names_its_choice(tmp_path, capsys):
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    system, clips = LoudnessSystem(), [talking_clip(number) for number in range(2)]
    trained = SimpleNamespace(params={"offset": np.float32(0)}, digest="0" * 64)

    def table(*guidance: str, seed: int = 0) -> tuple[dict, list[str]]:
        args = parser.parse_args(["--guidance", *guidance, "--seed", str(seed), "--samples", "1"])
        assert (
            run_table(args, system, trained, clips, out=tmp_path, console=Console("evaluate")) == 0
        )
        content = json.loads((tmp_path / "sampling.json").read_text())
        return content, capsys.readouterr().out.splitlines()

    content, lines = table("1", "2")
    assert [(row["guidance"], row["lip_temperature"]) for row in content["rows"]] == [
        (1.0, 1.0),
        (2.0, 1.0),
    ]
    assert (
        content["chosen"]
        == content["checkpoints_own"]
        == {
            "guidance": 1.0,
            "lip_temperature": 1.0,
        }
    )
    assert any(line.endswith("| checkpoint's, plain, chosen |") for line in lines)
    assert sum("s): opening r" in line for line in lines) == 2  # both were measured now
    again, lines = table("1", "3")
    assert [row["guidance"] for row in again["rows"]] == [1.0, 2.0, 3.0]
    assert again["rows"][:2] == content["rows"]
    assert sum("s): opening r" in line for line in lines) == 1
    assert any("continues with its 2 finished rows" in line for line in lines)
    other, lines = table("1", "2", seed=1)
    assert len(other["rows"]) == 2 and any("it is replaced" in line for line in lines)
