"""Pictures with external names as text, on machines with unusual settings."""

import importlib
import os
import sys
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from PIL import Image

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.report import Curves, plot_openings
from ksdiff_jax.export.drawing import LONGEST_TITLE, drawing, title_of
from ksdiff_jax.export.plot import write_plot
from ksdiff_jax.export.sheet import SheetEntry, write_sheet
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import MOTION_DIMS

NAMES = (
    "pay $5 or $6 a$_{$ $$ half $ x_$\\frac$",
    "%d {} \\ & # _ ^ ~ <b>",
    os.fsdecode(b"caf\xe9") + "a\nb\tc\x1b[31m",
    "日本語 😀 e\u0301 \u202egnp" + "x" * 250,
)


def clip_of(frames):
    return MotionClip.from_coefficients(
        np.zeros((frames, MOTION_DIMS), np.float32),
    )


def sheet_entry(title):
    return SheetEntry(
        title,
        np.zeros(SAMPLES_PER_MOTION_FRAME, np.float32),
        np.zeros((2, 1), np.float32),
        25.0,
        "opening",
    )


def test_any_name_is_drawn_as_it_is_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_sheet(
            tmp_path / "sheet.png", [sheet_entry(name) for name in NAMES[:2]], title=NAMES[2]
        )
        curves = [Curves(NAMES[3], np.zeros(2, np.float32), np.zeros(2, np.float32))]
        plot_openings(tmp_path / "openings.png", curves, title=NAMES[0])
        write_plot(
            tmp_path / "plot.png", clip_of(2), opening_m=np.zeros(2, np.float32), title=NAMES[2]
        )
    assert len(list(tmp_path.iterdir())) == 3


def test_a_dollar_is_drawn_and_not_read(tmp_path):
    """ "$v$" takes the ink of three characters; as a formula it would be that of one."""

    def ink(title):
        path = write_plot(
            tmp_path / "a.png", clip_of(2), opening_m=np.zeros(2, np.float32), title=title
        )
        return int((np.asarray(Image.open(path))[:40, :, :3].min(axis=-1) < 128).sum())

    assert ink("$v$") > 2 * ink("v")


def test_the_settings_of_the_user_change_no_picture(tmp_path):
    import matplotlib

    write_plot(tmp_path / "own.png", clip_of(2), opening_m=np.zeros(2, np.float32), title="a $b$ c")
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red", "font.size": 30}):
        write_plot(
            tmp_path / "same.png", clip_of(2), opening_m=np.zeros(2, np.float32), title="a $b$ c"
        )
        assert matplotlib.rcParams["text.usetex"]
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_a_title_is_one_line_within_the_picture():
    for name in NAMES:
        assert len(title_of(name)) <= LONGEST_TITLE and len(title_of(name).splitlines()) == 1


@pytest.mark.parametrize(("fault", "status"), [("backend", 0), ("all", 2)])
def test_a_matplotlib_that_cannot_start_is_one_line_and_an_unknown_backend_no_matter(
    fault, status, monkeypatch
):
    real = importlib.import_module("matplotlib")

    def imported(name):
        if fault == "all" or "MPLBACKEND" in os.environ:
            raise ValueError("Key backend: 'nonsense' is not a valid value\nfor backend")
        return real

    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr("ksdiff_jax.export.drawing.importlib.import_module", imported)
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    expected = (
        pytest.raises(InputError, match=r"Matplotlib cannot be started .*nonsense")
        if status
        else nullcontext()
    )
    with expected, drawing():
        pass
    assert os.environ["MPLBACKEND"] == "nonsense"
