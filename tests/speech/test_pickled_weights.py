"""PyTorch files: weights are read, code in them is never run."""

import json
import pickle

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: make test-parity brings it")

from ksdiff_jax.errors import InputError  # noqa: E402
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


def test_a_bin_of_weights_gives_the_same_encoder_as_safetensors(tmp_path):
    model = build("wav2vec2 base")
    safe = save(model, tmp_path / "safe")
    pickled = save(model, tmp_path / "pickled")
    torch.save(model.state_dict(), pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert load_encoder(pickled).digest == load_encoder(safe).digest


@pytest.mark.parametrize("writer", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_in_a_bin_never_runs(writer, tmp_path):
    trace = tmp_path / "trace"
    (tmp_path / "config.json").write_text(json.dumps(LAYOUT))
    writer({"weight": Intruder(str(trace))}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="nothing in it was run"):
        load_encoder(tmp_path)
    assert not trace.exists()
