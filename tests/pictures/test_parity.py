"""Blocks of the UNet and both autoencoders against diffusers' on random weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

REASON = "make test-parity brings it"
torch = pytest.importorskip("torch", reason=f"torch is not installed: {REASON}")
diffusers = pytest.importorskip("diffusers", reason=f"diffusers is not installed: {REASON}")

from diffusers.models.attention import BasicTransformerBlock  # noqa: E402
from diffusers.models.downsampling import Downsample2D  # noqa: E402
from diffusers.models.embeddings import TimestepEmbedding, Timesteps  # noqa: E402
from diffusers.models.resnet import ResnetBlock2D  # noqa: E402
from diffusers.models.transformers.transformer_2d import Transformer2DModel  # noqa: E402
from diffusers.models.upsampling import Upsample2D  # noqa: E402

from ksdiff_jax.models.fd2talk.frames.layout import UNetConfig  # noqa: E402
from ksdiff_jax.models.fd2talk.frames.transformer import (  # noqa: E402
    Conditions,
    SpatialTransformer,
)
from ksdiff_jax.models.fd2talk.frames.unet import StepEmbedding  # noqa: E402
from ksdiff_jax.pictures.autoencoder import Autoencoder, AutoencoderConfig  # noqa: E402
from ksdiff_jax.pictures.blocks import Downsample, ResnetBlock, Upsample  # noqa: E402
from ksdiff_jax.pictures.origins import Origin, origin  # noqa: E402
from ksdiff_jax.pictures.published_autoencoder import (  # noqa: E402
    convert_autoencoder,
    load_autoencoder,
)
from ksdiff_jax.tree import named_leaves, nested  # noqa: E402

pytestmark = pytest.mark.parity
TOLERANCE = 1e-4


def randomised(module):
    torch.manual_seed(0)
    for parameter in module.parameters():
        scale = 1 / np.sqrt(parameter[0].numel()) if parameter.ndim > 1 else 0.3
        torch.nn.init.normal_(parameter, std=float(scale))
    return module.eval()


def values(shape, seed):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def theirs(module, *arrays, **named):
    with torch.no_grad():
        return module(*arrays, **named)


def picture(array):
    return tensor(array.transpose(0, 3, 1, 2))


def tensor(array):
    return torch.from_numpy(np.array(array))


def ours_of(result):
    return result.numpy().transpose(0, 2, 3, 1)


def relative(ours, original):
    return np.abs(np.asarray(ours) - original).max() / np.abs(original).max()


def with_their_weights(module, weights, *arrays, key_of=origin, **options):
    """Our variables, with every weight of the original used once."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *arrays, **options))
    places = {
        name: key_of(name, leaf.shape) for name, leaf in named_leaves(shapes["params"]).items()
    }
    weights = {key: weight.numpy() for key, weight in weights.items()}
    assert sorted(place.key for place in places.values()) == sorted(weights)
    return {"params": nested({n: p.converted(weights[p.key]) for n, p in places.items()})}


@pytest.mark.parametrize("features", [16, 24])
def test_a_resnet_block_is_diffusers(features):
    original = randomised(
        ResnetBlock2D(in_channels=16, out_channels=features, temb_channels=20, groups=4, eps=1e-5)
    )
    x, embedding = values((2, 6, 5, 16), 1), values((2, 20), 2)
    block = ResnetBlock(features, 4, 1e-5, embedded=True)
    variables = with_their_weights(block, original.state_dict(), x, embedding)
    expected = ours_of(theirs(original, picture(x), tensor(embedding)))
    assert relative(block.apply(variables, x, embedding), expected) < TOLERANCE


@pytest.mark.parametrize(
    ("block", "original", "padded"),
    [
        (Downsample(), Downsample2D(8, use_conv=True, padding=1), False),
        (Downsample((0, 1)), Downsample2D(8, use_conv=True, padding=0), True),
        (Upsample(), Upsample2D(8, use_conv=True), False),
    ],
)
def test_a_change_of_resolution_is_diffusers(block, original, padded):
    x, original = values((2, 6, 8, 8), 1), randomised(original)
    # diffusers registers some of these convolutions under two names
    weights = {f"conv.{name}": weight for name, weight in original.conv.state_dict().items()}
    variables = with_their_weights(block, weights, x)
    result = block.apply(variables, x)
    assert relative(result, ours_of(theirs(original, picture(x)))) < TOLERANCE


def test_the_step_embedding_is_diffusers():
    original = randomised(TimestepEmbedding(32, 128))
    steps = jnp.array([0, 1, 500, 999])
    sines = Timesteps(32, flip_sin_to_cos=False, downscale_freq_shift=0)
    expected = theirs(original, sines(tensor(steps))).numpy()
    variables = with_their_weights(StepEmbedding(32), original.state_dict(), steps)
    assert relative(StepEmbedding(32).apply(variables, steps), expected) < TOLERANCE


def transformer_key(self_attends):
    """Names in a transformer of two blocks: φ₁ and φ₂ are the cross-attentions of both."""
    first = {
        "norm_self": "0.norm1",
        "self_attention": "0.attn1",
        "norm_motion": "0.norm2",
        "motion_attention": "0.attn2",
        "norm_reference": "1.norm2",
        "reference_attention": "1.attn2",
        "norm_ffn": "1.norm3",
        "ffn": "1.ff",
    }
    inside = {"query": "to_q", "key": "to_k", "value": "to_v", "out": "to_out.0"}
    inside |= {"up": "net.0.proj", "down": "net.2"}

    def key_of(name, shape):
        found = origin(name, shape)
        top, *rest = name.split("/")
        if top not in first:
            return found
        leaf = found.key.rpartition(".")[2]
        path = [f"transformer_blocks.{first[top]}", *(inside[part] for part in rest[:-1]), leaf]
        return Origin(".".join(path), found.shape)

    return key_of


class TwoConditions(torch.nn.Module):
    """Diffusers' parts in the order of Eq. 6 and 7: group norm, projection, self-attention and
    cross-attention of one block, cross-attention and feed-forward of the next, projection.
    """

    def __init__(self, width, heads, context):
        super().__init__()
        options = {"attention_bias": True, "cross_attention_dim": context}
        shell = Transformer2DModel(
            heads, width // heads, width, norm_num_groups=4, use_linear_projection=True, **options
        )
        self.norm, self.proj_in, self.proj_out = shell.norm, shell.proj_in, shell.proj_out
        blocks = [BasicTransformerBlock(width, heads, width // heads, **options) for _ in range(2)]
        del blocks[0].norm3, blocks[0].ff, blocks[1].norm1, blocks[1].attn1
        self.transformer_blocks = torch.nn.ModuleList(blocks)

    def forward(self, x, motion, reference):
        batch, width, height, across = x.shape
        first, second = self.transformer_blocks
        tokens = self.norm(x).permute(0, 2, 3, 1).reshape(batch, -1, width)
        tokens = self.proj_in(tokens)
        tokens = tokens + first.attn1(first.norm1(tokens))
        tokens = tokens + first.attn2(first.norm2(tokens), encoder_hidden_states=motion)
        tokens = tokens + second.attn2(second.norm2(tokens), encoder_hidden_states=reference)
        tokens = self.proj_out(tokens + second.ff(second.norm3(tokens)))
        return x + tokens.reshape(batch, height, across, width).permute(0, 3, 1, 2)


def test_the_transformer_of_a_block_is_made_of_diffusers_attentions():
    config = UNetConfig(channels=16, groups=4, head_width=8, context_width=12)
    original = randomised(TwoConditions(16, 2, 12))
    x = values((2, 5, 6, 16), 1)
    motion, reference = values((2, 3, 12), 2), values((2, 7, 12), 3)
    block = SpatialTransformer(config, 16, True)
    conditions = Conditions(motion, reference)

    def run(module, x):
        return module(x, module.memories(conditions))

    weights = original.state_dict()
    shapes = jax.eval_shape(lambda: block.init(jax.random.key(0), x, method=run))["params"]
    position = shapes.pop("query_position")["kernel"]  # zero here: diffusers has none
    key_of = transformer_key(True)
    places = {name: key_of(name, leaf.shape) for name, leaf in named_leaves(shapes).items()}
    assert sorted(place.key for place in places.values()) == sorted(weights)
    params = nested({n: p.converted(weights[p.key].numpy()) for n, p in places.items()})
    params = jax.device_put(params)
    params["query_position"] = {"kernel": jnp.zeros(position.shape)}
    result = block.apply({"params": params}, x, method=run)
    tensors = (tensor(array) for array in (motion, reference))
    assert relative(result, ours_of(theirs(original, picture(x), *tensors))) < TOLERANCE


SMALL = {
    "block_out_channels": (8, 16, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
}


def published(kind, **layout):
    layout = {**SMALL, **layout}
    if kind == "vq":
        options = {"latent_channels": 3, "num_vq_embeddings": 32, **layout}
        return randomised(diffusers.VQModel(**options))
    return randomised(diffusers.AutoencoderKL(latent_channels=4, **layout))


@pytest.mark.parametrize("kind", ["vq", "kl"])
def test_a_converted_autoencoder_computes_what_diffusers_computes(kind, tmp_path):
    original = published(kind)
    agree(kind, original, tmp_path, side=32)


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "levels"), [("vq", (128, 256, 512)), ("kl", (128, 256, 512, 512))]
)
def test_a_converted_autoencoder_of_full_size_computes_what_diffusers_computes(
    kind, levels, tmp_path
):
    blocks = len(levels)
    original = published(
        kind,
        block_out_channels=levels,
        layers_per_block=2,
        norm_num_groups=32,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
    )
    agree(kind, original, tmp_path, side=64)


def agree(kind, original, tmp_path, *, side):
    original.save_pretrained(tmp_path / "theirs", safe_serialization=True)
    convert_autoencoder(tmp_path / "theirs", tmp_path / "ours")
    config, network = load_autoencoder(tmp_path / "ours")
    assert isinstance(config, AutoencoderConfig) and config.kind == kind
    ours, variables = Autoencoder(config), {"params": network.params}
    pictures = values((2, side, side, 3), 1)
    encoded = theirs(original.encode, picture(pictures))
    expected = encoded.latents if kind == "vq" else encoded.latent_dist.mean
    latents = ours.apply(variables, pictures, method=Autoencoder.encode)
    assert relative(latents, ours_of(expected)) < TOLERANCE
    # the codes are near zero: latents of their size choose many of them
    chosen = values(latents.shape, 2) * (0.3 if kind == "vq" else 1)
    decoded = ours_of(theirs(original.decode, picture(chosen)).sample)
    result = ours.apply(variables, chosen, method=Autoencoder.decode)
    assert relative(result, decoded) < TOLERANCE
