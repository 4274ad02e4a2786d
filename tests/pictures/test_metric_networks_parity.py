"""LPIPS and FID's Inception against their torch forms on random weights, through the files that
torch writes.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.pictures.inception import Inception, convert_inception, load_inception  # noqa: E402
from ksdiff_jax.pictures.lpips import Lpips, convert_lpips, load_lpips  # noqa: E402
from tests.pictures import torch_networks  # noqa: E402

pytestmark = pytest.mark.parity
TOLERANCE = 1e-4


def randomised(module):
    torch.manual_seed(0)
    for name, parameter in [*module.named_parameters(), *module.named_buffers()]:
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=float(np.sqrt(2 / parameter[0].numel())))
        elif name.endswith("running_var"):
            torch.nn.init.uniform_(parameter, 0.5, 2)
        elif parameter.is_floating_point() and parameter.ndim:
            torch.nn.init.normal_(parameter, std=0.1)
    return module.eval()


def pictures(seed, side):
    values = np.random.default_rng(seed).uniform(-1, 1, (2, side, side, 3))
    return jnp.asarray(values, jnp.float32)


def tensor(values):
    return torch.from_numpy(np.array(values.transpose(0, 3, 1, 2)))


def test_lpips_is_the_original(tmp_path):
    original = randomised(torch_networks.LPIPS())
    with torch.no_grad():  # the published weights are positive
        for index in range(5):
            getattr(original, f"lin{index}").model[1].weight.abs_()
    torch.save(original.state_dict(), tmp_path / "lpips.pt")
    convert_lpips(tmp_path / "lpips.pt", tmp_path / "ours")
    variables = {"params": jax.device_put(load_lpips(tmp_path / "ours").params)}
    one, other = pictures(1, 48), pictures(2, 48)
    tensors = [tensor(values) for values in (one, other)]
    with torch.no_grad():
        expected, features = original(*tensors).numpy(), original.features(tensors[0])
    result = np.asarray(Lpips().apply(variables, one, other))
    assert np.abs(result / expected - 1).max() < TOLERANCE
    ours = Lpips().apply(variables, one, method=Lpips.features)
    for level, theirs in zip(ours, features, strict=True):
        theirs = theirs.numpy().transpose(0, 2, 3, 1)
        assert np.abs(level - theirs).max() < TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize("side", [64, 320])
def test_inception_is_the_original(side, tmp_path):
    original = randomised(torch_networks.Inception())
    torch.save(original.state_dict(), tmp_path / "inception.pth")
    convert_inception(tmp_path / "inception.pth", tmp_path / "ours")
    variables = {"params": jax.device_put(load_inception(tmp_path / "ours").params)}
    some = pictures(1, side)
    with torch.no_grad():
        expected = original(tensor(some)).numpy()
    result = np.asarray(Inception().apply(variables, some))
    assert result.shape == (2, 2048)
    assert np.abs(result - expected).max() < TOLERANCE * np.abs(expected).max()
