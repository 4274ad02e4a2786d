"""Cuts a recording into clips of the lengths that the corpus has, in its pauses.

A recording of at most `LONGEST_CLIP_S` is one clip. A longer one is cut in the middle of the
longest pause that leaves a clip of `SHORTEST_CLIP_S` or more; where nobody pauses, between two
phones. All cuts are on motion frames, so that the clips together are the recording.
"""

from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.data.corpus.speech import LONGEST_CLIP_S, SHORTEST_CLIP_S
from ksdiff_jax.speech.transcripts.spoken_words import Spoken

SHORTEST_PAUSE_S = 0.1


def cuts(phones: tuple[Spoken, ...], *, frames: int) -> list[tuple[int, int]]:
    """Return the first frame of every clip and the one after its last."""
    edges = [0]
    while (frames - edges[-1]) / MOTION_RATE_HZ > LONGEST_CLIP_S:
        edges.append(_next_cut(phones, edges[-1]))
    return list(zip(edges, [*edges[1:], frames], strict=True))


def part(items: tuple[Spoken, ...], *, start_s: float, end_s: float) -> tuple[Spoken, ...]:
    """Return what is spoken between two times, counted from the first."""
    return tuple(
        Spoken(text, max(begin, start_s) - start_s, min(end, end_s) - start_s)
        for text, begin, end in items
        if min(end, end_s) > max(begin, start_s)
    )


def _next_cut(phones: tuple[Spoken, ...], first: int) -> int:
    earliest_s = first / MOTION_RATE_HZ + SHORTEST_CLIP_S
    latest_s = first / MOTION_RATE_HZ + LONGEST_CLIP_S
    gaps = [
        (max(a, earliest_s), min(b, latest_s))
        for a, b in zip(
            [0.0, *(phone.end_s for phone in phones)],
            [*(phone.start_s for phone in phones), latest_s],
            strict=True,
        )
    ]
    begin_s, end_s = max(gaps, key=lambda gap: gap[1] - gap[0])
    if end_s - begin_s >= SHORTEST_PAUSE_S:
        return int((begin_s + end_s) / 2 * MOTION_RATE_HZ)
    ends = [phone.end_s for phone in phones if earliest_s <= phone.end_s <= latest_s]
    return int((max(ends) if ends else latest_s) * MOTION_RATE_HZ)
