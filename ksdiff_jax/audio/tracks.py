"""Selects the sound track of a file: the requested one, otherwise the one that a player selects.

A player selects the track marked as default, otherwise the first. A track that FFmpeg cannot decode
(spatial sound of phones, protected music) is skipped if there is another one, and so are tracks for
the hard of hearing and commentary tracks. Tracks are counted from 1.
"""

from pathlib import Path
from typing import NamedTuple

from av.container import InputContainer
from av.stream import Disposition

from ksdiff_jax.audio.wave_header import WaveHeader
from ksdiff_jax.errors import InputError

_ASIDES = Disposition.comment | Disposition.visual_impaired | Disposition.dub | Disposition.karaoke


class Choice(NamedTuple):
    """A sound track of an open container."""

    number: int  # from 1, among the sound tracks
    stream: object  # av.audio.stream.AudioStream
    # one line for each automatic decision that the caller may want to change
    notes: tuple[str, ...]
    others: tuple[int, ...]  # the other tracks that can be decoded, the most likely first


def choose_track(
    container: InputContainer,
    *,
    path: Path,
    track: int | None = None,
    stored: WaveHeader | None = None,
) -> Choice:
    """Return the track `track`, or the one that a player selects; raise `InputError` if none is
    usable.

    A WAV file whose samples `audio.pcm` reads (`stored`) needs no decoder.
    """
    streams = list(container.streams.audio)
    if not streams:
        what = "a video without a sound track" if container.streams.video else "not a recording"
        raise InputError(
            f"{path}: {what} (read as {container.format.name}); give a file with sound in it"
        )
    if track is not None:
        return Choice(track, _requested(streams, track, path=path, stored=stored), (), ())
    usable = [
        number for number, stream in enumerate(streams, start=1) if stored or _decodable(stream)
    ]
    if not usable:
        if any(stream.codec_context is not None for stream in streams):
            raise InputError(
                f"{path}: the header gives no sample rate; save the recording again with another "
                "tool"
            )
        missing = (
            "its sound track has no"
            if len(streams) == 1
            else f"none of its {len(streams)} sound tracks has a"
        )
        raise InputError(
            f"{path}: {missing} decoder in FFmpeg; save the sound as wav, m4a or flac with "
            "another tool"
        )
    usable.sort(key=lambda number: _rank(streams[number - 1]))
    number, *others = usable
    notes = []
    if passed_over := sorted(set(range(1, number)) - set(usable)):
        named = " and ".join(map(str, passed_over))
        notes.append(
            f"{path}: sound track {named} of {len(streams)} has no decoder; track {number} is used"
        )
    elif others:
        notes.append(
            f"{path}: {len(streams)} sound tracks; track {number} is used (--audio-stream chooses "
            "another)"
        )
    return Choice(number, streams[number - 1], tuple(notes), tuple(others))


def _requested(streams: list, track: int, *, path: Path, stored: WaveHeader | None):
    if not 1 <= track <= len(streams):
        has = "1 sound track" if len(streams) == 1 else f"{len(streams)} sound tracks"
        raise InputError(
            f"{path}: sound track {track} was requested; the file has {has}, counted from 1"
        )
    if not (stored or _decodable(streams[track - 1])):
        raise InputError(
            f"{path}: FFmpeg has no decoder for sound track {track}; choose another one of "
            f"{len(streams)}"
        )
    return streams[track - 1]


def _decodable(stream) -> bool:
    return stream.codec_context is not None and bool(stream.rate)


def _rank(stream) -> tuple[bool, bool]:
    return bool(stream.disposition & _ASIDES), not stream.disposition & Disposition.default
