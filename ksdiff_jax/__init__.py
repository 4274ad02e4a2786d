"""KSDiff in JAX: speech in, FLAME motion and a talking head out.

    from ksdiff_jax import Animator
    motion = Animator.from_pretrained()("speech.wav")
    motion.save("speech.motion.npz")
    motion.render("speech.mp4", audio="speech.wav")

The map: `audio` and `speech` (what is heard), `face` and `motion` (what is moved), `models` and
`diffusion` (how), `data`, `train`, `evaluate` (learning it), `animate` and `export` (using it),
`bench` (an accelerator's figures), `cli` (the commands).
"""

import importlib

__version__ = "0.1.0"
# Where the project lives, such as "https://host/owner/name": the metadata's url, the README's
# pictures on an index.
PROJECT_ADDRESS = ""

__all__ = ["Animator", "Motion", "__version__"]

_LAZY = {"Animator": "ksdiff_jax.animate.animator", "Motion": "ksdiff_jax.animate.motion"}


def __getattr__(name: str):
    """Import `Animator` and `Motion` on first use, so that `import ksdiff_jax` costs nothing (PEP
    562).
    """
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ksdiff_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
