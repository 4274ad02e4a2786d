"""Pairs and loss of the lip-sync model, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.models.sync.training import drawn_pairs, probability
from tests.models.ksdiff.conftest import padded, random_batch
from tests.models.sync import plain
from tests.models.sync.conftest import NEAR, SHIFT, TINY, WINDOW
from tests.models.sync.test_network import FRAMES, vectors
from tests.run_once import jit_to_run_once

COUNTS = np.array([0, 1, SHIFT, SHIFT + 1, 2 * SHIFT, 12, 40])


@pytest.fixture(scope="module")
def drawn():
    """Pairs of clips of each count, of 300 keys: (windows, partners, exists), each (k, c, n)."""
    keys = jax.random.split(jax.random.key(0), (300, len(COUNTS)))
    draw = jit_to_run_once(
        jax.vmap(lambda key: drawn_pairs(jnp.asarray(COUNTS), key, config=TINY.loss))
    )
    return jax.tree.map(np.asarray, draw(keys))


def test_a_shifted_pair_is_never_nearer_than_the_least_shift_and_lies_in_the_clip(drawn):
    window, partner, exists = drawn
    assert (np.abs(window - partner)[exists] >= SHIFT).all()
    inside = (partner >= 0) & (partner < COUNTS[:, None]) & (window < COUNTS[:, None])
    assert inside[exists].all()
    near = slice(0, TINY.loss.pairs // 2)
    assert (np.abs(window - partner)[..., near] <= NEAR)[exists[..., near]].all()


def test_each_window_that_has_a_partner_gets_each_of_them_about_as_often(drawn):
    window, partner, exists = drawn
    half = TINY.loss.pairs // 2
    for row, count in enumerate(COUNTS):
        for part, reach in ((slice(0, half), NEAR), (slice(half, None), None)):
            seen = {}
            for i, j, there in zip(
                *(array[:, row, part].ravel() for array in (window, partner, exists)), strict=True
            ):
                seen.setdefault(int(i), []).append(int(j) if there else None)
            # 1,200 draws: of few windows each is among them, and each of its partners.
            assert set(seen) == set(range(max(count, 1))) or count > 20
            for i, found in seen.items():
                allowed = plain.partners(i, count, shift=SHIFT, reach=reach)
                assert set(found) <= (allowed or {None})
                if 0 < count <= 12:
                    assert set(found) == (allowed or {None})
                    # An even share of n draws, and at most five deviations beside it.
                    even = len(found) / max(len(allowed), 1)
                    assert all(abs(found.count(j) - even) < 5 * even**0.5 for j in allowed)


def test_the_terms_are_the_cross_entropy_of_the_drawn_pairs(tiny, judged):
    batch, keys = random_batch(FRAMES), jax.random.split(jax.random.key(4), 2)
    speech, motion = map(np.asarray, vectors(tiny, batch))
    counts = jnp.full(2, FRAMES - WINDOW + 1)
    window, partner, exists = map(np.asarray, drawn_pairs(counts, keys, config=TINY.loss))
    assert exists.any(axis=1).all()
    (_, terms), _ = judged(tiny[1], batch, keys)
    for clip in range(2):
        pairs = [
            (i, j)
            for i, j, there in zip(window[clip], partner[clip], exists[clip], strict=True)
            if there
        ]
        true, shifted = plain.losses(speech[clip], motion[clip], pairs, TINY.loss)
        assert float(terms["true"][clip]) == pytest.approx(true, rel=1e-3)
        assert float(terms["shifted"][clip]) == pytest.approx(shifted, rel=1e-3)


def test_the_loss_of_a_clip_is_the_same_beside_other_clips_and_padded(tiny, judged):
    batch, keys = random_batch(FRAMES), jax.random.split(jax.random.key(5), 2)
    (_, terms), _ = judged(tiny[1], batch, keys)
    other = random_batch(FRAMES, seed=9)
    mixed = jax.tree.map(lambda ours, theirs: jnp.stack([theirs[0], ours[1]]), batch, other)
    (_, beside), _ = judged(tiny[1], mixed, keys)
    (_, longer), _ = judged(tiny[1], padded(batch, 6), keys)
    for name, values in terms.items():
        np.testing.assert_allclose(beside[name][1], values[1], rtol=1e-4)
        np.testing.assert_allclose(longer[name], values, rtol=1e-3)
    assert abs(float(beside["true"][0] - terms["true"][0])) > 1e-3


def test_a_clip_without_a_pair_has_a_loss_of_0_and_a_finite_gradient(tiny, judged):
    batch, keys = random_batch(FRAMES), jax.random.split(jax.random.key(6), 2)
    valid = np.arange(FRAMES) < np.array([[FRAMES], [WINDOW + 1]])
    speech = batch.speech._replace(mask=jnp.asarray(valid))
    (_, terms), gradient = judged(tiny[1], batch._replace(speech=speech), keys)
    assert float(terms["true"][1]) == 0.0 == float(terms["shifted"][1])
    assert float(terms["true"][0]) > 0.0
    leaves = jax.tree.leaves(gradient)
    assert all(np.isfinite(leaf).all() for leaf in leaves) and any(leaf.any() for leaf in leaves)


def test_a_probability_runs_from_0_to_1_and_its_logarithm_stays_finite():
    cosine = jnp.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    found = np.asarray(probability(cosine))
    np.testing.assert_allclose(found, (1 + np.asarray(cosine)) / 2, atol=2e-4)
    assert np.isfinite(np.log(found)).all() and np.isfinite(np.log1p(-found)).all()
