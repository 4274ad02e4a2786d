"""The common part of motion and sound, and differences that are errors, against lengths computed by
hand.
"""

import pytest

from ksdiff_jax.data.prepare.overlap import (
    Lengths,
    Span,
    check_lengths,
    fitting_rate,
    overlap,
    stretch_to,
)
from ksdiff_jax.data.prepare.source import Cut, Rejected

ALL = Span(0.0, float("inf"))


def span(start_s, end_s) -> Span:
    return Span(float(start_s), float(end_s))


@pytest.mark.parametrize(
    ("motion", "sound", "wanted", "shared", "cut"),
    [
        ((0, 3), (0, 3), ALL, (0, 3), (0, 0, 0, 0)),
        ((0, 3), (0, 4), ALL, (0, 3), (0, 0, 0, 1)),
        ((0, 4), (0.5, 3), ALL, (0.5, 3), (0.5, 1, 0, 0)),
        ((0.5, 3), (0, 3.25), ALL, (0.5, 3), (0, 0, 0.5, 0.25)),
        # what was not asked for is not cut
        ((0, 10), (0, 12), Span(2.0, 5.0), (2, 5), (0, 0, 0, 0)),
        ((0, 10), (0, 12), Span(2.0, 11.0), (2, 10), (0, 0, 0, 1)),
    ],
)
def test_what_one_alone_has_is_cut_off(motion, sound, wanted, shared, cut):
    found, lost = overlap(span(*motion), span(*sound), wanted=wanted)
    assert tuple(found) == shared and lost == Cut(*cut)


def test_what_never_meets_has_nothing_in_common():
    shared, cut = overlap(span(0, 2), span(3, 5), wanted=ALL)
    assert shared.seconds == 0 and cut.motion_s == 2 and cut.sound_s == 2


@pytest.mark.parametrize(
    ("frames", "fps", "sound_s", "fits"),
    [
        (780, 25.0, 26.01, 30.0),  # recorded at 30
        (750, 30.0, 30.0, 25.0),
        (750, 25.0, 31.25, 24.0),  # film speed
        (500, 25.0, 10.0, 50.0),
        (595, 25.0, 20.0, 30.0),  # at 30, five lost by the tracker
        (100, 25.0, 5.0, None),  # a second of sound alone
        (100, 25.0, 4.3, None),
        (750, 25.0, 30.2, None),
        (750, 25.0, 31.0, None),
        (719, 23.976, 30.0, None),  # 24 would fit too, and it makes no difference
    ],
)
def test_a_usual_rate_that_fits_is_found_and_only_then(frames, fps, sound_s, fits):
    found = fitting_rate(Lengths(frames, 1 / fps, motion_s=frames / fps, sound_s=sound_s))
    assert found == (fits and pytest.approx(fits, rel=0.002))  # 29.97 is as good as 30


@pytest.mark.parametrize(("frames", "sound_s"), [(100, 1.3), (50, 4.3)])
def test_the_sound_of_another_file_is_refused(frames, sound_s):
    with pytest.raises(Rejected, match="no usual rate would fit") as caught:
        check_lengths(
            Lengths(frames, period_s=0.04, motion_s=frames / 25, sound_s=sound_s),
            what="a",
            origin="b",
            remedy="--coefficient-fps",
        )
    assert caught.value.reason == "length_mismatch"


def test_stretching_multiplies_time_within_reason():
    assert stretch_to(motion_s=25.0, sound_s=24.0, what="a") == pytest.approx(0.96)
    with pytest.raises(Rejected, match="4 times"):
        stretch_to(motion_s=1.0, sound_s=10.0, what="a")
