"""Deinterlaces pictures with FFmpeg's bwdif; progressive pictures are unchanged.

Half the lines of an interlaced picture are exposed half a frame later than the others, so that
moving edges have a comb pattern. One picture per frame is returned, at the time of its first field.
The filter is created at the first picture that is flagged as interlaced, so it does not affect
plain video.
"""

import itertools
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeVar

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

FILTER, ARGUMENTS = "bwdif", "mode=send_frame:parity=auto:deint=interlaced"
SMALLEST_SIDE = 4
TICK = Fraction(1, 1000)  # the filter needs increasing stamps; the real times are stored outside

Shown = TypeVar("Shown")  # a NamedTuple with a field `picture`


def progressive(shown: Iterator[Shown]) -> Iterator[Shown]:
    """Yield the same pictures in the same order, each deinterlaced. One picture is buffered while
    the filter runs.
    """
    graph: Graph | None = None
    held: deque[Shown] = deque()
    layout, number = None, itertools.count()
    for item in shown:
        picture = item.picture
        if graph is not None and layout != _layout(picture):
            yield from _emptied(graph, held)
            graph = None
        if (
            graph is None
            and picture.interlaced_frame
            and min(picture.width, picture.height) >= SMALLEST_SIDE
        ):
            graph, layout = _graph(picture), _layout(picture)
        if graph is None:
            yield item
            continue
        picture.pts, picture.time_base = next(number), TICK
        held.append(item)
        graph.vpush(picture)
        yield from _pulled(graph, held)
    if graph is not None:
        yield from _emptied(graph, held)


def _layout(picture: VideoFrame) -> tuple:
    return picture.width, picture.height, picture.format.name


def _graph(picture: VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(
        width=picture.width, height=picture.height, format=picture.format, time_base=TICK
    )
    graph.link_nodes(source, graph.add(FILTER, ARGUMENTS), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph, held: deque[Shown]) -> Iterator[Shown]:
    while held:
        try:
            picture = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield held.popleft()._replace(picture=picture)


def _emptied(graph: Graph, held: deque[Shown]) -> Iterator[Shown]:
    graph.vpush(None)
    yield from _pulled(graph, held)
    yield from held  # empty unless the filter lost some
    held.clear()
