"""Coefficients and face models as many programs write them, whole or damaged; the arrays are known.

No input may run code: every pickle that calls something calls the creation of a file, which must
not exist after.
"""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse

from ksdiff_jax.data.importing.coefficients import read_coefficients
from ksdiff_jax.face.flame_files import load_face
from tests.fuzz.damage import damaged
from tests.fuzz.forked import Case, Outcome

VERTICES = 5023


class Hostile:
    """A pickle that makes a file when it is loaded by `pickle.load`."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


def make(rng: np.random.Generator, folder: Path) -> Case:
    """A coefficient file or a face model."""
    kind = str(rng.choice(["pkl", "pkl", "frames", "npz", "mat", "npy", "face", "hostile"]))
    frames = int(rng.integers(2, 40))
    deca = {
        name: rng.normal(size=(frames, width)).astype(rng.choice(["f4", "f8"])) * 0.1
        for name, width in (("exp", 50), ("pose", 6), ("cam", 3), ("shape", 100))
    }
    canary = folder / "canary"
    read, suffix, content = _written(kind, deca, canary, rng)
    known = kind == "hostile" or rng.random() < 0.5
    how, content = ("whole", content) if known else damaged(content, rng)
    path = folder / f"a.{suffix}"
    path.write_bytes(content)

    def judge(outcome: Outcome) -> str:
        if canary.exists():
            return "the file's code ran"
        if kind == "hostile":
            return "" if outcome.refusal else "a pickle that calls a function was accepted"
        if outcome.value is None:
            return f"refused: {outcome.refusal}" if known else ""
        return _judge(outcome.value, deca, kind, known=known)

    return Case(f"{kind} {how}", known, lambda: read(path), judge)


def _written(kind: str, deca: dict, canary: Path, rng: np.random.Generator):
    protocol = int(rng.integers(0, 6))
    if kind == "hostile":
        return (
            read_coefficients,
            "pkl",
            pickle.dumps(deca | {"exp": Hostile(canary)}, protocol=protocol),
        )
    if kind == "pkl":
        order = str(rng.choice(["C", "F"]))
        arrays = {name: np.asarray(value, order=order) for name, value in deca.items()}
        return read_coefficients, "pkl", _renamed(pickle.dumps(arrays, protocol=protocol), rng)
    if kind == "frames":
        rows = [
            {name: value[row] for name, value in deca.items()} for row in range(len(deca["exp"]))
        ]
        return read_coefficients, "pkl", pickle.dumps(rows, protocol=protocol)
    if kind == "face":
        return load_face, "pkl", pickle.dumps(_face(rng), protocol=int(rng.integers(2, 6)))
    file = io.BytesIO()
    if kind == "npz":
        (np.savez if rng.random() < 0.5 else np.savez_compressed)(file, **deca)
    elif kind == "npy":
        np.save(file, deca, allow_pickle=True)
    else:
        scipy.io.savemat(file, deca, do_compression=bool(rng.random() < 0.5))
    return read_coefficients, kind, file.getvalue()


def _renamed(data: bytes, rng: np.random.Generator) -> bytes:
    """The same pickle by NumPy 1, whose modules had other names; only where names carry no
    length.
    """
    return data.replace(b"cnumpy._core.", b"cnumpy.core.") if rng.random() < 0.5 else data


def _face(rng: np.random.Generator) -> dict:
    kinds = [
        getattr(scipy.sparse, f"{name}_{form}")
        for name in ("csc", "csr", "coo")
        for form in ("matrix", "array")
    ]
    regressor = np.eye(5, VERTICES)
    return {
        "v_template": rng.normal(size=(VERTICES, 3)),
        "shapedirs": np.zeros((VERTICES, 3, 400), "f4"),
        "posedirs": np.zeros((VERTICES, 3, 36), "f4"),
        "weights": np.tile([1.0, 0, 0, 0, 0], (VERTICES, 1)),
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
        "f": rng.integers(0, VERTICES, (9976, 3)).astype("u4"),
        "J_regressor": kinds[rng.integers(len(kinds))](regressor),
    }


def _judge(value: object, deca: dict, kind: str, *, known: bool) -> str:
    if kind == "face":
        finite = np.isfinite(np.asarray(value.template)).all()
        return (
            ""
            if finite and np.asarray(value.template).shape == (VERTICES, 3)
            else "a face that is no face"
        )
    for name, found in (("exp", value.expression), ("cam", value.camera)):
        if not np.isfinite(found).all():
            return f"{name} is not finite"
        if known and not np.allclose(found, deca[name], atol=1e-6):
            return f"{name} differs"
    return ""
