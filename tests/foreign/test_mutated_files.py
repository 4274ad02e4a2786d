"""Valid files with bytes changed, removed or inserted: every reader returns a value or raises one
line, without a warning.
"""

import pickle
import random
import warnings

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from safetensors.numpy import save_file

from ksdiff_jax.data.importing.coefficients import read_coefficients
from ksdiff_jax.data.prepare.source import Rejected
from ksdiff_jax.errors import InputError
from ksdiff_jax.face import load_face
from ksdiff_jax.foreign.tensor_file import read_tensors
from ksdiff_jax.foreign.torch_file import read_state_dict
from tests.data.importing.test_coefficients import DECA, numbers
from tests.face.test_flame_files import flame_arrays, our_regions
from tests.face.test_model import random_face
from tests.foreign.torch_writer import plain_tensors, pretend_torch, write_legacy, write_zipped


def tensors(path):
    return read_tensors(path, what="test", remedy="test")


def write_all(folder) -> dict:
    """One sound file of each form and its reader."""
    np.savez(folder / "a.npz", **DECA)
    np.save(folder / "a.npy", DECA, allow_pickle=True)
    (folder / "a.pkl").write_bytes(pickle.dumps(DECA, protocol=2))
    scipy.io.savemat(folder / "a.mat", {"coeff": numbers(7, 257)}, do_compression=True)
    scipy.io.savemat(folder / "four.mat", {"coeff": numbers(7, 257)}, format="4")
    face = flame_arrays(random_face())
    face["J_regressor"] = scipy.sparse.csr_matrix(face["J_regressor"])
    (folder / "face.pkl").write_bytes(pickle.dumps(face | our_regions(), protocol=2))
    save_file(
        {key: np.ascontiguousarray(value) for key, value in DECA.items()}, folder / "a.safetensors"
    )
    arrays = {key: np.ascontiguousarray(value) for key, value in DECA.items()}
    write_zipped(folder / "zipped.pth", *plain_tensors(arrays))
    write_legacy(folder / "legacy.pth", *plain_tensors(arrays))
    readers = {"face.pkl": load_face, "a.safetensors": tensors}
    readers |= dict.fromkeys(("zipped.pth", "legacy.pth"), read_state_dict)
    return {path: readers.get(path.name, read_coefficients) for path in sorted(folder.iterdir())}


def mutated(content: bytes, draw: random.Random) -> bytes:
    broken, kind = bytearray(content), draw.random()
    if kind < 0.15:
        return bytes(broken[: draw.randrange(len(broken))])
    if kind < 0.3:
        at = draw.randrange(len(broken))
        broken[at : at + draw.randrange(1, 50)] = draw.randbytes(draw.randrange(50))
        return bytes(broken)
    reach = min(len(broken), 400) if draw.random() < 0.7 else len(broken)
    for _ in range(draw.choice((1, 1, 2, 5, 20))):
        at = draw.randrange(reach)
        broken[at] = draw.choice(
            (draw.randrange(256), 0, 255, broken[at] ^ (1 << draw.randrange(8)))
        )
    return bytes(broken)


@pytest.mark.slow
def test_a_mutated_file_gives_a_value_or_one_line(tmp_path, monkeypatch):
    pretend_torch(monkeypatch)
    (tmp_path / "sound").mkdir()
    readers = write_all(tmp_path / "sound")
    monkeypatch.undo()
    for path, read in readers.items():
        read(path)  # the control
    draw = random.Random(15)
    for _ in range(300):
        path = draw.choice(list(readers))
        broken = tmp_path / path.name
        broken.write_bytes(mutated(path.read_bytes(), draw))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                readers[path](broken)
            except (InputError, Rejected) as error:
                detail = error.detail if isinstance(error, Rejected) else str(error)
                assert "\n" not in detail and str(broken) in detail
