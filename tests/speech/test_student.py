"""The student's encoder: causal but for its look-ahead, and untouched by padding and windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ksdiff_jax.audio.mel import mel_filters
from ksdiff_jax.errors import InputError
from ksdiff_jax.overrides import override
from ksdiff_jax.speech import student_recording
from ksdiff_jax.speech.backbone import encode
from ksdiff_jax.speech.config import EncoderConfig, StudentEncoderConfig
from ksdiff_jax.speech.student import attention_places, of_pairs
from tests.speech.tiny_student import LAYOUT, student_params, tiny_student

FRAMES = 50  # of one bucket: every test below runs one program
PAST, AHEAD = LAYOUT.past_frames, LAYOUT.ahead_frames


@pytest.fixture(scope="module")
def encoder():
    return tiny_student()


def sound(frames: int, *, seed: int = 0) -> np.ndarray:
    """Noise whose level changes from frame to frame, and some samples beyond the last one."""
    random = np.random.default_rng(seed)
    level = np.repeat(10 ** random.uniform(-4, -0.5, frames + 1), 320)
    return (level * random.normal(size=len(level))).astype(np.float32)[: 320 * frames + 7]


def test_the_features_of_the_beginning_are_those_of_the_whole_up_to_the_look_ahead(encoder):
    whole = encoder.chunked(sound(FRAMES))
    for frames in (20, 37):
        beginning = encoder.chunked(sound(FRAMES)[: 320 * frames])
        same = frames - AHEAD - 1  # the log-mel window of a frame ends in the next one
        np.testing.assert_allclose(beginning[:same], whole[:same], atol=1e-5)
        assert np.abs(beginning[same + 1] - whole[same + 1]).max() > 1e-3
    # From the beginning of a frame: its look-ahead, and 22.5 ms.
    assert student_recording.look_ahead_s(LAYOUT) == pytest.approx((320 * AHEAD + 360) / 16_000)


def test_a_frame_depends_on_its_past_and_its_look_ahead_and_nothing_else(encoder):
    audio, at = sound(FRAMES), 25
    clicked = audio.copy()
    clicked[320 * at + 160] += 1.0
    moved = np.abs(encoder.chunked(clicked) - encoder.chunked(audio)).max(axis=1) > 1e-6
    # Behind it are those whose past it is in, by way of the log-mel window of the frame after it.
    assert np.flatnonzero(moved).tolist() == list(range(at - AHEAD, at - AHEAD + PAST + 1))


def test_a_recording_in_windows_is_the_recording_whole(encoder, monkeypatch):
    audio = sound(FRAMES)
    whole = encoder.chunked(audio)
    monkeypatch.setattr(student_recording, "BUCKETS_S", ())
    monkeypatch.setattr(student_recording, "STEP_FRAMES", 15)
    np.testing.assert_allclose(encoder.chunked(audio), whole, atol=1e-5)
    np.testing.assert_array_equal(encoder.sliding(audio, ahead_s=0.2), encoder.chunked(audio))


def test_less_sound_ahead_than_it_needs_is_refused(encoder):
    with pytest.raises(InputError, match=r"0.05 s ahead: this student needs 0.1025 s"):
        encoder.sliding(sound(20), ahead_s=0.05)


def test_what_lies_behind_a_short_row_of_a_batch_is_unheard(encoder):
    noise = sound(FRAMES, seed=1)[None, : 320 * FRAMES]
    mask = (np.arange(FRAMES) < 30)[None]
    run = {"config": LAYOUT, "dtype": "float32"}
    row = np.asarray(encode(encoder.params, noise, mask, **run))[0]
    np.testing.assert_allclose(row[:30], encoder.chunked(noise[0, : 320 * 30]), atol=1e-5)


def test_it_computes_what_its_equations_state_in_blocks_of_windows_and_without(encoder):
    audio = sound(FRAMES, seed=2)
    np.testing.assert_allclose(encoder.chunked(audio), plain(audio, FRAMES), atol=2e-4)
    short = audio[: 320 * 8]
    assert 8 + AHEAD <= 2 * LAYOUT.window_frames < FRAMES
    np.testing.assert_allclose(encoder(short[None])[0], plain(short, 8), atol=2e-4)


def plain(audio: np.ndarray, frames: int) -> np.ndarray:
    """The equations in float64, frame by frame."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), student_params())
    audio = np.pad(audio[: 320 * frames].astype(np.float64), 200)
    filters = mel_filters(LAYOUT.mel_bands, points=400, range_hz=(0.0, 8000.0))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)

    def log_mel(at):
        power = np.abs(np.fft.rfft(audio[at : at + 400] * window)) ** 2
        return (np.maximum(np.log10(np.maximum(filters @ power, 1e-10)), -8) + 4) / 4

    rows = [np.concatenate([log_mel(320 * i), log_mel(320 * i + 160)]) for i in range(frames)]
    x = dense(np.array(rows + [0 * rows[0]] * AHEAD), params["project"])
    for index in range(LAYOUT.num_layers):
        block = params[f"blocks_{index}"]
        taps = block["kernel"]
        local = np.array(
            [
                sum(taps[k] * x[i + k - 2] for k in range(3) if i + k >= 2) + block["bias"]
                for i in range(len(x))
            ]
        )
        up = dense(norm(local, block["norm"]), block["mix"]["up"])
        x = x + dense(np.asarray(jax.nn.gelu(up)), block["mix"]["down"])
        if index == 1:
            x = x + attended(norm(x, params["attention_0"]["norm"]), params["attention_0"])
    return norm(x, params["norm"])[AHEAD:]


def attended(y, params):
    query, key, value = (dense(y, params["attention"][name]) for name in ("query", "key", "value"))
    out, width = np.zeros_like(y), LAYOUT.hidden_size // LAYOUT.num_heads
    for head in range(LAYOUT.num_heads):
        part = slice(head * width, (head + 1) * width)
        for i in range(len(y)):
            near = range(max(0, i - LAYOUT.window_frames + 1), i + 1)
            scores = [
                query[i, part] @ key[j, part] / width**0.5 + params["distance"][head, i - j]
                for j in near
            ]
            weights = np.exp(scores) / np.exp(scores).sum()
            out[i, part] = sum(w * value[j, part] for w, j in zip(weights, near, strict=True))
    return dense(out, params["attention"]["out"])


def dense(x, params):
    return x @ params["kernel"] + params["bias"]


def norm(x, params):
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-6) * params["scale"] + params["bias"]


@pytest.mark.parametrize("frames", [3, 9])
def test_the_bias_of_a_pair_is_that_of_its_distance(frames):
    table = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    pairs = np.asarray(of_pairs(jnp.asarray(table), frames))
    expected = [
        [[table[h, i - j] if 0 <= i - j < 5 else 0.0 for j in range(frames)] for i in range(frames)]
        for h in range(2)
    ]
    np.testing.assert_array_equal(pairs, np.array(expected, np.float32))


def test_every_layer_of_attention_has_a_block_of_its_own():
    for blocks in range(1, 9):
        for count in range(blocks + 1):
            layout = StudentEncoderConfig(num_layers=blocks, attention_layers=count)
            places = attention_places(layout)
            assert len(set(places)) == count and set(places) <= set(range(blocks))


def test_the_one_that_is_trained_by_default_looks_less_than_200_ms_ahead():
    assert student_recording.look_ahead_s(StudentEncoderConfig()) == pytest.approx(0.1825)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", 30),
        ("kernel_size", 4),
        ("attention_layers", 9),
        ("window_frames", 0),
        ("ahead_frames", -1),
    ],
)
def test_a_layout_that_cannot_be_is_refused(field, value):
    config = EncoderConfig(kind="student", architecture=StudentEncoderConfig())
    with pytest.raises(InputError, match=rf"model\.encoder\.architecture\.{field} {value}: need"):
        override(config, {f"architecture.{field}": str(value)})


def test_a_new_student_is_trained_by_its_own_system_alone():
    with pytest.raises(InputError, match=r"model\.encoder\.kind student: need pretrained, with"):
        EncoderConfig(kind="student")
