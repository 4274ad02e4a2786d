"""`ksdiff-jax animate SPEECH... --out DIR`: recordings in, motion files, videos and plots out."""

import argparse
import contextlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ksdiff_jax.audio.timebase import SAMPLE_RATE_HZ
from ksdiff_jax.cli.console import Console, add_output_arguments, add_overwrite_argument
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.outputs import check_output, stored_alike
from ksdiff_jax.plain_text import fitting
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import Transcript, within, write_words

if TYPE_CHECKING:  # both import what is slow to start
    from ksdiff_jax.audio.waveform import Recording
    from ksdiff_jax.speech.utterance import Utterance

TranscriptOf = Callable[[str, "Recording"], Transcript]

SUMMARY = "speech in; motion file, video with sound and plot out"
STANDARD_INPUT = "/dev/stdin"
LONGEST_STEM = 235  # bytes, of the 255 of a file name; numbers and endings come after it
FORMATS = {"npz": ".motion.npz", "mp4": ".mp4", "png": ".png"}
PURPOSES = {"npz": "motion", "mp4": "video", "png": "plot"}
EXAMPLES = """examples:
  ksdiff-jax animate speech.wav --out out
  ksdiff-jax animate a.mp3 b.flac c.mp4 --out out --formats npz
  ksdiff-jax animate speech.wav --out out --transcript "What is said." --samples 3 --seed 7
  ksdiff-jax animate speech.wav --out out --transcribe openai/whisper-tiny
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; what they default to is the checkpoint's own choice where it
    says so.
    """
    parser.epilog = EXAMPLES
    parser.add_argument(
        "speech",
        nargs="+",
        metavar="SPEECH",
        help="recording, or video with sound, of any format; - is standard input",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the results, made if need be"
    )
    add_overwrite_argument(parser)
    parser.add_argument(
        "--formats",
        nargs="+",
        choices=FORMATS,
        default=list(FORMATS),
        metavar="F",
        help="what to write: npz (motion), mp4 (video), png (plot); default all",
    )
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        help="checkpoint folder, training workdir, shipped name or org/name of the hub; default: "
        "the shipped",
    )
    parser.add_argument(
        "--encoder",
        metavar="PATH",
        help="where the checkpoint's pretrained speech encoder lies, if it has moved",
    )
    said = parser.add_mutually_exclusive_group()
    said.add_argument(
        "--transcript",
        default="",
        metavar="TEXT",
        help="what is said, in any script (may be left out)",
    )
    said.add_argument(
        "--transcript-file",
        metavar="F",
        help="the same, from a file: plain text, labels, subtitles, Whisper's JSON and the like",
    )
    said.add_argument(
        "--transcribe",
        metavar="MODEL",
        help="let this Whisper hear it: a folder, or a hub name as openai/whisper-tiny",
    )
    said.add_argument(
        "--no-sidecar",
        action="store_true",
        help="do not read the transcript beside a recording (.TextGrid, .lab, .json, .srt, .vtt, "
        ".txt and the like)",
    )
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="this channel alone, counted from 1; default: the voice of all of them",
    )
    parser.add_argument(
        "--audio-stream",
        type=int,
        metavar="N",
        help="this sound track, counted from 1; default: as players choose",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="same seed, same motion; default 0"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=1,
        metavar="N",
        help="different motions per recording; default 1",
    )
    parser.add_argument(
        "--steps", type=int, metavar="N", help="denoising steps; default the checkpoint's"
    )
    parser.add_argument("--sampler", metavar="NAME", help="ddim; default the checkpoint's")
    parser.add_argument(
        "--guidance",
        type=float,
        metavar="S",
        help="guidance scale, 1 is none; default the checkpoint's",
    )
    parser.add_argument(
        "--lip-temperature",
        type=float,
        metavar="T",
        help="noise in the lips: 0 follows the speech alone, 1 is the whole diffusion; default "
        "the checkpoint's",
    )
    parser.add_argument(
        "--face",
        metavar="FILE",
        help="face for the video, of the checkpoint's motion space; the shipped one's expression "
        "coefficients are the built-in head's own, not FLAME's; default the built-in head",
    )
    parser.add_argument(
        "--space",
        default="",
        metavar="NAME",
        help="whose coefficients an earlier version's checkpoint has, if it does not show it",
    )
    parser.add_argument(
        "--device", choices=("cpu", "gpu", "tpu"), help="default: the best that JAX finds"
    )
    add_output_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Animate every recording that can be; 2 if any could not."""
    started = time.perf_counter()
    console = Console("animate", quiet=args.quiet, verbose=args.verbose, as_json=args.json)
    if "-" in args.speech and not Path(STANDARD_INPUT).exists():  # Windows
        raise InputError(
            f"-: this system has no {STANDARD_INPUT}; save the recording to a file and name it"
        )
    outputs = _Outputs(args)
    speeches = [STANDARD_INPUT if speech == "-" else speech for speech in args.speech]
    stems = _stems(speeches, folder=args.out)
    refused = [
        _refusal(speech, stem, outputs, console)
        for speech, stem in zip(speeches, stems, strict=True)
    ]
    out, reports = Path(args.out), refused
    if not all(refused):  # else there is no work, and nothing is loaded for it
        transcript_of = _transcripts(args)
        out, made = _output_folder(args.out)
        try:
            work = _Work(args, console, outputs, transcript_of)
            jobs = zip(speeches, stems, refused, strict=True)
            reports = [no or work.animate(speech, stem) for speech, stem, no in jobs]
        finally:
            # A folder that we made and left empty would look like a result.
            if made:
                # it holds something, or another process took it away
                with contextlib.suppress(OSError):
                    out.rmdir()
    failed = [report for report in reports if "error" in report]
    _summary(console, reports, failed, out=out, seconds=time.perf_counter() - started)
    return 2 if failed else 0


class _Outputs:
    """The files of one call, each refused before any work if it may not be written; `inputs` are
    all that it reads.
    """

    def __init__(self, args: argparse.Namespace):
        self.folder, self.overwrite, self.samples = Path(args.out), args.overwrite, args.samples
        self.formats = list(dict.fromkeys(args.formats))
        self.words_are_sure = bool(args.transcribe)
        found = (
            []
            if args.transcript or args.transcript_file or args.no_sidecar
            else map(_sidecar, args.speech)
        )
        given = (
            *args.speech,
            args.transcript_file,
            args.face,
            args.encoder,
            args.checkpoint,
            *found,
        )
        self.inputs = [name for name in given if name]

    def names(self, stem: str) -> list[str]:
        """What the motions of a recording are called, without their endings."""
        return (
            [stem]
            if self.samples == 1
            else [f"{stem}.{number}" for number in range(1, self.samples + 1)]
        )

    def path(self, name: str, kind: str) -> Path:
        """Where a motion is written in a format."""
        return self.folder / f"{name}{FORMATS[kind]}"

    def words(self, stem: str) -> Path:
        """Where the words with their times are written, if they are known."""
        return self.folder / f"{stem}.words.json"

    def check(self, stem: str) -> None:
        """Raises `InputError` if a file of a recording may not be written."""
        for name in self.names(stem):
            for kind in self.formats:
                check_output(
                    self.path(name, kind),
                    PURPOSES[kind],
                    overwrite=self.overwrite,
                    inputs=self.inputs,
                )
        # Whether there are words to write is not known yet: another file of this name stays if
        # there are none.
        self.check_words(stem, overwrite=self.overwrite or not self.words_are_sure)

    def check_words(self, stem: str, *, overwrite: bool) -> None:
        """The same for the words alone."""
        check_output(self.words(stem), "words", overwrite=overwrite, inputs=self.inputs)


def _sidecar(speech: str) -> Path | None:
    """The transcript beside a recording; what is wrong with it is reported when it is read."""
    with contextlib.suppress(InputError, OSError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return find_sidecar(speech)
    return None


def _refusal(speech: str, stem: str, outputs: _Outputs, console: Console) -> dict | None:
    """The report of a recording whose results may not be written, else None."""
    try:
        outputs.check(stem)
    except InputError as error:
        return _failure(speech, error, console)
    return None


def _failure(speech: str, error: InputError, console: Console) -> dict:
    message = str(error)
    console.fail(message if speech in message else f"{speech}: {message}")
    return {"speech": speech, "error": message}


class _Work:
    """Everything that the recordings of one call share."""

    def __init__(
        self,
        args: argparse.Namespace,
        console: Console,
        outputs: _Outputs,
        transcript_of: TranscriptOf,
    ):
        from ksdiff_jax.cli.device import keep_compilations, use_device

        use_device(args.device)
        keep_compilations()

        from ksdiff_jax.animate.animator import Animator
        from ksdiff_jax.animate.engine import check_seed
        from ksdiff_jax.face import builtin_face, check_face, load_face
        from ksdiff_jax.models.pretrained import DEFAULT_NAME

        self.args, self.console = args, console
        self.outputs, self.transcript_of = outputs, transcript_of
        self.animator = Animator.from_pretrained(
            DEFAULT_NAME if args.checkpoint is None else args.checkpoint,
            encoder=args.encoder,
            space=args.space,
        )
        self.options = {
            name: getattr(args, name)
            for name in ("steps", "sampler", "guidance", "lip_temperature")
        }
        # A wrong option is said before any work.
        self.animator.options(**self.options)
        check_seed(args.seed)
        if args.samples < 1:
            raise InputError(f"--samples {args.samples}: need at least 1")
        self.face = load_face(args.face) if args.face else builtin_face()
        if args.face or set(outputs.formats) - {"npz"}:
            what = "--face" if args.face else "video and plot (--face FILE, or --formats npz)"
            check_face(self.face, self.animator.pretrained.space.name, what=what)
        self._described = False

    def animate(self, speech: str, stem: str) -> dict:
        """Animate one recording; its report holds the files, or the error that it met."""
        try:
            with self.console.without_library_warnings(), paths_as_input():
                return self._animate(speech, stem)
        except InputError as error:
            return _failure(speech, error, self.console)

    def _animate(self, speech: str, stem: str) -> dict:
        console, started = self.console, time.perf_counter()
        recording = self._recording(speech)
        transcript = self.transcript_of(speech, recording)
        if transcript.spoken:
            transcript = within(transcript, duration_s=len(recording.audio) / SAMPLE_RATE_HZ)
        if transcript.spoken:
            self.outputs.check_words(stem, overwrite=self.args.overwrite)
        utterance = self.animator.read(recording, transcript=transcript.text)
        read = time.perf_counter()
        duration_s = utterance.frames / 25
        self._describe()
        said = f", transcript of {transcript.source}" if transcript.source else ""
        console.say(f"{speech}: {duration_s:.1f} s of speech{said}")
        with console.progress("sampling", unit="frames") as update:
            motions = self.animator.animate(
                [utterance] * self.args.samples,
                numbers=range(self.args.samples),
                seed=self.args.seed,
                progress=update,
                **self.options,
            )
        sampled = time.perf_counter()
        files = []
        for name, motion in zip(self.outputs.names(stem), motions, strict=True):
            files += self._write(motion, name, speech=speech, utterance=utterance)
        if transcript.spoken:
            files.append(self._write_words(transcript, stem))
        finished = time.perf_counter()
        seconds = {"read": read - started, "sample": sampled - read, "write": finished - sampled}
        console.detail("  " + ", ".join(f"{name} {took:.2f} s" for name, took in seconds.items()))
        return {
            "speech": speech,
            "duration_s": duration_s,
            "transcript": transcript.source,
            "files": [str(file) for file in files],
            "seconds": seconds,
            "real_time_factor": (finished - started) / duration_s,
        }

    def _recording(self, speech: str) -> "Recording":
        from ksdiff_jax.audio.waveform import read_recording

        recording = read_recording(
            speech, channel=self.args.channel, audio_stream=self.args.audio_stream
        )
        for note in recording.notes:
            self.console.warn(note)
        return recording

    def _write(self, motion, name: str, *, speech: str, utterance: "Utterance") -> list[Path]:
        files, overwrite = [], self.args.overwrite
        for kind in self.outputs.formats:
            path = self.outputs.path(name, kind)
            if kind == "npz":
                motion.save(path, overwrite=overwrite)
            elif kind == "mp4":
                with self.console.progress("rendering", unit="frames") as update:
                    motion.render(
                        path,
                        audio=utterance.heard,
                        face=self.face,
                        progress=update,
                        overwrite=overwrite,
                    )
            else:
                from ksdiff_jax.export.plot import write_plot

                opening_m = motion.mouth_opening(face=self.face)
                title, audio = Path(speech).name, utterance.audio
                write_plot(
                    path, motion, opening_m=opening_m, audio=audio, title=title, overwrite=overwrite
                )
            self.console.say(f"  wrote {path}")
            files.append(path)
        return files

    def _write_words(self, transcript: Transcript, stem: str) -> Path:
        path = self.outputs.words(stem)
        write_words(path, transcript, overwrite=self.args.overwrite)
        self.console.say(f"  wrote {path}")
        return path

    def _describe(self) -> None:
        """Once, when there is something to do: on what, with what."""
        if self._described:
            return
        self._described = True
        import jax

        options = self.animator.options(**self.options)
        chosen = [
            f", {name} {getattr(options, name)}"
            for name in ("sampler", "steps", "guidance")
            if hasattr(options, name)
        ]
        self.console.detail(
            f"device {jax.devices()[0].device_kind}, checkpoint {self.animator.pretrained.path} "
            f"({self.animator.pretrained.digest[:12]}){''.join(chosen)}"
        )


def _transcripts(args: argparse.Namespace) -> TranscriptOf:
    """Who says what is said in a recording: the caller, a file, a Whisper, or what lies
    beside it.
    """
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
            raise InputError(f"{error}; --no-sidecar leaves this file out") from error

    return beside


def _output_folder(name: str) -> tuple[Path, bool]:
    """The folder, and whether it was made now."""
    from ksdiff_jax.files import make_folder

    existed = Path(name).exists()
    return make_folder(name), not existed


def _stems(speeches: list[str], *, folder: str | Path = ".") -> list[str]:
    """A name for each recording's files: its own stem, cut where too long, numbered where two are
    one in `folder`.
    """
    taken: set[str] = set()
    alike = stored_alike(folder) if len(speeches) > 1 else str
    stems = []
    for speech in speeches:
        own = fitting(Path(speech).stem, max_bytes=LONGEST_STEM)
        stem, number = own, 1
        while alike(stem) in taken:
            number += 1
            stem = f"{own}-{number}"
        taken.add(alike(stem))
        stems.append(stem)
    return stems


def _summary(
    console: Console, reports: list[dict], failed: list[dict], *, out: Path, seconds: float
) -> None:
    done = [report for report in reports if "error" not in report]
    if done:
        speech_s = sum(report["duration_s"] for report in done)
        work_s = sum(sum(report["seconds"].values()) for report in done)
        console.say(
            f"{speech_s:.1f} s of speech in {work_s:.1f} s (real-time factor "
            f"{work_s / speech_s:.2f}; "
            f"{seconds:.1f} s with start-up)"
        )
        files = [str(file) for report in done for file in report["files"]]
        hints = {
            ".mp4": f"play {out}/*.mp4",
            ".npz": "from Python, ksdiff_jax.Motion.load(...) reads the .motion.npz",
        }
        if shown := [
            hint for ending, hint in hints.items() if any(file.endswith(ending) for file in files)
        ]:
            console.say(f"next: {'; '.join(shown)}")
    if len(reports) > 1 and failed:
        names = ", ".join(report["speech"] for report in failed)
        console.say(f"{len(done)} of {len(reports)} recordings animated; not animated: {names}")
    console.result({"results": reports, "out": str(out), "seconds": seconds})
