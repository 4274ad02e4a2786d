"""From speech to motion with a trained system: decode, sample, assemble.

    animator = Animator.from_pretrained()               # the shipped checkpoint
    motion = animator("speech.wav", seed=0)             # Motion
    motions = animator.batch(["a.wav", "b.flac"])       # the same motions as one by one

Speech is padded to the next length of `BUCKETS`, so the sampler compiles once per bucket and batch
size and not once per clip; what is longer than the last bucket goes through `windows`. A batch is
padded to a power of two and split over all devices where there are several. The initial noise of a
frame depends on seed, sample number and frame index only: neither the bucket nor the neighbours in
a batch change a motion.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ksdiff_jax import __version__
from ksdiff_jax.animate.motion import Motion
from ksdiff_jax.animate.utterance import Utterance, read_utterance
from ksdiff_jax.animate.windows import Window, frame_noise, join_windows, owned_frames, plan_windows
from ksdiff_jax.audio.timebase import (
    MOTION_RATE_HZ,
    SAMPLES_PER_MOTION_FRAME,
    SPEECH_FRAMES_PER_MOTION_FRAME,
)
from ksdiff_jax.audio.waveform import Recording
from ksdiff_jax.config import MeshConfig, to_dict
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.pretrained import DEFAULT_NAME, Pretrained, load_pretrained
from ksdiff_jax.models.system import Sample, Speech, System
from ksdiff_jax.motion.layout import MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.parallel.arrays import batch_sharding, replicated
from ksdiff_jax.parallel.mesh import make_mesh
from ksdiff_jax.rng import stream
from ksdiff_jax.speech.transcripts.read import read_transcript
from ksdiff_jax.speech.transcripts.sidecar import find_sidecar
from ksdiff_jax.typing import Array, Float, Int, Key, PyTree

BUCKETS = (64, 128, 192, 256, 384, 512, 768, 1024)  # motion frames: 2.6 s to 41 s
MAX_SEED = 2**32

SpeechSource = str | Path | Recording | np.ndarray


class _Job(NamedTuple):
    """One window of one sample of one utterance."""

    item: int
    window: Window
    utterance: Utterance
    key: Key[Array, ""]


class Animator:
    """A trained system with everything around it that turns a recording into a `Motion`."""

    def __init__(
        self,
        pretrained: Pretrained,
        *,
        system: System | None = None,
        buckets: Sequence[int] = BUCKETS,
    ):
        self.pretrained = pretrained
        self.config = pretrained.config
        self.buckets = tuple(sorted(buckets))
        self.system = _build_system(pretrained) if system is None else system
        self.mesh = make_mesh(MeshConfig())
        self._hearing = _hearing(pretrained)
        # An encoder that is run on whole recordings has no work in the sampler.
        idle = () if self._hearing is None else ("encoder",)
        params = {part: leaves for part, leaves in pretrained.params.items() if part not in idle}
        # Copied once; passing NumPy arrays would copy the weights to the device at every call.
        self._params = jax.device_put(params, replicated(self.mesh))
        self._sample = jax.jit(self._sample_windows, static_argnames="options")

    @classmethod
    def from_pretrained(
        cls, checkpoint: str | Path = DEFAULT_NAME, *, encoder: str | Path | None = None
    ) -> "Animator":
        """The animator of a checkpoint folder, a training workdir, a shipped name, or `org/name` on
        Hugging Face's hub.

        What is here comes first; a branch, tag or commit on the hub is `org/name@revision`.
        `encoder` is where the pretrained speech encoder lies that the checkpoint refers to, if it
        has moved.
        """
        return cls(load_pretrained(checkpoint, encoder=encoder))

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
        """Send this animator's checkpoint to the repository `org/name` of the hub; see
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
        transcript: str | None = None,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        **options,
    ) -> Motion:
        """The motion of one recording (a path, or samples with `sample_rate_hz`).

        Without a `transcript` the one beside the recording is read, if there is one
        (`speech.transcripts`). `channel` takes one channel alone, `audio_stream` one of several
        sound tracks; both are counted from 1. `options` are those of `SampleConfig`, as `steps=`,
        `guidance=`, `sampler=`; left out, the checkpoint's own.
        """
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        return self.samples(speech, count=1, transcript=transcript, seed=seed, **given, **options)[
            0
        ]

    def samples(
        self,
        speech: SpeechSource,
        *,
        count: int,
        transcript: str | None = None,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        **options,
    ) -> list[Motion]:
        """`count` different motions for one recording; the first is that of `animator(speech,
        seed=seed)`.
        """
        if count < 1:
            raise InputError(f"samples: got {count}, need at least 1")
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        utterance = self.read(speech, transcript=transcript, **given)
        return self.animate([utterance] * count, seed=seed, numbers=range(count), **options)

    def batch(
        self,
        speeches: Sequence[SpeechSource],
        *,
        transcripts: Sequence[str | None] | None = None,
        batch_size: int = 8,
        seed: int = 0,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
        **options,
    ) -> list[Motion]:
        """One motion per recording, `batch_size` windows at a time; each equals `animator(speech,
        seed=seed)`.
        """
        transcripts = [None] * len(speeches) if transcripts is None else transcripts
        if len(transcripts) != len(speeches):
            raise InputError(
                f"got {len(transcripts)} transcripts for {len(speeches)} recordings, need one each"
            )
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        utterances = [
            self.read(speech, transcript=text, **given)
            for speech, text in zip(speeches, transcripts, strict=True)
        ]
        return self.animate(utterances, batch_size=batch_size, seed=seed, **options)

    def read(
        self,
        speech: SpeechSource,
        *,
        transcript: str | None = None,
        sample_rate_hz: float | int | None = None,
        channel: int | None = None,
        audio_stream: int | None = None,
    ) -> Utterance:
        """A recording as this system hears it; raises `InputError` where it cannot be used.

        `transcript` None: the one beside the recording, if there is one; "": none.
        """
        if transcript is None:
            sidecar = find_sidecar(speech) if isinstance(speech, str | Path) else None
            transcript = "" if sidecar is None else read_transcript(sidecar, recording=speech).text
        max_tokens = self.config.model.transcript.max_tokens
        utterance = read_utterance(
            speech,
            transcript_text=transcript,
            max_tokens=max_tokens,
            sample_rate_hz=sample_rate_hz,
            channel=channel,
            audio_stream=audio_stream,
        )
        return (
            utterance
            if self._hearing is None
            else utterance._replace(features=self._hearing(utterance.audio))
        )

    def options(self, **options) -> SampleConfig:
        """The checkpoint's sampling options with those given replaced and checked."""
        given = {name: value for name, value in options.items() if value is not None}
        resolved = override(self.config.sample, given)
        if not 1 <= resolved.steps <= self.config.model.diffusion.steps:
            raise InputError(
                f"steps: got {resolved.steps}, need 1 to {self.config.model.diffusion.steps}"
            )
        if not (np.isfinite(resolved.guidance) and resolved.guidance >= 0):
            raise InputError(
                f"guidance: got {resolved.guidance}, need a number of 0 or more (1: no guidance)"
            )
        if not (np.isfinite(resolved.lip_temperature) and 0 <= resolved.lip_temperature <= 1):
            raise InputError(
                f"lip_temperature: got {resolved.lip_temperature}, need 0 (speech alone) to 1 "
                "(all noise)"
            )
        return resolved

    def animate(
        self,
        utterances: Sequence[Utterance],
        *,
        seed: int = 0,
        numbers: Sequence[int] | None = None,
        batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
        **options,
    ) -> list[Motion]:
        """Motions of utterances already read. `numbers` tells samples of one utterance apart
        (default: all 0).

        `progress(done, total)` is called in motion frames. On a CPU windows go one at a time unless
        `batch_size` says otherwise: batching gains nothing there and costs memory.
        """
        resolved = self.options(**options)
        check_seed(seed)
        numbers = [0] * len(utterances) if numbers is None else numbers
        batch_size = batch_size or (1 if jax.default_backend() == "cpu" else 8)
        jobs = [
            _Job(item, window, utterance, stream(jax.random.key(seed), "sample", numbers[item]))
            for item, utterance in enumerate(utterances)
            for window in plan_windows(utterance.frames, longest=self.buckets[-1])
        ]
        parts: list[list[Sample]] = [[] for _ in utterances]
        done, total = 0, sum(job.window.stop - job.window.start for job in jobs)
        for bucket, group in self._groups(jobs, batch_size):
            for job, sample in zip(group, self._run(group, bucket, resolved), strict=True):
                parts[job.item].append(sample)
                done += job.window.stop - job.window.start
            if progress:
                progress(done, total)
        return [
            self._motion(utterance, parts[item], seed=seed, number=numbers[item], options=resolved)
            for item, utterance in enumerate(utterances)
        ]

    def bucket(self, frames: int) -> int:
        """The padded length for `frames` motion frames."""
        return next(bucket for bucket in self.buckets if frames <= bucket)

    def _groups(self, jobs: list[_Job], batch_size: int) -> list[tuple[int, list[_Job]]]:
        """Jobs of one bucket in groups of at most `batch_size`, every utterance's windows
        in order.
        """
        by_bucket: dict[int, list[_Job]] = {}
        for job in jobs:
            by_bucket.setdefault(self.bucket(job.window.stop - job.window.start), []).append(job)
        return [
            (bucket, group[i : i + batch_size])
            for bucket, group in by_bucket.items()
            for i in range(0, len(group), batch_size)
        ]

    def _run(self, group: list[_Job], bucket: int, options: SampleConfig) -> list[Sample]:
        """Sample a group of windows; each result is cut to its window's frames, as NumPy arrays."""
        size = 1 << (len(group) - 1).bit_length()
        if size > 1:
            size = -(-size // self.mesh.size) * self.mesh.size
        padded = [*group, *[group[-1]] * (size - len(group))]
        keys = jnp.stack([job.key for job in padded])
        inputs = (
            jax.tree.map(
                lambda *rows: np.stack(rows), *[_padded_speech(job, bucket) for job in padded]
            ),
            keys,
            np.array([job.window.start for job in padded], np.int32),
        )
        inputs = jax.device_put(
            inputs, batch_sharding(self.mesh) if size > 1 else replicated(self.mesh)
        )
        sample = jax.device_get(self._sample(self._params, *inputs, options=options))
        return [
            jax.tree.map(
                lambda array, row=row, job=job: array[row, : job.window.stop - job.window.start],
                sample,
            )
            for row, job in enumerate(group)
        ]

    def _sample_windows(
        self,
        params: PyTree,
        speech: Speech,
        keys: Key[Array, "b"],
        first_frames: Int[Array, "b"],
        *,
        options: SampleConfig,
    ) -> Sample:
        noise_keys = jax.vmap(lambda key: stream(key, "noise"))(keys)
        noise = frame_noise(noise_keys, first_frames, frames=speech.mask.shape[1], dims=MOTION_DIMS)
        statistics = jax.tree.map(jnp.asarray, self.pretrained.statistics)
        return self.system.sample(
            params,
            speech,
            noise,
            stream(keys[0], "keyframes"),
            statistics=statistics,
            options=options,
        )

    def _motion(
        self,
        utterance: Utterance,
        parts: list[Sample],
        *,
        seed: int,
        number: int,
        options: SampleConfig,
    ) -> Motion:
        windows = plan_windows(utterance.frames, longest=self.buckets[-1])
        joined: Float[np.ndarray, "t 59"] = join_windows(
            [part.motion for part in parts], windows, frames=utterance.frames
        )
        per_frame = {
            name: owned_frames(
                [getattr(part, name) for part in parts], windows, frames=utterance.frames
            )
            for name in Sample._fields
            if name != "motion"
        }
        return Motion.from_coefficients(
            joined,
            fps=MOTION_RATE_HZ,
            meta=self._meta(utterance, seed, number, options),
            **per_frame,
        )

    def _meta(self, utterance: Utterance, seed: int, number: int, options: SampleConfig) -> dict:
        packages = {
            name: importlib.metadata.version(name) for name in ("jax", "jaxlib", "flax", "numpy")
        }
        return {
            "checkpoint": self.pretrained.digest,
            "checkpoint_name": self.config.name,
            "config": to_dict(self.config),
            "seed": seed,
            "sample": number,
            **dataclasses.asdict(options),
            "audio_sha256": utterance.audio_sha256,
            "versions": {"ksdiff_jax": __version__, **packages},
            "device": jax.devices()[0].device_kind,
            "flame_version": "FLAME-form, 50 expression coefficients of the training corpus",
        }


def check_seed(seed: int) -> None:
    """Raise `InputError` unless `seed` is one."""
    if not 0 <= seed < MAX_SEED:
        raise InputError(f"seed: got {seed}, need a whole number from 0 to {MAX_SEED - 1}")


def _build_system(pretrained: Pretrained) -> System:
    from ksdiff_jax.models import build_system

    return build_system(pretrained.config)


def _hearing(pretrained: Pretrained) -> Callable[[np.ndarray], np.ndarray] | None:
    if pretrained.config.model.encoder.kind != "pretrained":
        return None
    from ksdiff_jax.models.speech_encoder import hearing

    return hearing(pretrained.config, pretrained.params)


def _padded_speech(job: _Job, bucket: int) -> Speech:
    """The window's part of the utterance, zero-padded to `bucket` motion frames; no batch axis."""
    window, utterance = job.window, job.utterance

    def cut(array, per_frame):
        rows = array[window.start * per_frame : window.stop * per_frame]
        return np.pad(rows, [(0, bucket * per_frame - len(rows)), *[(0, 0)] * (rows.ndim - 1)])

    return Speech(
        audio=cut(utterance.audio, SAMPLES_PER_MOTION_FRAME),
        prosody=cut(utterance.prosody, SPEECH_FRAMES_PER_MOTION_FRAME),
        mask=np.arange(bucket) < window.stop - window.start,
        tokens=utterance.tokens,
        token_mask=utterance.token_mask,
        features=None
        if utterance.features is None
        else cut(utterance.features, SPEECH_FRAMES_PER_MOTION_FRAME),
    )
