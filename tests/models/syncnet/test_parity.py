"""Our SyncNet against the same layers in torch, written from the published architecture, and its
conversion from the file that torch writes.
"""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.models.syncnet.folder import convert_syncnet, load_syncnet  # noqa: E402
from ksdiff_jax.models.syncnet.network import SyncNet  # noqa: E402

pytestmark = pytest.mark.parity
nn = torch.nn


def block(convolution, norm, *pool):
    return [convolution, norm(convolution.out_channels), nn.ReLU(), *pool]


def lip_convolutions():
    def flat(inputs, outputs, side, pad, stride=1):
        return nn.Conv3d(inputs, outputs, (1, side, side), (1, stride, stride), (0, pad, pad))

    def pool(pad=0):
        return nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, pad, pad))

    norm = nn.BatchNorm3d
    return nn.Sequential(
        *block(nn.Conv3d(3, 96, (5, 7, 7), (1, 2, 2)), norm, pool()),
        *block(flat(96, 256, 5, 1, 2), norm, pool(1)),
        *block(flat(256, 256, 3, 1), norm),
        *block(flat(256, 256, 3, 1), norm),
        *block(flat(256, 256, 3, 1), norm, pool()),
        *block(flat(256, 512, 6, 0), norm),
    )


def sound_convolutions():
    norm = nn.BatchNorm2d
    return nn.Sequential(
        *block(nn.Conv2d(1, 64, 3, padding=1), norm, nn.MaxPool2d(1, 1)),
        *block(nn.Conv2d(64, 192, 3, padding=1), norm, nn.MaxPool2d(3, (1, 2))),
        *block(nn.Conv2d(192, 384, 3, padding=1), norm),
        *block(nn.Conv2d(384, 256, 3, padding=1), norm),
        *block(nn.Conv2d(256, 256, 3, padding=1), norm, nn.MaxPool2d(3, 2)),
        *block(nn.Conv2d(256, 512, (5, 4)), norm),
    )


def dense():
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 1024))


@pytest.fixture(scope="module")
def original():
    torch.manual_seed(0)
    model = nn.ModuleDict(
        {
            "netcnnaud": sound_convolutions(),
            "netfcaud": dense(),
            "netfclip": dense(),
            "netcnnlip": lip_convolutions(),
        }
    )
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.copy_(0.5 + torch.rand_like(tensor))
            elif tensor.ndim == 1:
                tensor.add_(0.2 * torch.randn_like(tensor))
            elif tensor.ndim > 1:
                tensor.mul_(2.0)
    return model.eval()


@pytest.mark.parametrize("zipped", [True, False])
def test_both_streams_equal_the_originals_from_a_file_that_torch_wrote(original, zipped, tmp_path):
    state = original.state_dict()
    torch.save(state, tmp_path / "a.model", _use_new_zipfile_serialization=zipped)
    convert_syncnet(tmp_path / "a.model", tmp_path / "ours")
    params = load_syncnet(tmp_path / "ours").params
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (6, 224, 224, 3)).astype(np.float32)
    windows = 5 * random.standard_normal((2, 13, 20)).astype(np.float32)

    lips, sound = jax.jit(SyncNet().apply)({"params": params}, pictures, windows)
    with torch.no_grad():
        shown = torch.from_numpy(pictures).permute(3, 0, 1, 2)
        shown = torch.stack([shown[:, first : first + 5] for first in range(2)])
        their_lips = original["netfclip"](original["netcnnlip"](shown).flatten(1))
        heard = original["netcnnaud"](torch.from_numpy(windows)[:, None]).flatten(1)
        their_sound = original["netfcaud"](heard)
    for ours, theirs in ((lips, their_lips), (sound, their_sound)):
        assert ours.shape == theirs.shape == (2, 1024)
        error = np.abs(np.asarray(ours) - theirs.numpy()).max() / np.abs(theirs.numpy()).max()
        assert error <= 1e-4, error
