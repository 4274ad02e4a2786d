"""The display time of each decoded picture, from time stamps that may be missing, duplicated, out
of order or restarted.

The decoder returns pictures in display order; their time stamps often are not in order. Every
picture gets a time, and times increase:

| found | the picture's time |
|---|---|
| a stamp later than the last | that stamp |
| no stamp, or an outlier (duplicated, backward, far ahead once) | evenly between its neighbours |
| no stamps in the format (raw streams) | the sum of the durations before it |
| stamps that go back and continue from there (joined files) | one step after the last, and so on |
| a jump by more than 10 s in a broadcast format | the same; in any other format a pause |
| AVI, whose stamps are decoding times | the n-th place in the file for the n-th picture shown |

Times are seconds on the clock of the file's stamps. An outlier is recognised by the stamps after
it, so up to `MOST_WAITING` pictures are buffered.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from av.video.frame import VideoFrame

MOST_WAITING = 8
FAR_S = 1.0  # a stamp further ahead is accepted only if a second one confirms it
RESTART_S = 0.5  # a smaller step back counts as disorder
DISCONTINUITY_S = 10.0


class Timed(NamedTuple):
    """A picture and its display time."""

    time_s: float
    picture: VideoFrame


class _Waiting(NamedTuple):
    stamp_s: float | None
    picture: VideoFrame


def by_stamps(
    pictures: Iterator[VideoFrame],
    *,
    time_base: Fraction,
    step_s: float,
    first_s: float = 0.0,
    spliced: bool = False,
) -> Iterator[Timed]:
    """Yield times from the pictures' own stamps.

    `first_s`: time of the first picture if no stamp is known; `spliced`: broadcast.
    """
    line = _Line(step_s, first_s, spliced)
    for picture in pictures:
        line.waiting.append(
            _Waiting(None if picture.pts is None else float(picture.pts * time_base), picture)
        )
        yield from line.settled()
    yield from line.rest()


def by_count(
    pictures: Iterator[VideoFrame], *, time_base: Fraction, step_s: float
) -> Iterator[Timed]:
    """Yield times of a raw stream, whose stamps FFmpeg invents: each picture lasts for its coded
    duration, or one step.
    """
    time_s = 0.0
    for picture in pictures:
        yield Timed(time_s, picture)
        duration_s = float((picture.duration or 0) * time_base)
        # half a step: a field
        time_s += duration_s if 0.75 * step_s < duration_s < 4 * step_s else step_s


def by_places(
    pictures: Iterator[VideoFrame], places: list[int], *, time_base: Fraction
) -> Iterator[Timed]:
    """Yield times of an AVI: `places` contains the decoding stamp of every packet read so far, and
    grows during the iteration.

    The decoder returns a picture after it has read some more packets; their number is determined at
    the first picture. The stamp of the packet after which a picture is returned therefore gives its
    place, also after packets that were lost.
    """
    delay, last, found = None, -1, {}
    for picture in pictures:
        for number in range(len(found), len(places)):
            found.setdefault(places[number], number)
        freed_by = found.get(picture.dts) if picture.dts is not None else None
        if delay is None:
            delay = freed_by or 0
        last = max(last + 1, freed_by - delay if freed_by is not None else 0)
        beyond = max(0, last - len(places) + 1)
        yield Timed(float((places[last - beyond] + beyond) * time_base), picture)


class _Line:
    """Pictures whose times are not known yet, and the last time assigned."""

    def __init__(self, step_s: float, first_s: float, spliced: bool):
        self.waiting: list[_Waiting] = []
        self._step_s, self._first_s, self._spliced = step_s, first_s, spliced
        self._last_s: float | None = None
        self._offset_s = 0.0  # grows at each restart of the stamps

    def settled(self) -> Iterator[Timed]:
        """Yield the pictures whose times are determined by the newest one."""
        newest_s = self._at(-1)
        if newest_s is not None:
            if self._last_s is None:
                first_s = newest_s - (len(self.waiting) - 1) * self._step_s
                yield from self._placed(
                    [first_s + k * self._step_s for k in range(len(self.waiting))]
                )
                return
            if self._last_s < newest_s <= self._last_s + FAR_S:
                yield from self._between(newest_s)
                return
            yield from self._confirmed(newest_s)
        if len(self.waiting) >= MOST_WAITING:
            yield from self._restarted()

    def rest(self) -> Iterator[Timed]:
        """Yield the last pictures: a stamp ahead is used, any other is replaced by a step."""
        while self.waiting:
            at_s, next_s = self._at(0), self._next_s()
            yield from self._placed(
                [at_s if at_s is not None and at_s >= next_s - self._step_s / 2 else next_s]
            )

    def _confirmed(self, newest_s: float) -> Iterator[Timed]:
        """Accept two increasing stamps off the line, ahead or behind, as a new line."""
        before = [k for k in range(len(self.waiting) - 1) if self.waiting[k].stamp_s is not None]
        if not before:
            return
        at = before[-1]
        at_s = self._at(at)
        if not at_s < newest_s:
            return
        if at_s > self._last_s + FAR_S and not (
            self._spliced and at_s - self._last_s > DISCONTINUITY_S
        ):
            earlier = [self._last_s + (k + 1) * self._step_s for k in range(at)]
            yield from self._placed([*earlier, at_s])
            yield from self.settled()
        elif (
            at_s > self._last_s + FAR_S
            or self._last_s - at_s >= RESTART_S
            or self._is_a_step(newest_s - at_s)
        ):
            yield from self._restarted()

    def _is_a_step(self, seconds: float) -> bool:
        """Return whether two pictures follow each other at the usual rate; a small step back of
        both is not disorder.
        """
        return abs(seconds - self._step_s) < 0.25 * self._step_s

    def _restarted(self) -> Iterator[Timed]:
        """Yield the buffered pictures one step apart from the last on; later stamps count from
        there.
        """
        stamped = [k for k in range(len(self.waiting)) if self.waiting[k].stamp_s is not None]
        times_s = [self._next_s() + k * self._step_s for k in range(len(self.waiting))]
        if stamped:
            self._offset_s += times_s[stamped[-1]] - self._at(stamped[-1])
        yield from self._placed(times_s)

    def _between(self, newest_s: float) -> Iterator[Timed]:
        """Yield those before the newest evenly between the last and it, but at most about a step
        apart.
        """
        share_s = (newest_s - self._last_s) / len(self.waiting)
        share_s = share_s if share_s <= 2 * self._step_s else self._step_s
        yield from self._placed(
            [*(self._last_s + (k + 1) * share_s for k in range(len(self.waiting) - 1)), newest_s]
        )

    def _placed(self, times_s: list[float]) -> Iterator[Timed]:
        for time_s in times_s:
            self._last_s = time_s
            yield Timed(time_s, self.waiting.pop(0).picture)

    def _at(self, number: int) -> float | None:
        stamp_s = self.waiting[number].stamp_s
        return None if stamp_s is None else stamp_s + self._offset_s

    def _next_s(self) -> float:
        return self._first_s if self._last_s is None else self._last_s + self._step_s
