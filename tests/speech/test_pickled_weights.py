"""Files that PyTorch itself wrote: weights equal PyTorch's, and code in them is never executed."""

import json
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.errors import InputError  # noqa: E402
from ksdiff_jax.foreign.pickle_file import as_array, read_pickled_value  # noqa: E402
from ksdiff_jax.foreign.torch_file import read_state_dict  # noqa: E402
from ksdiff_jax.speech import load_encoder  # noqa: E402
from tests.speech.originals import build, save  # noqa: E402
from tests.speech.test_convert import LAYOUT  # noqa: E402

pytestmark = pytest.mark.parity


class Intruder:
    """Unpickling this would create a file."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self):
        return open, (self.trace, "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_bin_of_weights_gives_the_same_encoder_as_safetensors(tmp_path, zipped):
    model = build("wav2vec2 base")
    safe = save(model, tmp_path / "safe")
    pickled = save(model, tmp_path / "pickled")
    torch.save(
        model.state_dict(), pickled / "pytorch_model.bin", _use_new_zipfile_serialization=zipped
    )
    (pickled / "model.safetensors").unlink()
    assert load_encoder(pickled).digest == load_encoder(safe).digest


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_every_layout_are_what_torch_has(tmp_path, zipped):
    grid = torch.arange(24.0).reshape(4, 6)
    kinds = (
        torch.float64,
        torch.float16,
        torch.int8,
        torch.uint8,
        torch.int64,
        torch.bool,
        torch.complex64,
    )
    tensors = {
        "t": grid.t(),
        "part": grid[1:3, ::2],
        "wide": torch.ones(1).expand(5),
        "empty": torch.zeros(0, 3),
    }
    tensors |= {
        "parameter": torch.nn.Parameter(grid),
        "tied": grid,
        **{str(kind): grid.to(kind) for kind in kinds},
    }
    torch.save(
        {"model": tensors, "step": 3}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped
    )
    got = read_state_dict(tmp_path / "a.pth")
    assert got.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(got[name], tensor.detach().numpy())


@pytest.mark.parametrize("protocol", range(6))
def test_tensors_in_a_plain_pickle_are_read(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(
        pickle.dumps({"exp": torch.arange(6.0).reshape(2, 3).half()}, protocol=protocol)
    )
    content = read_pickled_value(tmp_path / "a.pkl", what="test")
    np.testing.assert_array_equal(as_array(content["exp"]), np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    "writer", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))]
)
def test_code_in_a_bin_never_runs(writer, tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "config.json").write_text(json.dumps(LAYOUT))
    writer({"weight": Intruder(str(trace))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="nothing of it was run"):
        load_encoder(tmp_path)
    assert not trace.exists()
