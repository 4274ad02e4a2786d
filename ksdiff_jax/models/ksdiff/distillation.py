"""The denoisers of KSDiff that distillation compares: its generators, and those of its teacher.

Teacher and student are sampled on the same speech, as in inference: from frame noise whose lip
dimensions are scaled, with the share of the regression. Speech paths, transcript and regression
are the same for both and are not trained. The keyframes are those of the clip, jittered and
sometimes hidden; the transcript is sometimes dropped. The style of a clip is drawn: any of the
model's, or the unknown one.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from ksdiff_jax.data.batch import Batch
from ksdiff_jax.diffusion.config import ABSORBED, TEACHER
from ksdiff_jax.diffusion.distillation import Path
from ksdiff_jax.models.ksdiff.config import Config
from ksdiff_jax.models.ksdiff.network import Network, generator_dims
from ksdiff_jax.models.ksdiff.sampling import (
    Condition,
    encode,
    initial_noise,
    path_denoiser,
    style_of_options,
)
from ksdiff_jax.models.ksdiff.training import shown_keyframes, true_keyframes
from ksdiff_jax.models.training_noise import drawn_flags
from ksdiff_jax.rng import streams
from ksdiff_jax.typing import Array, Int, Key, PyTree


def distilled_paths(
    network: Network,
    params: PyTree,
    batch: Batch,
    keys: Key[Array, "b"],
    *,
    config: Config,
    train: bool,
) -> dict[str, Path]:
    """Return student, teacher and initial noise of every generator by its name; `params["teacher"]`
    are the teacher's generators.

    With `train=False` nothing is dropped, jittered or hidden, and the style is that of
    `config.sample`.
    """
    model, student = config.model, config.sample
    guidance = {name: getattr(config.distill, name) for name in ABSORBED}
    teacher = replace(student, **guidance)
    nothing = jnp.zeros(len(batch.speech.mask), bool)
    style = style_of_options(network, student, batch=len(nothing))
    if train and style is not None:
        style = _drawn_style(keys, len(model.generator.styles))
    own, frozen = params, jax.lax.stop_gradient(params)
    share = model.transcript.drop_probability if train else 0.0
    silent = drawn_flags(keys, "drop transcript", share)
    encoded = encode(network, frozen, batch.speech, silent, style=style)
    unguided = encode(network, frozen, batch.speech, ~nothing, style=style)
    bits = {}
    for track, target in true_keyframes(batch, config).items():
        bits[track] = target.astype(jnp.int32)
        if train:
            of_track = streams(keys, f"keyframes {track}")
            bits[track] = shown_keyframes(target, of_track, config=model.keyframes)
    condition = Condition(encoded, unguided, bits, style)
    first = jnp.zeros(len(nothing), jnp.int32)
    noise = initial_noise(keys, first, batch.speech.mask.shape[1], options=student)
    paths = {}
    for name, dims in generator_dims(model).items():
        students, teachers = (
            path_denoiser(network, weights, name, condition, speech=batch.speech, options=options)
            for weights, options in ((own, student), (frozen | frozen[TEACHER], teacher))
        )
        paths[name] = Path(students, teachers, noise[..., jnp.array(dims)])
    return paths


def _drawn_style(keys: Key[Array, "b"], styles: int) -> Int[Array, "b"]:
    """Return the number of a style for each clip, all equally likely; 0 is the unknown one."""
    draw = jax.vmap(lambda key: jax.random.randint(key, (), 0, styles + 1))
    return draw(streams(keys, "style"))
