"""KSDiff in JAX: generates FLAME-form face motion and a talking head from speech.

    from ksdiff_jax import Animator
    motion = Animator.from_pretrained()("speech.wav")
    motion.save("speech.motion.npz")
    motion.render("speech.mp4", audio="speech.wav")

Subpackages: `audio` and `speech` (the input), `face` and `motion` (the output), `models` and
`diffusion` (the method), `pictures` (of faces), `data`, `train`, `evaluate` (training and scoring),
`animate` and `export` (inference and files), `bench` (device measurements), `cli` (the commands).
"""

import importlib

__version__ = "0.1.0"
# The project's address, such as "https://host/owner/name": used in the metadata's url and for the
# README's pictures on an index.
PROJECT_ADDRESS = ""

__all__ = ["Animator", "Motion", "Painter", "Portrait", "__version__"]

_LAZY = {
    "Animator": "ksdiff_jax.animate.animator",
    "Motion": "ksdiff_jax.animate.motion",
    "Painter": "ksdiff_jax.animate.painter",
    "Portrait": "ksdiff_jax.animate.portrait",
}


def __getattr__(name: str):
    """Import the classes of `_LAZY` on first use, so that `import ksdiff_jax` is fast (PEP 562)."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ksdiff_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
