"""`jax.jit` for programs that a test runs once: compiled without optimisation, which takes a third
of the time.
"""

import functools

import jax

jit_to_run_once = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
