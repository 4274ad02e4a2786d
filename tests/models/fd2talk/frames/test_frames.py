"""The frames stage at a tiny size: layout, equations of sampling and training, and one training
step of both systems on rendered heads.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.data.picture_rows import FramePair
from ksdiff_jax.errors import InputError
from ksdiff_jax.models import build_system
from ksdiff_jax.models.fd2talk.autoencoder import config as autoencoder_config
from ksdiff_jax.models.fd2talk.frames import config as frames_config
from ksdiff_jax.models.fd2talk.frames.first_stage import (
    FirstStage,
    first_stage_of,
    load_first_stage,
    with_autoencoder_at,
    with_first_stage,
)
from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig
from ksdiff_jax.models.fd2talk.frames.network import Network
from ksdiff_jax.models.fd2talk.frames.sampling import sample_latents
from ksdiff_jax.models.fd2talk.frames.system import painted
from ksdiff_jax.models.fd2talk.frames.transformer import Conditions, SpatialTransformer
from ksdiff_jax.models.pretrained import read_pretrained, save_pretrained
from ksdiff_jax.models.publish import push_to_hub
from ksdiff_jax.models.self_contained import save_self_contained
from ksdiff_jax.motion.space import BUILTIN
from ksdiff_jax.pictures.autoencoder import AutoencoderConfig
from ksdiff_jax.pictures.values import from_bytes, to_bytes
from ksdiff_jax.rng import numbered
from ksdiff_jax.speech.utterance import silent_speech

UNET = UNetConfig(
    channels=8,
    multipliers=(1, 2),
    blocks=1,
    head_width=8,
    self_attention_levels=(1,),
    context_width=8,
    motion_tokens=2,
    ffn_ratio=1,
    groups=4,
)
LAYOUT = AutoencoderConfig("kl", 8, (1, 2), 1, latent_channels=3, groups=4)
AUTOENCODER = autoencoder_config.Config(
    model=autoencoder_config.ModelConfig(picture_side=16, autoencoder=LAYOUT),
    loss=autoencoder_config.LossConfig(perceptual=0.0, scale=0.1),
)
FRAMES = frames_config.Config(
    model=frames_config.ModelConfig(picture_side=16, unet=UNET, autoencoder=LAYOUT),
    sample=frames_config.SampleConfig(steps=3),
)


def perturbed(params):
    """No layer of zeros, behind which others would be hidden."""

    def moved(leaf):
        return leaf + 0.05 * np.cos(np.arange(leaf.size)).reshape(leaf.shape).astype(np.float32)

    return jax.tree.map(moved, params)


def made_up(system):
    """Random parameters, which compile nothing; no zeros."""
    draw = np.random.default_rng(0)

    def values(leaf):
        scale = np.sqrt(np.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 3
        return jnp.asarray(draw.standard_normal(leaf.shape) / scale + 0.01, jnp.float32)

    return jax.tree.map(values, jax.eval_shape(system.init, jax.random.key(0)))


@pytest.fixture(scope="module")
def frames():
    system = build_system(FRAMES, BUILTIN)
    return system, made_up(system)


def test_what_the_training_data_do_not_show_is_not_shown_to_the_network():
    """Coefficient 3 hardly moved in training, and another system moves it; rotation moves little
    in its unit, and is shown.
    """
    std = np.full(BUILTIN.width, 0.5, np.float32)
    std[3], std[BUILTIN.slice("rotation")] = 1e-4, 5e-3
    space = BUILTIN.with_statistics(np.zeros(BUILTIN.width), std)
    shown = build_system(FRAMES, space).shown_motion(np.ones((2, BUILTIN.width), np.float32))
    expected = np.full(BUILTIN.width, 2.0)
    expected[3], expected[BUILTIN.slice("rotation")] = 0.0, 8.0
    np.testing.assert_allclose(shown, np.tile(expected, (2, 1)))


@pytest.fixture(scope="module")
def first_stage():
    system = build_system(AUTOENCODER, BUILTIN)
    return FirstStage(system, made_up(system), "digest", "source")


def compiled(function, *arrays):
    """The function, compiled fast instead of well."""
    return jax.jit(function).lower(*arrays).compile({"xla_backend_optimization_level": 0})


def rows(count=3):
    draw = np.random.default_rng(0)
    pictures = draw.integers(0, 256, (2, count, 16, 16, 3)).astype(np.uint8)
    motion = draw.standard_normal((2, count, BUILTIN.width)).astype(np.float32)
    latents = draw.standard_normal((2, count, 8, 8, 3)).astype(np.float32)
    return FramePair(*pictures, *motion, *latents)


@pytest.mark.parametrize("decoupled", [True, False])
def test_frames_of_one_reference_share_its_keys_and_change_no_result(decoupled):
    config = dataclasses.replace(UNET, decoupled=decoupled)
    block = SpatialTransformer(config, 8, self_attends=False)
    x = jax.random.normal(jax.random.key(1), (4, 3, 3, 8))
    motion = jax.random.normal(jax.random.key(2), (4, 2, 8))
    references = jax.random.normal(jax.random.key(3), (2, 9, 8))

    def run(module, x, conditions):
        return module(x, module.memories(conditions))

    def result(motion, references):
        return block.apply(variables, x, Conditions(motion, references), method=run)

    variables = block.init(jax.random.key(0), x, Conditions(motion, references), method=run)
    variables = perturbed(variables)
    shared, each = result(motion, references), result(motion, jnp.repeat(references, 2, axis=0))
    np.testing.assert_allclose(each, shared, atol=1e-5)
    for other in (result(motion + 1, references), result(motion, references[::-1])):
        assert (np.abs(other - shared).max(axis=(1, 2, 3)) > 1e-5).all()


def test_the_layout_of_a_unet_is_checked():
    for field, value, message in (
        ("channels", 12, "model.unet.channels 12: need a multiple of the head_width, 8"),
        ("self_attention_levels", (2,), "need levels from 0 to 1"),
        ("context_width", 6, "need a multiple of 4"),
    ):
        with pytest.raises(InputError, match=message):
            dataclasses.replace(UNET, **{field: value})
    with pytest.raises(InputError, match=r"model\.picture_side 18: need a multiple of 4"):
        dataclasses.replace(FRAMES.model, picture_side=18)


@pytest.mark.slow  # compiles the gradient of the UNet
def test_one_step_of_the_gradient_lowers_the_loss_of_the_frames_stage(frames):
    system, params = frames
    batch, keys = rows(), numbered(jax.random.key(3), np.arange(3))

    def loss(params):
        return jnp.mean(system.loss(params, batch, keys, train=False)["latent"])

    run = compiled(jax.value_and_grad(loss), params)
    before, gradient = run(params)
    flat = jax.tree.leaves(gradient)
    assert all(np.isfinite(leaf).all() for leaf in flat)
    assert all(np.any(leaf) for leaf in jax.tree.leaves(gradient["unet"]))
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in flat))
    moved = jax.tree.map(lambda leaf, slope: leaf - 1e-2 * slope / norm, params, gradient)
    assert run(moved)[0] < before


@pytest.mark.slow
def test_a_row_has_the_same_loss_in_any_batch(frames):
    system, params = frames
    batch, keys = rows(), numbered(jax.random.key(3), np.arange(3))
    run = jax.jit(lambda batch, keys: system.loss(params, batch, keys, train=True)["latent"])
    whole = run(batch, keys)
    alone = run(jax.tree.map(lambda leaf: leaf[1:2], batch), keys[1:2])
    np.testing.assert_allclose(alone[0], whole[1], rtol=1e-4)


@pytest.mark.slow
def test_frames_are_painted_alike_in_a_window_and_without_their_neighbours(frames, first_stage):
    system, params = frames
    network = system.network
    motion = jax.random.normal(jax.random.key(1), (1, 3, BUILTIN.width))
    reference = jax.random.normal(jax.random.key(2), (1, 8, 8, 3))
    keys = jax.random.split(jax.random.key(3), 1)
    own = dataclasses.replace(FRAMES.sample, shared_noise=False)

    def sampled(motion, first, options):
        noise_of = keys, jnp.full(1, first)
        run = jax.jit(
            lambda motion: sample_latents(
                network, params, motion, reference, noise_of, options=options
            )
        )
        return np.asarray(run(motion))

    for options in (FRAMES.sample, own):
        whole = sampled(motion, 0, options)
        np.testing.assert_allclose(sampled(motion[:, 1:], 1, options), whole[:, 1:], atol=1e-4)
    still = jnp.repeat(motion[:, :1], 3, axis=1)
    alike = sampled(still, 0, FRAMES.sample)
    np.testing.assert_allclose(alike[:, 1:], alike[:, :-1], atol=1e-5)
    assert np.abs(np.diff(sampled(still, 0, own), axis=1)).max() > 0.01
    picture = rows().reference[0]
    result = painted(system, params, first_stage, picture, np.asarray(motion[0]))
    assert result.shape == (3, 16, 16, 3) and np.abs(result).max() <= 1


def test_one_step_of_the_gradient_lowers_the_loss_of_the_autoencoder():
    system = build_system(AUTOENCODER, BUILTIN)
    params = made_up(system)
    batch, keys = rows(), numbered(jax.random.key(3), np.arange(3))

    def loss(params):
        terms = system.loss(params, batch, keys, train=True)
        return sum(jnp.mean(term) for term in terms.values()), terms

    run = compiled(jax.value_and_grad(loss, has_aux=True), params)
    (before, terms), gradient = run(params)
    assert set(terms) == {"reconstruction", "scale"}
    norm = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(gradient)))
    moved = jax.tree.map(lambda leaf, slope: leaf - 1e-2 * slope / norm, params, gradient)
    assert run(moved)[0][0] < before

    def decode(params):
        latents = (system.latents(params, batch.target), system.latents(params, batch.reference))
        return system.network.apply({"params": params}, *latents, method="decode")

    decoded = compiled(decode, params)(params)
    expected = np.mean((np.asarray(decoded) - np.asarray(from_bytes(batch.target))) ** 2, (1, 2, 3))
    np.testing.assert_allclose(terms["reconstruction"], expected, rtol=1e-4)


def test_bad_settings_have_one_line():
    with pytest.raises(InputError, match=r"model\.autoencoder_path is empty"):
        with_first_stage(FRAMES)
    model = dataclasses.replace(FRAMES.model, autoencoder_path="demo")
    with pytest.raises(InputError, match="a checkpoint of the system ksdiff, need an autoencoder"):
        with_first_stage(dataclasses.replace(FRAMES, model=model))
    loss = autoencoder_config.LossConfig(perceptual=1.0)
    system = build_system(dataclasses.replace(AUTOENCODER, loss=loss), BUILTIN)
    params = jax.eval_shape(system.init, jax.random.key(0))
    keys = numbered(jax.random.key(3), np.arange(3))
    with pytest.raises(InputError, match="needs the weights of LPIPS"):
        jax.eval_shape(lambda params: system.loss(params, rows(), keys, train=True), params)
    for config in (AUTOENCODER, FRAMES):
        with pytest.raises(InputError, match="generates n"):
            build_system(config, BUILTIN).sample({}, silent_speech(), keys, jnp.zeros(3, int))


def test_an_autoencoder_may_move_or_be_held(tmp_path):
    def saved(name, config, params):
        still = BUILTIN.with_statistics(np.zeros(BUILTIN.width), np.ones(BUILTIN.width))
        return save_pretrained(tmp_path / name, config=config, params=params, space=still)

    weights = {"encoder": {"kernel": np.arange(3, dtype=np.float32)}}
    saved("coder", AUTOENCODER, weights)
    model = dataclasses.replace(FRAMES.model, autoencoder_path=str(tmp_path / "coder"))
    config, stage = with_first_stage(dataclasses.replace(FRAMES, model=model))
    saved("frames", config, {"unet": {"a": np.ones(2, np.float32)}})
    (tmp_path / "coder").rename(tmp_path / "moved")
    load_first_stage.cache_clear()
    found = read_pretrained(tmp_path / "frames")
    wanted = f"autoencoder of digest {stage.digest[:12]}, which was at .*coder: .*--autoencoder"
    with pytest.raises(InputError, match=wanted):
        first_stage_of(found.config, found.params)
    moved = with_autoencoder_at(found, tmp_path / "moved")
    assert first_stage_of(moved.config, moved.params).digest == stage.digest
    saved("other", AUTOENCODER, {"encoder": {"kernel": np.zeros(3, np.float32)}})
    with pytest.raises(InputError, match=f"was trained with {stage.digest[:12]}; name its folder"):
        with_first_stage(with_autoencoder_at(found, tmp_path / "other").config)
    with pytest.raises(InputError, match=r"refers to its autoencoder as .* others do not have"):
        push_to_hub(tmp_path / "frames", "owner/name")  # before anything is sent
    save_self_contained(tmp_path / "frames", tmp_path / "whole", autoencoder=tmp_path / "moved")
    whole = read_pretrained(tmp_path / "whole")
    held = first_stage_of(whole.config, whole.params)
    np.testing.assert_array_equal(held.params["encoder"]["kernel"], weights["encoder"]["kernel"])
    assert (held.side, held.digest) == (16, stage.digest)
    assert held.system.config.model.autoencoder == LAYOUT
    with pytest.raises(InputError, match="holds its own autoencoder"):
        with_autoencoder_at(whole, "x")
    with pytest.raises(InputError, match="of the system fd2talk_autoencoder; omit it"):
        with_autoencoder_at(read_pretrained(tmp_path / "moved"), "x")


def test_bytes_and_values_are_each_others_inverse():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=-1)
    values = from_bytes(every)
    assert float(values.min()) == -1 and float(values.max()) == 1
    assert (to_bytes(values) == every).all()
    assert (to_bytes(np.full((1, 1, 3), 7.0)) == 255).all()


def test_the_network_has_the_parameters_of_its_parts():
    network = Network(FRAMES.model, BUILTIN.width)
    latents, motion = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, BUILTIN.width))
    shapes = jax.eval_shape(network.init, jax.random.key(0), latents, motion)["params"]
    assert set(shapes) == {"unet", "null_motion"}
