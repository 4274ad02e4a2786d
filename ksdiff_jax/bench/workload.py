"""The work of the benchmarks: configurations, synthetic speech and motion, and programs of the
package on them.

Synthetic parameters have no zeros, so that a layer that is initialised with zeros does not hide the
layers before it.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksdiff_jax.diffusion.config import SamplerName, Spacing
from ksdiff_jax.models.ksdiff.config import Config, ModelConfig
from ksdiff_jax.speech.config import EncoderConfig, PretrainedEncoderConfig

if TYPE_CHECKING:
    from ksdiff_jax.data.batch import Batch
    from ksdiff_jax.motion.space import MotionSpace
    from ksdiff_jax.train.state import TrainState
    from ksdiff_jax.typing import PyTree


@dataclass(frozen=True)
class Size:
    """The size of the work of `bench device`; the defaults are the full size."""

    paper: Config
    demo: Config
    shipped: Config
    clips: int = 32
    frames: int = 250  # motion frames of a short clip: 10 s
    long_frames: int = 1325  # of a long one: 53 s
    many: int = 64  # clips sampled at once
    blocks: int = 100  # of live speech, each timed
    agreement_clips: int = 4
    agreement_frames: int = 128
    agreement_steps: int = 4  # of the sampler
    matrix: int = 8192  # rows and columns of the square matrix product
    copied_bytes: int = 2**30
    calls: int = 20  # queued in one timed run of a short program
    steps: int = 10  # queued in one timed run of a training step


def full_size() -> Size:
    """Return the configurations unchanged, except that the paper's layers are scanned in
    training.
    """
    return Size(paper=scanned(paper_config()), demo=demo_config(), shipped=shipped_config())


def small_size() -> Size:
    """Return every part of the paper's and the demo's configurations at its smallest size, for a
    CPU; the shipped one is small.
    """
    return Size(
        paper=small(scanned(paper_config())),
        demo=small(demo_config()),
        shipped=shipped_config(),
        clips=2,
        frames=24,
        long_frames=40,
        many=2,
        blocks=3,
        agreement_clips=2,
        agreement_frames=24,
        agreement_steps=2,
        matrix=256,
        copied_bytes=2**20,
        calls=2,
        steps=2,
    )


def paper_config() -> Config:
    """Return configs/paper.py in bfloat16, with the layout of Wav2Vec 2.0 base."""
    encoder = EncoderConfig(kind="pretrained", architecture=PretrainedEncoderConfig())
    return Config(name="paper", model=ModelConfig(encoder=encoder, compute_dtype="bfloat16"))


def scanned(config: Config) -> Config:
    """Return the configuration with one layer of each stack compiled and looped, which compiles in
    less time.
    """
    return dataclasses.replace(config, train=dataclasses.replace(config.train, scan_layers=True))


def with_sampler(
    config: Config, sampler: SamplerName, steps: int, spacing: Spacing = "trailing"
) -> Config:
    """Return the configuration with another sampler, of this many steps and without noise."""
    changed = {"sampler": sampler, "spacing": spacing, "steps": steps, "eta": 0.0}
    return dataclasses.replace(config, sample=dataclasses.replace(config.sample, **changed))


def demo_config() -> Config:
    """Return the configuration of the small checkpoint without a pretrained encoder, which is
    configs/demo.py.
    """
    return _shipped("demo")


def shipped_config() -> Config:
    """Return the configuration of the checkpoint that `ksdiff-jax animate` uses by default."""
    return _shipped("whisper_demo")


def _shipped(name: str) -> Config:
    from ksdiff_jax.files import SHIPPED
    from ksdiff_jax.models import config_from_dict
    from ksdiff_jax.models.pretrained import read_manifest

    return config_from_dict(read_manifest(SHIPPED / name)["config"])


def small(config: Config) -> Config:
    """Return the same configuration, narrow and with one layer of each kind."""
    from ksdiff_jax.overrides import override

    encoder, paths = config.model.encoder, config.model.speech_paths
    values = {
        "model.width": 16,
        "model.heads": 2,
        "model.ffn_ratio": 2,
        "model.transcript.layers": 1,
        "model.transcript.max_tokens": 16,
        "model.speech_paths.dilations": paths.dilations[:1],
        "model.speech_paths.groups": 4,
        "model.keyframes.layers": 1,
        "model.keyframes.window_frames": 16,
        "model.generator.layers": 1,
        "sample.steps": 4,
        "loss.spectral_windows": (8,),
        "data.clip_frames": 24,
        "data.batch_size": 2,
    }
    if encoder.kind == "mel":
        values |= {
            "model.encoder.width": 16,
            "model.encoder.layers": 1,
            "model.encoder.mel_bands": 24,
        }
        return override(config, values)
    sizes = {
        "hidden_size": 32,
        "num_layers": 1,
        "num_heads": 2,
        "intermediate_size": 32,
        "conv_dims": (8,) * 7,
    }
    layout = dataclasses.replace(
        encoder.architecture, **sizes, position_kernel=8, position_groups=2
    )
    model = dataclasses.replace(
        config.model, encoder=dataclasses.replace(encoder, architecture=layout)
    )
    return override(dataclasses.replace(config, model=model), values)


def made_up_params(config: Config, *, seed: int = 0) -> "PyTree":
    """Return NumPy parameters that are the same on every machine: kernels of variance 1 / fan-in,
    scales near 1, no leaf of zeros.
    """
    import jax
    import numpy as np

    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.tree import named_leaves, nested

    draw = np.random.default_rng(seed)

    def values(name: str, shape: tuple[int, ...]) -> np.ndarray:
        noise = draw.standard_normal(shape, dtype=np.float32)
        if len(shape) > 1:
            return noise / np.float32(math.sqrt(math.prod(shape[:-1])))
        return (1.0 if name.endswith("scale") else 0.0) + np.float32(0.1) * noise

    shapes = named_leaves(jax.eval_shape(KSDiff(config).init, jax.random.key(0)))
    return nested({name: values(name, leaf.shape) for name, leaf in shapes.items()})


def training_program(config: Config, space: "MotionSpace") -> tuple["TrainState", Callable]:
    """Return the shapes of the state, and the compiled step of `train` on one device: (state,
    batch) -> (state, metrics).
    """
    import jax

    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.parallel.mesh import make_mesh
    from ksdiff_jax.train.optimizer import make_optimizer
    from ksdiff_jax.train.state import abstract_state
    from ksdiff_jax.train.steps import make_train_step

    system, mesh = KSDiff(config, space), make_mesh(config.mesh, devices=jax.devices()[:1])
    optimizer = make_optimizer(config.train)
    abstract = abstract_state(system, optimizer, mesh)
    return abstract, make_train_step(system, optimizer, abstract=abstract, mesh=mesh)


def fresh_state(config: Config, abstract: "TrainState") -> "TrainState":
    """Return the state at step 0, on the device."""
    import jax

    from ksdiff_jax.models.ksdiff.system import KSDiff
    from ksdiff_jax.train.optimizer import make_optimizer
    from ksdiff_jax.train.state import sharded_initial_state

    optimizer = make_optimizer(config.train)
    return sharded_initial_state(KSDiff(config), optimizer, jax.random.key(0), abstract=abstract)


def made_up_state(config: Config, abstract: "TrainState") -> "TrainState":
    """Return a state with the parameters of `made_up_params` and moments of zero, on the device.
    Nothing is compiled: for the paper's configuration, the program that draws initial parameters
    takes more than a minute.
    """
    import jax
    import numpy as np

    from ksdiff_jax.models.frozen import part

    def put(value: np.ndarray, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        return jax.device_put(np.asarray(value, leaf.dtype), leaf.sharding)

    params = part(made_up_params(config), config).trainable
    zeros = jax.tree.map(lambda leaf: put(np.zeros(leaf.shape), leaf), abstract)
    return zeros._replace(
        params=jax.tree.map(put, params, abstract.params),
        ema=jax.tree.map(put, params, abstract.ema),
    )


def made_up_batch(
    config: Config, *, clips: int, frames: int, features: bool = True
) -> tuple["Batch", "MotionSpace"]:
    """Return random speech and smooth random motion of full length, and a motion space whose
    statistics leave motion unchanged.
    """
    import ml_dtypes
    import numpy as np

    from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
    from ksdiff_jax.data.batch import Batch
    from ksdiff_jax.motion.space import BUILTIN
    from ksdiff_jax.speech.utterance import Speech

    draw = np.random.default_rng(0)
    encoder = config.model.encoder
    width = encoder.architecture.hidden_size if encoder.kind == "pretrained" else encoder.width

    def normal(*shape: int):
        return draw.standard_normal(shape, dtype=np.float32)

    tokens = draw.integers(3, 259, (clips, config.model.transcript.max_tokens)).astype(np.int32)
    speech = Speech(
        # As in the loader: with features there is no sound, and they are bfloat16.
        audio=0.1 * normal(clips, 0 if features else SAMPLES_PER_MOTION_FRAME * frames),
        prosody=normal(clips, 2 * frames, 2),
        mask=np.ones((clips, frames), bool),
        tokens=tokens,
        token_mask=np.ones(tokens.shape, bool),
        features=normal(clips, 2 * frames, width).astype(ml_dtypes.bfloat16) if features else None,
    )
    motion = np.cumsum(normal(clips, frames, BUILTIN.width), axis=1) / np.sqrt(frames)
    unit = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
    return Batch(speech, motion.astype(np.float32)), unit
