import numpy as np

from ksdiff_jax.evaluate.nearest_motion import HOP, nearest_motion

RNG = np.random.default_rng(0)


def test_a_known_sound_gets_its_own_motion():
    rows = [RNG.normal(size=(frames, 4)) for frames in (30, 41)]
    motions = [RNG.normal(size=(len(each), 3)).astype(np.float32) for each in rows]
    for known, found in zip(motions, nearest_motion(rows, rows, motions), strict=True):
        np.testing.assert_allclose(found, known, atol=1e-6)


def test_every_piece_is_the_one_of_the_nearest_row_by_loops():
    known = [RNG.normal(size=(frames, 4)) for frames in (9, 20)]
    motions = [RNG.normal(size=(len(each), 2)) for each in known]
    own = RNG.normal(size=(17, 4))
    own[6], own[12] = known[0][-1], known[1][0]  # the motion around them stays in its clip
    total, weight = np.zeros((17, 2)), np.zeros(17)
    for centre in (0, 6, 12, 16):
        _, clip, frame = min(
            (np.sum((own[centre] - row) ** 2), number, t)
            for number, rows in enumerate(known)
            for t, row in enumerate(rows)
        )
        for step in range(-5, 6):
            place, source = centre + step, min(max(frame + step, 0), len(known[clip]) - 1)
            if 0 <= place < 17:
                total[place] += (6 - abs(step)) * motions[clip][source]
                weight[place] += 6 - abs(step)
    assert HOP == 6
    (found,) = nearest_motion([own], known, motions)
    np.testing.assert_allclose(found, total / weight[:, None], rtol=1e-5)


def test_a_clip_of_one_frame_has_one_frame():
    rows = [RNG.normal(size=(1, 4))]
    (found,) = nearest_motion(rows, rows, [np.ones((1, 2))])
    np.testing.assert_array_equal(found, [[1.0, 1.0]])
