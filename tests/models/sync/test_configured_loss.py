"""The lip-sync model that a system's loss reads."""

import jax

from ksdiff_jax.models.sync import configured_loss


def test_a_model_that_is_first_needed_while_a_step_is_traced_is_kept_as_arrays():
    configured_loss._expert.cache_clear()

    def step(value):
        assert configured_loss._expert("sync", "builtin").params
        return value

    jax.make_jaxpr(step)(0.0)
    kept = jax.tree.leaves(configured_loss._expert("sync", "builtin").params)
    assert kept and not any(isinstance(leaf, jax.core.Tracer) for leaf in kept)
