"""Converted picture networks: one for one, a start for the paired decoder, one line for others."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from ksdiff_jax.cli.main import main
from ksdiff_jax.errors import InputError
from ksdiff_jax.pictures import inception, lpips
from ksdiff_jax.pictures.autoencoder import Autoencoder
from ksdiff_jax.pictures.origins import origin
from ksdiff_jax.pictures.published_autoencoder import (
    WEIGHTS,
    convert_autoencoder,
    load_autoencoder,
    paired,
    read_layout,
)
from ksdiff_jax.tree import named_leaves

CONFIG = {
    "_class_name": "VQModel",
    "act_fn": "silu",
    "block_out_channels": [4, 8],
    "layers_per_block": 1,
    "latent_channels": 3,
    "num_vq_embeddings": 16,
    "norm_num_groups": 2,
}


@pytest.fixture
def published(tmp_path):
    """A folder in diffusers' form with random weights."""
    folder = tmp_path / "vqvae"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights_of(folder), folder / WEIGHTS)
    return folder


def weights_of(folder):
    return weights_in(read_layout(folder / "config.json"))


@functools.lru_cache(maxsize=1)
def weights_in(config):
    draw = np.random.default_rng(0)
    pictures = jnp.zeros((1, 4, 4, 3))
    shapes = jax.eval_shape(Autoencoder(config).init, jax.random.key(0), pictures)["params"]
    places = [origin(name, leaf.shape) for name, leaf in named_leaves(shapes).items()]
    return {key: draw.standard_normal(shape).astype(np.float32) for key, shape, _ in places}


def test_a_converted_autoencoder_is_the_start_of_a_paired_one(published, tmp_path, capsys):
    out = tmp_path / "ours"
    arguments = ["convert", "autoencoder", str(published), "--out", str(out), "--json"]
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    config, network = load_autoencoder(out)
    assert facts["digest"] == network.digest and config.factor == 2 and config.codes == 16
    theirs = weights_of(published)
    key = "decoder.up_blocks.0.resnets.1.conv2.weight"
    kernel = network.params["decoder"]["up_blocks_0"]["resnets_1"]["conv2"]["kernel"]
    np.testing.assert_array_equal(kernel[2, 0, 1, 3], theirs[key][3, 1, 2, 0])
    query = network.params["encoder"]["mid_block"]["attentions_0"]["attention"]["query"]
    np.testing.assert_array_equal(
        query["kernel"], theirs["encoder.mid_block.attentions.0.to_q.weight"].T
    )
    np.testing.assert_array_equal(network.params["codebook"], theirs["quantize.embedding.weight"])
    # the paired decoder starts as the published one, without its codes
    latents, reference = jax.random.normal(jax.random.key(0), (2, 1, 2, 2, 3))
    variables = {"params": jax.device_put(paired(network.params))}
    ours = Autoencoder(config, paired=True)
    decoded = [
        ours.apply(variables, latents, other, method=Autoencoder.decode)
        for other in (reference, -reference)
    ]
    np.testing.assert_array_equal(*decoded)
    plain = {"params": jax.device_put(network.params)}
    hidden = Autoencoder(config).apply(
        plain, latents, method=lambda module, z: module.decoder(module.post_quant_conv(z))
    )
    np.testing.assert_allclose(decoded[0], hidden, rtol=1e-4, atol=1e-4)


def test_names_of_the_first_releases_are_read(published, tmp_path):
    former = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}
    weights = weights_of(published)
    for new, old in former.items():
        weights = {key.replace(new, old): value for key, value in weights.items()}
    assert any("proj_attn" in key for key in weights)
    convert_autoencoder(published, tmp_path / "current")
    save_file(weights, published / WEIGHTS)
    convert_autoencoder(published, tmp_path / "former")
    digests = [load_autoencoder(tmp_path / name)[1].digest for name in ("current", "former")]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_class_name": "UNet2DModel"}, "_class_name"),
        ({"norm_type": "spatial"}, "norm_type"),
        ({"mid_block_add_attention": False}, "mid_block_add_attention is false"),
        ({"vq_embed_dim": 4}, "vq_embed_dim is not latent_channels, 3"),
        ({"block_out_channels": [4, 6]}, "need multiples of the first"),
        ({"layers_per_block": 2}, "weights are missing"),
        ({"num_vq_embeddings": 8}, r"quantize.embedding.weight has shape \(16, 3\)"),
    ],
)
def test_another_layout_is_refused_in_one_line(published, tmp_path, change, message):
    (published / "config.json").write_text(json.dumps(CONFIG | change))
    with pytest.raises(InputError, match=message) as error:
        convert_autoencoder(published, tmp_path / "ours")
    assert "\n" not in str(error.value) and not (tmp_path / "ours").exists()


def test_a_damaged_or_another_folder_is_refused_in_one_line(published, tmp_path):
    convert_autoencoder(published, tmp_path / "ours")
    path = tmp_path / "ours" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="do not have the digest"):
        load_autoencoder(tmp_path / "ours")
    with pytest.raises(InputError, match="holds 'autoencoder', need a converted lpips"):
        lpips.load_lpips(tmp_path / "ours")
    with pytest.raises(InputError, match=r"no config\.json"):
        load_autoencoder(tmp_path)
    with pytest.raises(InputError, match=r"no diffusion_pytorch_model\.safetensors"):
        (published / WEIGHTS).unlink()
        convert_autoencoder(published, tmp_path / "again")
    with pytest.raises(InputError, match="no such file"):
        inception.convert_inception(tmp_path / "none.pth", tmp_path / "again")


@pytest.mark.slow
def test_every_parameter_of_the_metric_networks_has_one_name_of_the_original():
    """The counts are those of VGG16's convolutions and of Inception's 94 convolutions."""
    places = lpips.origins()
    keys = {place.key for place in places.values()}
    assert len(keys) == len(places) == 2 * 13 + 5
    assert places["convolution_4_2/kernel"].shape == (512, 512, 3, 3)
    assert places["convolution_4_2/kernel"].key == "net.slice5.28.weight"
    places = inception.origins()
    keys = {place.key for place in places.values()}
    assert len(keys) == len(places) == 5 * 94
    assert places["Mixed_7c/branch3x3dbl_3b/kernel"].shape == (384, 384, 3, 1)
