"""Faces from files."""

from pathlib import Path

from ksdiff_jax.errors import InputError
from ksdiff_jax.face.model import FaceModel


def load_face(path: str | Path) -> FaceModel:
    """Read a FLAME model file."""
    raise InputError(f"{path}: face files cannot be read yet; leave --face out to use the built-in head")
