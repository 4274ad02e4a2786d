"""The samplers by the names that `sample.sampler` can have."""

import functools
from collections.abc import Callable

from ksdiff_jax.config import SamplerName
from ksdiff_jax.diffusion.dpm_solver import dpm_solver_pp_2m
from ksdiff_jax.diffusion.sample import ddim
from ksdiff_jax.diffusion.unipc import unipc
from ksdiff_jax.typing import Array, Float

Sampler = Callable[..., Float[Array, "b *n"]]  # (denoise, noise, draw, *, steps)


def sampler_of(name: SamplerName, *, eta: float = 0.0) -> Sampler:
    """Return the sampler `name`; `eta` is the share of fresh noise in each step of DDIM.

    Raise `ValueError` for an `eta` above 0 and a sampler that draws no noise.
    """
    if name == "ddim":
        return functools.partial(ddim, eta=eta)
    if eta > 0:
        raise ValueError(f"eta {eta}: {name} draws no noise, need 0 or the sampler ddim")
    return {"dpm++2m": dpm_solver_pp_2m, "unipc": unipc}[name]
