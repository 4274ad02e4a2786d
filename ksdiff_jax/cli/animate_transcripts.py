"""The transcript of each recording of `ksdiff-jax animate`: from the command line, a file, Whisper,
or a file beside the recording.
"""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from ksdiff_jax.errors import InputError
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import Transcript

if TYPE_CHECKING:  # slow to import
    from ksdiff_jax.audio.waveform import Recording

TranscriptOf = Callable[[str, "Recording"], Transcript]


def transcript_reader(args: argparse.Namespace) -> TranscriptOf:
    """Return the function that returns the transcript of a recording, chosen by the options."""
    if args.transcript_file:
        given = read_transcript(
            args.transcript_file, recording=args.speech[0] if len(args.speech) == 1 else None
        )
        return lambda speech, recording: given
    if args.transcript or args.no_sidecar:
        given = Transcript(args.transcript, "")
        return lambda speech, recording: given
    if args.transcribe:
        from ksdiff_jax.speech.transcribe import load_transcriber

        transcribe = load_transcriber(args.transcribe)
        return lambda speech, recording: transcribe(recording.audio)

    def beside(speech: str, recording: "Recording") -> Transcript:
        sidecar = find_sidecar(speech)
        try:
            return (
                Transcript("", "")
                if sidecar is None
                else read_transcript(sidecar, recording=speech)
            )
        except InputError as error:
            raise InputError(f"{error}; --no-sidecar ignores this file") from error

    return beside
