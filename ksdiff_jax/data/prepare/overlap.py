"""Motion and sound on one clock: the part that both cover, and the detection of wrong lengths.

Recorders start and stop sound and pictures at slightly different times, so what only one of them
covers is cut off and counted. A wrong frame rate or the sound of another file would be cut to
nonsense without an error. A difference is therefore refused if

- another usual frame rate would make the lengths equal (30 frames a second read as 25 has no other
  visible effect), or
- one is more than twice as long as the other.

Nothing is stretched unless requested; then the motion's time is multiplied so that it ends with the
sound.
"""

from typing import NamedTuple

from ksdiff_jax.data.prepare.source import Cut, Rejected

USUAL_RATES_HZ = (
    24000 / 1001,
    24.0,
    25.0,
    30000 / 1001,
    30.0,
    48.0,
    50.0,
    60000 / 1001,
    60.0,
    100.0,
)
# A smaller difference is always cut, even if another rate would fit.
HARMLESS_S, HARMLESS_SHARE = 0.2, 0.01
# How closely another rate has to fit: in seconds, relative to the sound, relative to the difference
# (trackers lose frames).
FIT_S, FIT_SHARE, FIT_OF_DIFFERENCE = 0.1, 0.005, 0.1
SAME_RATE = 0.0005
LEAST_SHARE = 0.5  # of the shorter to the longer
LARGEST_STRETCH = 4.0


class Span(NamedTuple):
    """A stretch of time in seconds."""

    start_s: float
    end_s: float

    def within(self, other: "Span") -> "Span":
        """Return its intersection with another span; empty if there is none."""
        start_s = max(self.start_s, other.start_s)
        return Span(start_s, max(start_s, min(self.end_s, other.end_s)))

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_s - self.start_s


def overlap(motion: Span, sound: Span, *, wanted: Span) -> tuple[Span, Cut]:
    """Return the common part within `wanted`, and what is cut off from each."""
    motion, sound = motion.within(wanted), sound.within(wanted)
    shared = motion.within(sound)
    if not shared.seconds:  # they do not overlap: all of both
        return shared, Cut(motion_tail_s=motion.seconds, sound_tail_s=sound.seconds)
    heads = (shared.start_s - motion.start_s, shared.start_s - sound.start_s)
    tails = (motion.end_s - shared.end_s, sound.end_s - shared.end_s)
    return shared, Cut(*(round(seconds, 3) for seconds in (heads[0], tails[0], heads[1], tails[1])))


class Lengths(NamedTuple):
    """The lengths of a motion and of its sound, in frames and in seconds."""

    frames: int
    period_s: float  # of a motion frame
    motion_s: float
    sound_s: float


def check_lengths(lengths: Lengths, *, what: str, origin: str, remedy: str) -> None:
    """Raise `Rejected("length_mismatch")` if the lengths of motion and sound show a wrong rate or
    another file.

    `what` and `origin` name the motion and the source of its rate; `remedy` is an option that sets
    the rate that fits.
    """
    frames, period_s, motion_s, sound_s = lengths
    rate_hz = fitting_rate(lengths)
    share = min(motion_s, sound_s) / max(motion_s, sound_s, 1e-9)
    if rate_hz is None and share > LEAST_SHARE:
        return
    advice = "no usual rate would fit; is it the sound of this file?"
    if rate_hz is not None:
        stated = f"{remedy} {rate_hz:.5g}, " if remedy else ""
        advice = (
            f"{rate_hz:.5g} fps would fit: {stated}or --stretch if the sound runs at another speed"
        )
    raise Rejected(
        "length_mismatch",
        f"{what}: {frames} frames at {1 / period_s:.5g} fps ({origin}) are {motion_s:.2f} s, "
        f"its sound {sound_s:.2f} s; {advice}",
    )


def fitting_rate(lengths: Lengths) -> float | None:
    """Return the usual rate at which the frames would last as long as the sound, if they do not
    already.
    """
    frames, period_s, motion_s, sound_s = lengths
    off_s = abs(motion_s - sound_s)
    if off_s <= max(HARMLESS_S, HARMLESS_SHARE * sound_s):
        return None
    others = [rate for rate in USUAL_RATES_HZ if abs(rate * period_s - 1) > SAME_RATE]
    best = min(others, key=lambda rate: abs(frames / rate - sound_s))
    allowed_s = max(FIT_S, FIT_SHARE * sound_s, FIT_OF_DIFFERENCE * off_s)
    return best if abs(frames / best - sound_s) <= allowed_s else None


def stretch_to(*, motion_s: float, sound_s: float, what: str) -> float:
    """Return the factor by which the motion's time is multiplied so that it ends with the sound."""
    factor = sound_s / motion_s if motion_s > 0 else 0.0
    if not 1 / LARGEST_STRETCH <= factor <= LARGEST_STRETCH:
        detail = (
            f"{what}: {motion_s:.2f} s, its sound {sound_s:.2f} s; --stretch goes to "
            f"{LARGEST_STRETCH:g} times"
        )
        raise Rejected("length_mismatch", detail)
    return factor
