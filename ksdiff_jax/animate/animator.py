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

from ksdiff_jax import __version__
from ksdiff_jax.animate import many
from ksdiff_jax.animate.engine import BUCKETS, CausalWarning, Engine
from ksdiff_jax.animate.motion import Motion
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
        return cls(load_pretrained(checkpoint, encoder=encoder, space=space))

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
        is the noise that all recordings share. `options` are those of `SampleConfig`, as `steps=`,
        `guidance=`, `sampler=`; the defaults are the checkpoint's.
        """
        given = {"sample_rate_hz": sample_rate_hz, "channel": channel, "audio_stream": audio_stream}
        given |= {"noise_id": noise_id}
        return self.samples(speech, count=1, transcript=transcript, seed=seed, **given, **options)[
            0
        ]

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
        **options,
    ) -> list[Motion]:
        """Return the motions of utterances that are already read. `numbers` distinguish samples of
        one utterance (default: all 0).

        `progress(done, total)` is called with motion frames. On a CPU, windows are computed one at
        a time unless `batch_size` is given, because a batch gains little speed there and costs
        memory.
        """
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
        return [
            Motion.from_coefficients(
                sample.motion,
                fps=MOTION_RATE_HZ,
                space=self.pretrained.space.name,
                meta=self._meta(utterance) | about | {"sample": number},
                tracks=sample.tracks,
            )
            for utterance, sample, number in zip(utterances, samples, numbers, strict=True)
        ]

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
