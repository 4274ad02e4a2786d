"""One recording of `ksdiff-jax animate`: read it, sample its motions, write the files."""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ksdiff_jax.animate.many import filled
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ, SAMPLE_RATE_HZ
from ksdiff_jax.cli.animate_controls import Controls
from ksdiff_jax.cli.animate_outputs import Outputs
from ksdiff_jax.cli.animate_pose import pose_source
from ksdiff_jax.cli.animate_transcripts import TranscriptOf
from ksdiff_jax.cli.console import Console
from ksdiff_jax.cli.phones_option import phones_of_transcript
from ksdiff_jax.cli.picture_arguments import picture_options
from ksdiff_jax.errors import InputError, paths_as_input
from ksdiff_jax.export.endings import ENDINGS, FLAME_ARCHIVES
from ksdiff_jax.speech.transcripts.spoken_words import Transcript, within, write_words

if TYPE_CHECKING:  # they are slow to import
    from ksdiff_jax.animate.motion import Motion
    from ksdiff_jax.audio.waveform import Recording
    from ksdiff_jax.config import Config
    from ksdiff_jax.data.corpus.recordings.phone_times import SpeechTimes
    from ksdiff_jax.face import FaceModel
    from ksdiff_jax.speech.utterance import Utterance


def failure_report(speech: str, error: InputError | str, console: Console) -> dict:
    """Print the error of one recording; return the recording's report."""
    message = str(error)
    console.fail(message if speech in message else f"{speech}: {message}")
    return {"speech": speech, "error": message}


class Ready(NamedTuple):
    """A recording that is read, with all that sampling and writing need."""

    speech: str
    stem: str
    transcript: Transcript
    times: "SpeechTimes"  # of phones, and of words if their file has them
    utterance: "Utterance"
    poses: "list[Motion]"  # of every sample, for `--pose`
    read_s: float

    @property
    def duration_s(self) -> float:
        """Return the length of the motion in seconds."""
        return self.utterance.frames / MOTION_RATE_HZ

    def report(self, files: "Sequence[Path]", seconds: dict[str, float]) -> dict:
        """Return what `--json` prints of a recording."""
        return {
            "speech": self.speech,
            "duration_s": self.duration_s,
            "transcript": self.transcript.source,
            "files": [str(file) for file in files],
            "seconds": seconds,
            "real_time_factor": sum(seconds.values()) / self.duration_s,
        }


class RecordingAnimator:
    """The model, the face and the options that the recordings of one call share."""

    def __init__(
        self,
        args: argparse.Namespace,
        console: Console,
        outputs: Outputs,
        transcript_of: TranscriptOf,
    ):
        from ksdiff_jax.cli.device import keep_compilations, use_device

        use_device(args.device)
        keep_compilations()

        from ksdiff_jax.animate.animator import Animator
        from ksdiff_jax.animate.drawn_gaze import chosen_gaze
        from ksdiff_jax.animate.keys import check_seed
        from ksdiff_jax.models.pretrained import DEFAULT_NAME

        self.args, self.console = args, console
        self.outputs, self.transcript_of = outputs, transcript_of
        self.animator = Animator.from_pretrained(
            DEFAULT_NAME if args.checkpoint is None else args.checkpoint,
            encoder=args.encoder,
            space=args.space,
        )
        names = ("steps", "sampler", "spacing", "guidance", "lip_temperature", "style", "blinks")
        self.options = {name: getattr(args, name) for name in names}
        self.keyframes = _keyframes_by_hand(args, self.animator.config)
        for name in ("keyframe_guidance", "head_guidance"):
            if getattr(args, name) is not None:
                self.options[name] = getattr(args, name)
        # Refuse a wrong option before any work.
        if args.style and not hasattr(self.animator.config.sample, "style"):
            raise InputError(f"--style {args.style}: the model has no styles; leave it out")
        if args.causal:
            self._want_causal()
        self.animator.options(**self.options)
        self.picture = picture_options(args)
        self.gaze = chosen_gaze(args.gaze, self.animator.pretrained.space.name)
        self.controls = Controls(args, space=self.animator.pretrained.space.name)
        check_seed(args.seed)
        if args.samples < 1:
            raise InputError(f"--samples {args.samples}: need at least 1")
        self._prepare_face()
        self.poses = pose_source(args.pose, noise_id=args.noise_id) if args.pose else None
        self._described = False

    @functools.cached_property
    def face(self) -> "FaceModel":
        """Return the face of `--face` or the built-in head; motion files alone need none."""
        from ksdiff_jax.face import builtin_face, load_face

        return load_face(self.args.face) if self.args.face else builtin_face()

    def _prepare_face(self) -> None:
        """Raise `InputError`, before any work, if the motions cannot be put on the face."""
        from ksdiff_jax.face import builtin_face, check_face
        from ksdiff_jax.face.retargeting import retargeting
        from ksdiff_jax.motion.space import FLAME

        space = self.animator.pretrained.space.name
        archives = [kind for kind in self.outputs.formats if kind in FLAME_ARCHIVES]
        if archives and FLAME.name not in (space, self.face.space):
            raise InputError(
                f"--formats {archives[0]}: for FLAME's coefficients only, and the motions are of "
                f"the {space} space; give a FLAME file with --face, or leave it out"
            )
        self.retargets = bool(self.args.face) and self.face.space != space == builtin_face().space
        if self.retargets:
            self.console.detail(f"retargeting the built-in head to {self.face.name}")
            retargeting(builtin_face(), self.face)  # the cache keeps it
        elif self.args.face or set(self.outputs.formats) - {"npz", *FLAME_ARCHIVES}:
            named = self.args.face
            what = "--face" if named else "video and plot (--face FILE, or --formats npz)"
            check_face(self.face, space, what=what)

    def _on_face(self, motion: "Motion") -> "Motion":
        """Return the motion on the face of `--face`; print the error of the retargeting."""
        if not self.retargets:
            return motion
        motion = motion.on(self.face)
        error = motion.meta["retargeting"]["error_mm"]
        parts = [f"{name.replace('_', ' ')} {e['mean']:.2f}" for name, e in error.items()]
        self.console.say(f"  retargeted to {self.face.name}, mean error in mm: {', '.join(parts)}")
        return motion

    def _want_causal(self) -> None:
        """Select the causal mode; raise `InputError` if the model has none."""
        if not hasattr(self.animator.config.sample, "causal"):
            raise InputError("--causal: the model has no causal mode; leave it out")
        if self.args.transcript or self.args.transcript_file or self.args.transcribe:
            raise InputError("--causal: the causal mode reads no transcript; leave one of them out")
        self.options["causal"] = True

    def animate(self, speech: str, stem: str) -> dict:
        """Animate one recording; return its report, which contains the files or the error."""
        try:
            with self.console.without_library_warnings(), paths_as_input():
                return self._animate(speech, stem)
        except InputError as error:
            return failure_report(speech, error, self.console)

    def _animate(self, speech: str, stem: str) -> dict:
        console, ready = self.console, self.read(speech, stem)
        self._describe()
        said = f", transcript of {ready.transcript.source}" if ready.transcript.source else ""
        if said and self.options.get("causal"):
            said += ", which the causal mode does not read"
        console.say(f"{speech}: {ready.duration_s:.1f} s of speech{said}")
        started = time.perf_counter()
        with console.progress("sampling", unit="frames") as update:
            (motions,) = self.motions([ready], progress=update)
        sampled = time.perf_counter()
        files = self.write(ready, motions)
        finished = time.perf_counter()
        seconds = {"read": ready.read_s, "sample": sampled - started, "write": finished - sampled}
        console.detail("  " + ", ".join(f"{name} {took:.2f} s" for name, took in seconds.items()))
        return ready.report(files, seconds)

    def read(self, speech: str, stem: str) -> "Ready":
        """Read a recording and its transcript; raise `InputError` if one cannot be used."""
        started = time.perf_counter()
        recording = self._recording(speech)
        transcript = self.transcript_of(speech, recording)
        duration_s = len(recording.audio) / SAMPLE_RATE_HZ
        if transcript.spoken:
            transcript = within(transcript, duration_s=duration_s)
        times = self._times(speech, stem, transcript, duration_s)
        if transcript.spoken or times.phones:
            self.outputs.check_words(stem, overwrite=self.args.overwrite)
        utterance = self.animator.read(
            recording, transcript=transcript, noise_id=self.args.noise_id
        )
        if self.keyframes:
            utterance = utterance.with_keyframes(**self.keyframes)
        utterance = self.controls.edited(self.animator, utterance)
        poses = self._poses(recording, transcript, utterance.frames)
        read_s = time.perf_counter() - started
        return Ready(speech, stem, transcript, times, utterance, poses, read_s)

    def _times(
        self, speech: str, stem: str, transcript: Transcript, duration_s: float
    ) -> "SpeechTimes":
        """Return the phones of `--phonemes`, or those of the transcript if it is a TextGrid."""
        named = Path(stem).parent / Path(speech).stem
        if self.outputs.phones.given:
            return self.outputs.phones.read(str(named), duration_s=duration_s)
        return phones_of_transcript(transcript.source, stem=named.name, duration_s=duration_s)

    def motions(
        self,
        recordings: "Sequence[Ready]",
        *,
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> "list[list[Motion]]":
        """Return the motions of recordings that are read, `--samples` of each.

        With `batch_size` they are sampled so many at a time, and every batch has that size.
        """
        samples = self.args.samples
        gaze = "none" if self.poses else self.gaze
        given = {"seed": self.args.seed, "progress": progress, "gaze": gaze, **self.options}
        if self.controls.best_of is not None:
            found = [self._best(ready.utterance, given) for ready in recordings]
        else:
            rows = [(r.utterance, number) for r in recordings for number in range(samples)]
            if batch_size is not None:
                rows = filled(rows, batch_size)
            utterances, numbers = zip(*rows, strict=True)
            made = self.animator.animate(
                utterances, batch_size=batch_size, numbers=numbers, **given
            )
            found = [made[samples * k : samples * (k + 1)] for k in range(len(recordings))]
        return [self._finished(*each) for each in zip(found, recordings, strict=True)]

    def _finished(self, motions: "Sequence[Motion]", ready: "Ready") -> "list[Motion]":
        """Return the motions of a recording with the pose of `--pose` and the controls applied."""
        utterance = ready.utterance
        if self.poses:
            pairs = zip(motions, ready.poses, strict=True)
            motions = [self._posed(*pair, utterance) for pair in pairs]
        return [self.controls.applied(motion, utterance) for motion in motions]

    def write(self, ready: "Ready", motions: "Sequence[Motion]") -> list[Path]:
        """Write every file of a recording; return their paths."""
        files, transcript, phones = [], ready.transcript, ready.times.phones
        for name, motion in zip(self.outputs.names(ready.stem), motions, strict=True):
            motion = self._on_face(motion)
            files += self._write(motion, name, speech=ready.speech, utterance=ready.utterance)
            files += self._export(motion, name, ready)
        if transcript.spoken or phones:
            path = self.outputs.words(ready.stem)
            write_words(path, transcript, phones=phones, overwrite=self.args.overwrite)
            self.console.say(f"  wrote {path}")
            files.append(path)
        return files

    def _best(self, utterance: "Utterance", given: dict) -> "list[Motion]":
        """Return the `--samples` best motions of `--best-of`."""
        of, count = self.controls.best_of, self.args.samples
        motions = self.animator.best(utterance, of=of, count=count, **given)
        about = motions[0].meta["best_of"]
        scores = sorted(about["scores"])
        self.console.say(
            f"  best of {of} by {about['score']}: {scores[-1]:.3f}, of all "
            f"{scores[0]:.3f} to {scores[-1]:.3f}"
        )
        return motions

    def _poses(self, recording: "Recording", transcript: Transcript, frames: int) -> list:
        """Return the pose reference of every sample; raise `InputError`, before the motion is
        sampled, if one does not fit.
        """
        if not self.poses:
            return []
        from ksdiff_jax.motion.clip import check_pose

        poses = self.poses(recording, transcript, self.args.seed, self.args.samples)
        space, source = self.animator.pretrained.space.name, f"--pose {self.args.pose}"
        for pose in poses:
            check_pose(pose, frames=frames, fps=float(MOTION_RATE_HZ), space=space, source=source)
        return list(poses)

    def _posed(self, motion: "Motion", pose: "Motion", utterance: "Utterance") -> "Motion":
        """Return the motion with the head of `pose`, and a gaze that follows this head."""
        from ksdiff_jax.animate.drawn_gaze import with_drawn_gaze

        motion = motion.with_pose(pose, source=f"--pose {self.args.pose}")
        return with_drawn_gaze(motion, utterance.audio) if self.gaze == "drawn" else motion

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
        for kind in (kind for kind in self.outputs.formats if kind not in ENDINGS):
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
                        **self.picture,
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

    def _export(self, motion: "Motion", name: str, ready: "Ready") -> list[Path]:
        """Write the files for other programs; return their paths."""
        kinds = [kind for kind in self.outputs.formats if kind in ENDINGS]
        if not kinds:
            return []
        from ksdiff_jax.export.take import Take
        from ksdiff_jax.export.writers import write_take

        words = ready.transcript.spoken if ready.transcript.unit == "word" else ()
        words, phones = words or ready.times.words, ready.times.phones
        take = Take(motion, motion.fps, name, face=self.face, words=words, phonemes=phones)
        files = []
        for kind in kinds:
            if kind == "words" and not (words or phones):
                self.console.warn(f"{ready.stem}: no times of words are known, words not written")
                continue
            path = self.outputs.path(name, kind)
            write_take(
                path,
                take,
                kind,
                overwrite=self.args.overwrite,
                inputs=self.outputs.inputs_at(path),
            )
            self.console.say(f"  wrote {path}")
            files.append(path)
        return files

    def _describe(self) -> None:
        """Print the device, the checkpoint and the options, once per call."""
        if self._described:
            return
        self._described = True
        import jax

        options = self.animator.options(**self.options)
        names = ("sampler", "spacing", "steps", "guidance")
        values = {name: getattr(options, name) for name in names if hasattr(options, name)}
        if hasattr(options, "guidance_of"):
            values["guidance"] = options.guidance_of("expression")
        chosen = [f", {name} {value}" for name, value in values.items()]
        self.console.detail(
            f"device {jax.devices()[0].device_kind}, checkpoint {self.animator.pretrained.path} "
            f"({self.animator.pretrained.digest[:12]}){''.join(chosen)}"
        )


def _keyframes_by_hand(args: argparse.Namespace, config: "Config") -> dict[str, list[float]]:
    """Return the times of keyframes placed by hand, by path; raise `InputError` for options that
    need a model with keyframes if this one has none.
    """
    times = {"head": args.head_keyframes, "expression": args.expression_keyframes}
    given = {path: seconds for path, seconds in times.items() if seconds is not None}
    options = [f"--{path}-keyframes" for path in given]
    if args.keyframe_guidance is not None:
        options.append("--keyframe-guidance")
    keyframes = getattr(config.model, "keyframes", None)
    if options and not (keyframes and keyframes.enabled):
        raise InputError(f"{options[0]}: the model has no keyframes; leave it out")
    if "head" in given and args.pose:
        raise InputError(f"--head-keyframes: the head is that of --pose {args.pose}; leave one out")
    return given
