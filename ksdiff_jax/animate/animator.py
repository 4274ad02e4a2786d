"""Generates motion from speech with a trained system.

    animator = Animator.from_pretrained()               # the shipped checkpoint
    motion = animator("speech.wav", seed=0)             # Motion
    motions = animator.batch(["a.wav", "b.flac"])       # the same motions as separate calls

`engine.Engine` does the computation. An animator adds the checkpoint, the transcript beside a
recording, and a record of the inputs and settings in each `Motion`.
"""

import dataclasses
import importlib.metadata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from ksdiff_jax import __version__
from ksdiff_jax.animate import many
from ksdiff_jax.animate.causal_form import STREAM
from ksdiff_jax.animate.drawn_gaze import chosen_gaze, with_drawn_gaze
from ksdiff_jax.animate.editing import Edited, Pins, edited
from ksdiff_jax.animate.engine import BUCKETS, CausalWarning, Engine
from ksdiff_jax.animate.keys import check_seed, sample_key
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.animate.stream import MotionStream, StreamState
from ksdiff_jax.audio.timebase import MOTION_RATE_HZ
from ksdiff_jax.config import to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.pretrained import DEFAULT_NAME, Pretrained, load_pretrained
from ksdiff_jax.models.system import System
from ksdiff_jax.parallel.compilations import keep_compilations
from ksdiff_jax.speech.reading import SpeechSource
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.speech.transcripts.spoken_words import Transcript
from ksdiff_jax.speech.utterance import Utterance


class Animator:
    """A trained system with everything that is needed to turn a recording into a `Motion`."""

    def __init__(
        self,
        pretrained: Pretrained,
        *,
        system: System | None = None,
        buckets: Sequence[int] = BUCKETS,
    ):
        self.pretrained = pretrained
        self.config = pretrained.config
        self.engine = Engine(
            build_system(self.config, pretrained.space) if system is None else system,
            pretrained.params,
            buckets=buckets,
        )

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: str | Path = DEFAULT_NAME,
        *,
        encoder: str | Path | None = None,
        space: str = "",
    ) -> "Animator":
        """Return the animator of a checkpoint folder, a training workdir, a shipped name, or
        `org/name` on Hugging Face's hub.

        Local names have priority; a branch, tag or commit on the hub is `org/name@revision`.
        `encoder` is the folder of the pretrained speech encoder that the checkpoint refers to, if
        it has moved. `space` is the motion space of a checkpoint of an earlier version that does
        not show it.

        Compiled programs are kept for later processes (`parallel.compilations`), unless JAX's
        cache is switched off or has a folder of its own.
        """
        keep_compilations()
        found = load_pretrained(checkpoint, encoder=encoder, space=space)
        if not hasattr(found.config.model, "encoder"):  # a system of pictures
            raise InputError(
                f"{found.path}: the system {found.config.system} generates no motion from speech; "
                "name a motion checkpoint here, and one that paints frames beside --portrait"
            )
        return cls(found)

    def push_to_hub(
        self,
        repo: str,
        *,
        private: bool | None = None,
        token: str | None = None,
        message: str = "Checkpoint of ksdiff-jax",
        licence: str | None = None,
        overwrite: bool = False,
    ) -> str:
        """Upload this animator's checkpoint to the repository `org/name` of the hub; see
        `models.publish.push_to_hub`.
        """
        from ksdiff_jax.models.publish import push_to_hub

        options = {
            "private": private,
            "token": token,
            "message": message,
            "licence": licence,
            "overwrite": overwrite,
        }
        return push_to_hub(self.pretrained.path, repo, digest=self.pretrained.digest, **options)

    def __call__(
        self,
        speech: SpeechSource,
        *,
        transcript: str | Transcript | None = None,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        noise_id: str | None = None,
        **options,
    ) -> Motion:
        """Return the motion of one recording (a path, or samples with `sample_rate_hz`).

        Without a `transcript` the one beside the recording is read, if there is one
        (`speech.transcripts`). `channel` selects one channel, `audio_stream` one of several sound
        tracks; both are counted from 1. The noise of sampling depends on `seed` and `noise_id`, by
        default a digest of the decoded sound, so that different recordings get different heads; ""
        is the noise that all recordings share.

        `keyframes=`, a motion or bits, replace those of the model, and `pins=` hold values of
        another motion; both change their neighbourhood only (`edited`). The other `options` are
        those of `SampleConfig`, as `steps=`, `guidance=`, `sampler=`; the defaults are the
        checkpoint's; and `gaze=` ("drawn" or "none").
        """
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        utterance = self.read(speech, transcript=transcript, noise_id=noise_id, **given)
        self._warn_of_unread([transcript], options)
        edits = {name: options.pop(name) for name in ("keyframes", "pins") if name in options}
        utterance = self.edited(utterance, **edits)
        return self.animate([utterance], seed=seed, **options)[0]

    def edited(
        self,
        utterance: Utterance,
        *,
        keyframes: Edited | None = None,
        pins: Pins | Sequence[Pins] = (),
    ) -> Utterance:
        """Return an utterance whose motion is edited, for `animate`; see `editing.edited`."""
        return edited(utterance, keyframes=keyframes, pins=pins, space=self.pretrained.space)

    def samples(
        self,
        speech: SpeechSource,
        *,
        count: int,
        transcript: str | Transcript | None = None,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        noise_id: str | None = None,
        **options,
    ) -> list[Motion]:
        """Return `count` different motions for one recording; the first is that of
        `animator(speech, seed=seed)`.
        """
        if count < 1:
            raise InputError(f"samples: got {count}, need at least 1")
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        given |= {"noise_id": noise_id}
        utterance = self.read(speech, transcript=transcript, **given)
        self._warn_of_unread([transcript], options)
        return self.animate([utterance] * count, seed=seed, numbers=range(count), **options)

    def best(
        self,
        utterance: Utterance,
        *,
        of: int,
        count: int = 1,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        **options,
    ) -> list[Motion]:
        """Return the `count` best of `of` different motions of an utterance, the best first, by the
        score of `animate.best`, which is in `meta["best_of"]`; raise `InputError` for `of` below
        `count`, and for another space than that of the built-in head.
        """
        from ksdiff_jax.animate.best import SCORE, check_count, sync_score

        check_count(of, wanted=count, space=self.pretrained.space.name)
        given = {"seed": seed, "progress": progress, "numbers": range(of)}
        motions = self.animate([utterance] * of, **given, **options)
        scores = [sync_score(utterance, motion.coefficients) for motion in motions]
        order = sorted(range(of), key=lambda number: -scores[number])[:count]
        about = {"of": of, "score": SCORE, "scores": scores}
        return [
            dataclasses.replace(motions[number], meta=motions[number].meta | {"best_of": about})
            for number in order
        ]

    def batch(
        self,
        speeches: Sequence[SpeechSource],
        *,
        transcripts: Sequence[str | Transcript | None] | None = None,
        batch_size: int = 8,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        noise_id: str | None = None,
        **options,
    ) -> list[Motion]:
        """Return one motion per recording, computed `batch_size` windows at a time; each equals
        `animator(speech, seed=seed)` except for rounding in a batch.
        """
        transcripts = [None] * len(speeches) if transcripts is None else transcripts
        if len(transcripts) != len(speeches):
            raise InputError(
                f"got {len(transcripts)} transcripts for {len(speeches)} recordings, need one each"
            )
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        given |= {"noise_id": noise_id}
        utterances = [
            self.read(speech, transcript=text, **given)
            for speech, text in zip(speeches, transcripts, strict=True)
        ]
        self._warn_of_unread(transcripts, options)
        return self.animate(utterances, batch_size=batch_size, seed=seed, **options)

    def each(
        self,
        speeches: Iterable[SpeechSource],
        *,
        seed: int = 0,
        batch_size: int | None = None,
        read: Callable[[SpeechSource], Utterance] | None = None,
        **options,
    ) -> Iterator[tuple[SpeechSource, Motion | InputError]]:
        """Yield every recording with its motion, or with the `InputError` why there is none, in
        bounded memory: for thousands of recordings.

        Threads call `read` (default: `animator.read`) ahead of the sampling. Recordings of similar
        length are sampled `batch_size` at a time (default: 1 on a CPU, 8 on an accelerator); above
        1 the order is not that of `speeches`. Each motion equals `animator(speech, seed=seed)`
        except for rounding in a batch. `ksdiff-jax animate` also writes a manifest and continues a
        stopped run.
        """
        return many.motions_of(
            self, speeches, seed=seed, batch_size=batch_size, read=read, options=options
        )

    def read(
        self,
        speech: SpeechSource,
        *,
        transcript: str | Transcript | None = None,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        noise_id: str | None = None,
    ) -> Utterance:
        """Return a recording as an utterance; raise `InputError` if it cannot be used.

        `transcript` None: the one beside the recording, if there is one; "": none. `noise_id` None:
        a digest of the decoded sound.
        """
        if isinstance(speech, Utterance):
            raise InputError(
                "an Utterance is read already; need a recording here, or animate it with "
                "animate([utterance])[0]"
            )
        if transcript is None:
            sidecar = find_sidecar(speech) if isinstance(speech, str | Path) else None
            transcript = "" if sidecar is None else read_transcript(sidecar, recording=speech)
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        utterance = self.engine.read(speech, transcript=transcript, **given)
        return utterance if noise_id is None else utterance._replace(noise_id=noise_id)

    def options(self, **options) -> SampleConfig:
        """Return the checkpoint's sampling options with the given ones replaced and checked."""
        return self.engine.with_options(**options).system.config.sample

    @property
    def batch_size(self) -> int:
        """Return the number of windows that are sampled together unless one is given."""
        return 1 if jax.default_backend() == "cpu" else 8

    def bucket(self, frames: int) -> int:
        """Return the padded length of a recording of so many motion frames."""
        return self.engine.bucket(min(frames, self.engine.buckets[-1]))

    def animate(
        self,
        utterances: Sequence[Utterance],
        *,
        seed: int = 0,
        numbers: Sequence[int] | None = None,
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        gaze: str | None = None,
        **options,
    ) -> list[Motion]:
        """Return the motions of utterances that are already read. `numbers` distinguish samples of
        one utterance (default: all 0).

        `gaze` is `drawn` (`drawn_gaze`; the default on the built-in head) or `none`, which leaves
        `eyes_pose` at zero. `progress(done, total)` is called with motion frames. On a CPU, windows
        are computed one at a time unless `batch_size` is given, because a batch gains little speed
        there and costs memory.
        """
        gaze = chosen_gaze(gaze, self.pretrained.space.name)
        engine = self.engine.with_options(**options)
        utterances = engine.prepared(utterances)
        numbers = [0] * len(utterances) if numbers is None else numbers
        samples = engine.sample(
            utterances,
            seed=seed,
            numbers=numbers,
            batch_size=batch_size or self.batch_size,
            progress=progress,
        )
        about = dataclasses.asdict(engine.system.config.sample) | {"seed": seed}
        motions = [
            Motion.from_coefficients(
                sample.motion,
                fps=MOTION_RATE_HZ,
                space=self.pretrained.space.name,
                meta=self._meta(utterance) | about | {"sample": number, "gaze": "none"},
                tracks=sample.tracks,
            )
            for utterance, sample, number in zip(utterances, samples, numbers, strict=True)
        ]
        if gaze == "none":
            return motions
        return [
            with_drawn_gaze(motion, utterance.audio)
            for motion, utterance in zip(motions, utterances, strict=True)
        ]

    def stream(
        self,
        chunks: Iterable[np.ndarray] | None = None,
        *,
        sample_rate_hz: float | int = 16_000,
        seed: int = 0,
        noise_id: str = STREAM,
        look_ahead_ms: float | int | None = None,
        state: StreamState | None = None,
        **options,
    ) -> MotionStream:
        """Return the stream of live speech (animate/stream.py): iterate over its parts, each a
        `Motion` of one to four frames with timestamps, or push chunks.

        `chunks` are arrays (n,) of float32 or int16 of any length. `look_ahead_ms` is a multiple of
        40 up to 200, by default the model's. `state` continues a stream that had the same
        arguments. The frames are those of `animator(speech, causal=True, noise_id=noise_id)`.
        """
        check_seed(seed)
        engine = self.engine.with_options(**options, causal=True).with_look_ahead(look_ahead_ms)
        config = engine.system.config
        settings = {"checkpoint": self.pretrained.digest, "seed": seed, "noise_id": noise_id}
        settings |= {"look_ahead_frames": config.model.causal.look_ahead_frames}
        settings |= {"options": dataclasses.asdict(config.sample)}
        about = settings["options"] | {"seed": seed, "noise_id": noise_id}
        return MotionStream(
            engine.live_sampler(),
            sample_key(seed, 0, noise_id),
            chunks=chunks,
            settings=settings | {"sample_rate_hz": sample_rate_hz},
            meta={"checkpoint": self.pretrained.digest} | about,
            state=state,
        )

    def _warn_of_unread(self, transcripts: Sequence[object], options: Mapping) -> None:
        """Warn of given transcripts in the causal mode, which reads none."""
        causal = options.get("causal", getattr(self.config.sample, "causal", False))
        if causal and any(getattr(text, "spoken", text) for text in transcripts):
            message = "causal: the causal mode reads no transcript; the given one is not used"
            warnings.warn(message, CausalWarning, stacklevel=3)

    def _meta(self, utterance: Utterance) -> dict:
        packages = {
            name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "numpy")
        }
        return {
            "checkpoint": self.pretrained.digest,
            "checkpoint_name": self.config.name,
            "config": to_dict(self.config),
            "audio_sha256": utterance.digest,
            "noise_id": utterance.noise_id,
            "versions": {"ksdiff_jax": __version__, **packages},
            "device": jax.devices()[0].device_kind,
        }
