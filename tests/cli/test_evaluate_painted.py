"""`evaluate` of a checkpoint that paints frames: tables, files, and one line for what does not
fit.
"""

import json

import numpy as np
import pytest

from ksdiff_jax.cli import evaluate_painted
from ksdiff_jax.cli.main import main
from ksdiff_jax.data.coded_pictures import coded_pictures
from ksdiff_jax.data.shards import write_dataset
from ksdiff_jax.evaluate.painting_baselines import copied
from ksdiff_jax.models import pretrained
from ksdiff_jax.models.fd2talk.frames.config import Config, ModelConfig
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.ownership import purpose_of
from tests.data.clips import make_clip

SIDE = 32


def clips(side=SIDE):
    for number in range(2):
        pictures = np.random.default_rng(number).integers(0, 256, (6, 4, 4, 3)).astype(np.uint8)
        large = pictures.repeat(side // 4, 1).repeat(side // 4, 2)
        yield make_clip(number, frames=6, pictures=coded_pictures(large, side=side))


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Call with options to run the command on a frames checkpoint; returns status, results and
    errors. Its painter copies the reference.
    """
    unet = UNetConfig(channels=32, multipliers=(1,), self_attention_levels=())
    config = Config(model=ModelConfig(picture_side=SIDE, unet=unet))
    found = pretrained.Pretrained(config, {}, BUILTIN, "digest", tmp_path)
    monkeypatch.setattr(pretrained, "load_pretrained", lambda *_, **__: found)
    monkeypatch.setattr(pretrained, "find_pretrained", lambda name: tmp_path / "fr")
    monkeypatch.setattr(
        evaluate_painted, "_painters", lambda args, labels, several: {labels[0]: copied}
    )
    write_dataset(tmp_path / "faces", {"test": clips()}, licence="", made_by="test")

    def run(*options, data="faces"):
        given = ["evaluate", "--checkpoint", "fr", "--data", tmp_path / data, "--json", *options]
        status = main([*map(str, given)])
        out, errors = capsys.readouterr()
        return status, json.loads(out) if out else {}, errors

    return run


def test_figures_tables_and_a_strip_are_written(typed, tmp_path):
    status, results, errors = typed("--out", tmp_path / "out")
    assert status == 0 and "the linear baselines and the opening read from pixels" in errors
    assert "2 clips, no interval" in (tmp_path / "out" / "comparison.md").read_text()
    names = ["comparison.csv", "comparison.md", "metrics.json", "painted.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert purpose_of(tmp_path / "out" / "painted.png") == "painted-strip"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == results
    (comparison,) = results["comparison"].values()
    lines = {line["name"]: line["predictors"] for line in comparison["metrics"]}
    assert lines["PSNR"]["truth"]["mean"] == 60
    assert lines["PSNR"]["fr"] == lines["PSNR"]["copied"]
    assert results["figures"]["psnr"] == lines["PSNR"]["fr"]["mean"]
    assert {"FID", "LPIPS", "CPBD", "LSE-C"} < set(comparison["not_measured"])
    leads = [one for one in results["leads"]["faces"] if one["metric"] == "PSNR of the mouth"]
    assert [(one["above"], one["mean"]) for one in leads] == [("copied", 0.0)]
    assert typed("--out", tmp_path / "out")[0] == 0  # files of ours are replaced
    (tmp_path / "out" / "painted.png").write_bytes(b"mine")
    status, _, errors = typed("--out", tmp_path / "out")
    assert status == 2 and "painted.png" in errors
    assert (tmp_path / "out" / "painted.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        ((), "plain", "no pictures in it, 32 are needed; make it again with `--pictures 32`"),
        ((), "large", "its pictures are of 40 pixels, 32 are needed"),
        (("--metrics", "lips"), "faces", "--metrics: of motion, and fr makes pictures"),
        (("--control", "still"), "faces", "--control: of motion"),
        (("--guidance", 1, 2), "faces", "--guidance: got several"),
        (("--samples", 4), "faces", "--samples: of motion"),
        (("--encoder", "x"), "faces", "--encoder: of motion"),
        (("--lpips", "absent"), "faces", "absent: not a converted lpips (no config.json)"),
    ],
)
def test_what_does_not_fit_is_one_line(typed, tmp_path, options, data, message):
    plain = (make_clip(number, frames=6) for number in range(2))
    write_dataset(tmp_path / "plain", {"test": plain}, licence="", made_by="test")
    write_dataset(tmp_path / "large", {"test": clips(40)}, licence="", made_by="test")
    status, _, errors = typed("--training-clips", 0, *options, data=data)
    assert status == 2 and message in errors and len(errors.splitlines()) == 1


def test_weights_of_picture_metrics_are_of_no_use_for_motion(capsys):
    assert main(["evaluate", "--checkpoint", "demo", "--lpips", "x"]) == 2
    error = capsys.readouterr().err
    assert "--lpips x: of pictures, and --checkpoint demo paints none" in error
