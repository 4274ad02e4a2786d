import numpy as np
import pytest
from scipy.optimize import minimize

from ksdiff_jax.face.box_least_squares import Penalties, box_least_squares

MIRRORED = np.array([1, 0, 2, 3, 4, 5])


def problem(frames: int, seed: int):
    random = np.random.default_rng(seed)
    shapes = random.normal(size=(6, 20)) * np.array([1, 1, 0.1, 3, 1, 2])[:, None]
    shapes[5] = 0.9 * shapes[4] + 0.1 * shapes[5]  # two shapes that are nearly one
    truth = random.uniform(-0.5, 1.5, size=(frames, 6))
    return shapes, truth @ shapes + 0.3 * random.normal(size=(frames, 20))


def cost(weights, shapes, targets, p):
    """The objective as it is written in the module, term by term."""
    energy = [float(shape @ shape) for shape in shapes]
    total = 0.0
    for t, target in enumerate(targets):
        total += 0.5 * np.sum((weights[t] @ shapes - target) ** 2)
        for i, g in enumerate(energy):
            w = weights[t, i]
            total += g * (p.l1 * w + 0.5 * p.l2 * w**2)
            total += g * 0.25 * p.symmetry * (w - weights[t, MIRRORED[i]]) ** 2
            if t:
                total += g * 0.5 * p.smooth * (w - weights[t - 1, i]) ** 2
    return total


@pytest.mark.parametrize(
    "penalties",
    [
        Penalties(0, 0, 0, 0),
        Penalties(l2=0.1, l1=0, smooth=0, symmetry=0),
        Penalties(l2=0, l1=0.2, smooth=0, symmetry=0),
        Penalties(l2=0, l1=0, smooth=2.0, symmetry=0),
        Penalties(l2=0.01, l1=0.01, smooth=0.3, symmetry=0.5),
    ],
)
def test_no_weights_in_the_box_are_better_than_those_found(penalties):
    shapes, targets = problem(frames=3, seed=1)
    shapes[1] *= np.linalg.norm(shapes[0]) / np.linalg.norm(shapes[1])  # a pair has one energy
    found = box_least_squares(
        shapes @ shapes.T, targets @ shapes.T, mirrored=MIRRORED, penalties=penalties
    )
    assert found.min() >= 0 and found.max() <= 1
    best = minimize(
        lambda flat: cost(flat.reshape(3, 6), shapes, targets, penalties),
        np.full(18, 0.5),
        method="L-BFGS-B",
        bounds=[(0, 1)] * 18,
        options={"maxfun": 100_000, "ftol": 1e-13},
    )
    assert cost(found, shapes, targets, penalties) <= best.fun * (1 + 1e-4)
    np.testing.assert_allclose(found, best.x.reshape(3, 6), atol=0.02)


def test_frames_that_fill_up_the_last_block_do_not_pull_on_the_last_frame():
    shapes, targets = problem(frames=3, seed=2)
    gram, onto = shapes @ shapes.T, targets @ shapes.T
    pulled = Penalties(l2=0.01, l1=0, smooth=5.0, symmetry=0)
    alone = box_least_squares(gram, onto, mirrored=MIRRORED, penalties=pulled)
    held = [*onto, *[onto[-1]] * 125]  # a whole block, so that nothing is filled up
    whole = box_least_squares(gram, np.array(held), mirrored=MIRRORED, penalties=pulled)
    assert np.abs(whole[:3] - alone).max() > 0.01
    mean = targets.mean(axis=0)
    stiff = Penalties(l2=0.01, l1=0, smooth=1e4, symmetry=0)
    found = box_least_squares(gram, onto, mirrored=MIRRORED, penalties=stiff, iterations=100_000)
    once = box_least_squares(
        gram, (shapes @ mean)[None], mirrored=MIRRORED, penalties=stiff._replace(smooth=0.0)
    )
    np.testing.assert_allclose(found, np.repeat(once, 3, axis=0), atol=0.02)
