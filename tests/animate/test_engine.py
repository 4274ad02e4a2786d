"""The engine around systems whose answer is known: what is scored is what ships."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.batches import _sample
from ksdiff_jax.animate.engine import BUCKETS, CausalWarning, Engine, TranscriptWarning
from ksdiff_jax.animate.joining import with_blinks
from ksdiff_jax.animate.keys import sample_key
from ksdiff_jax.animate.options import with_sampling
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME as FRAME
from ksdiff_jax.audio.waveform import from_int16, write_wav
from ksdiff_jax.bench.workload import demo_config, made_up_params, small
from ksdiff_jax.data.schema import Clip
from ksdiff_jax.errors import InputError
from ksdiff_jax.evaluate.run import predict_clips
from ksdiff_jax.face.actions import (
    ACTIONS,
    actions_to_expression,
    coefficients_of,
    expression_to_actions,
)
from ksdiff_jax.models import default_config
from ksdiff_jax.models.ksdiff.system import KSDiff
from ksdiff_jax.models.speech_encoder import encoder_params, with_encoder
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.space import BUILTIN, EXPRESSION, MOTION_DIMS
from ksdiff_jax.overrides import override
from ksdiff_jax.parallel import programs
from ksdiff_jax.parallel.arrays import on_every_device
from ksdiff_jax.rng import frame_noise, stream
from ksdiff_jax.speech.spoken_parts import spoken_text
from ksdiff_jax.speech.transcript import SPECIALS
from ksdiff_jax.speech.transcripts.spoken_words import Spoken, Transcript
from ksdiff_jax.speech.utterance import PREDICTED, Utterance
from tests.animate.fake_system import CONFIG, FakeSystem, pretrained

PARAMS = {"scale": np.ones((), np.float32)}


def engine(system=None, *, params=PARAMS, **options) -> Engine:
    return Engine(system or FakeSystem(), params, **options)


def tone(frames: int, loudness: float = 0.5) -> Utterance:
    """Frames of one loudness."""
    audio = np.where(np.arange(FRAME * frames) % 2, loudness, -loudness).astype(np.float32)
    tokens = np.zeros(8, np.int32)
    return Utterance(audio, np.zeros((2 * frames, 2), np.float32), tokens, tokens > 0, digest="")


def expected(frames: int, loudness: float = 0.5, *, seed: int = 0, number: int = 0) -> np.ndarray:
    """The motion of `tone` by `FakeSystem`, whole: noise fixed by seed, number and frame."""
    key = stream(jax.random.key(seed), "sample", number)
    noise = frame_noise(key[None], np.zeros(1, np.int32), frames, (MOTION_DIMS,))[0]
    return 0.01 * (np.asarray(noise) + loudness)


def test_every_utterance_gets_its_own_motion_in_order_whatever_its_bucket():
    lengths, loudness = [70, 20, 200, 70, 64], [0.1, 0.2, 0.3, 0.4, 0.5]
    pairs = list(zip(lengths, loudness, strict=True))
    samples = engine().sample([tone(*pair) for pair in pairs], seed=3)
    for sample, pair in zip(samples, pairs, strict=True):
        np.testing.assert_allclose(sample.motion, expected(*pair, seed=3), atol=1e-6)
        assert sample.tracks["keyframes_head"].shape == sample.motion.shape[:1]


@dataclasses.dataclass(frozen=True)
class ReadsKeyframes(FakeSystem):
    """Returns the keyframes that it is given as a track."""

    def sample(self, params, speech, keys, first):
        sample = super().sample(params, speech, keys, first)
        return sample._replace(tracks={"given": speech.keyframes[..., 1]})


def test_keyframes_by_hand_reach_the_system_at_their_frames_in_every_window():
    marked = tone(600).with_keyframes(head=[1.0, 10.0, 23.96])
    long, other = engine(ReadsKeyframes(), buckets=(64, 256)).sample([marked, tone(60)])
    assert np.flatnonzero(long.tracks["given"] == 1).tolist() == [25, 250, 599]
    assert (other.tracks["given"] == PREDICTED).all()


@pytest.mark.parametrize("batch_size", [None, 1, 2])
def test_windows_and_batches_change_no_frame(batch_size):
    found = engine(buckets=(64, 256)).sample(
        [tone(600), tone(60)], numbers=[0, 4], batch_size=batch_size
    )
    np.testing.assert_allclose(found[0].motion, expected(600), atol=1e-6)
    np.testing.assert_allclose(found[1].motion, expected(60, number=4), atol=1e-6)
    # Keyframes of FakeSystem are the signs of the noise.
    signs = expected(600)[:, 0] > 0.01 * 0.5
    np.testing.assert_array_equal(found[0].tracks["keyframes_expression"], signs)


def test_all_batches_of_a_bucket_have_one_size_and_frames_bound_it():
    system = FakeSystem()
    engine(system).sample([tone(500)] * 6)
    assert system.traces == [(4, 512)]


def test_a_later_engine_of_the_same_system_compiles_nothing_also_on_one_device_of_a_mesh():
    system = FakeSystem()
    for _ in range(2):
        engine(system).sample([tone(30)])
    assert len(system.traces) == 1
    one = Mesh(np.array(jax.devices()[:1]).reshape(1, 1, 1), ("data", "fsdp", "tensor"))
    with jax.set_mesh(one):
        for _ in range(2):
            alone = engine(system, params=on_every_device(PARAMS, one))
            alone.sample([tone(30)])
    assert alone.mesh == one and len(system.traces) <= 2


def test_a_bucket_holds_its_frames():
    assert [engine().bucket(frames) for frames in (1, 64, 65, 1024)] == [64, 64, 128, 1024]
    assert list(BUCKETS) == sorted(BUCKETS)


class Spelling(FakeSystem):
    """Its track is the first letter of the window's text, or -1 if no text is read."""

    def sample(self, params, speech, keys, first):
        sample = super().sample(params, speech, keys, first)
        letters = jnp.where(speech.token_mask[:, 1], speech.tokens[:, 1] - SPECIALS, -1)
        letters = jnp.where(speech.mask, letters[:, None], 0).astype(jnp.float32)
        return sample._replace(tracks={"letter": letters})


def test_every_window_of_a_long_recording_reads_its_own_part_of_the_transcript():
    words = tuple(Spoken(chr(97 + i), float(i), i + 1.0) for i in range(24))
    text = " ".join(word.text for word in words)
    own = engine(Spelling(), buckets=(256,))  # windows begin at 0, 5, 10 and 15 s
    silent = tone(600)._replace(tokens=np.zeros(64, np.int32))
    for transcript in (Transcript(text, ""), Transcript(text, "", "word", words)):
        spoken = spoken_text(transcript, np.zeros(1200))
        (sample,) = own.sample([silent._replace(spoken=spoken)])
        letters = [chr(int(letter)) for letter in sample.tracks["letter"][[0, 174, 175, 300, 599]]]
        assert letters == ["a", "a", "f", "k", "p"]
    (sample,) = own.sample([silent])
    assert [int(letter) for letter in sample.tracks["letter"][[0, 599]]] == [2 - SPECIALS] * 2


def test_a_transcript_that_does_not_fit_into_its_windows_is_reported(recwarn):
    sound, own = np.sin(np.arange(8000) / 20).astype(np.float32), engine()
    text, limit = "sixteen letters " * 10, CONFIG.transcript_tokens - 2
    own.read(sound, transcript=text[:limit], sample_rate_hz=16_000)
    assert not recwarn.list
    with pytest.warns(TranscriptWarning, match=f"reads {limit} bytes in a window, and 1 of 1"):
        own.read(sound, transcript=text * 10, sample_rate_hz=16_000)


def test_progress_counts_every_frame_of_every_window():
    seen = []
    engine(buckets=(128,)).sample(
        [tone(200), tone(30)], batch_size=1, progress=lambda *counts: seen.append(counts)
    )
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done) and done[-1] == totals[0] == totals[-1] > 230


def spoken_clip() -> Clip:
    random = np.random.default_rng(0)
    frames = 90
    level = np.repeat(random.uniform(0.1, 0.9, frames), FRAME)
    audio = np.round(8000 * level * np.sin(np.arange(FRAME * frames) / 20)).astype(np.int16)
    return Clip(
        clip_id="spoken",
        audio=audio,
        expression=np.zeros((frames, 50), np.float32),
        rotation=np.zeros((frames, 3), np.float32),
        jaw=np.zeros((frames, 3), np.float32),
        camera=np.zeros((frames, 3), np.float32),
        transcript="What is said.",
    )


def test_what_is_scored_is_what_ships(tmp_path):
    clip, shipped = spoken_clip(), pretrained(tmp_path)
    write_wav(tmp_path / "spoken.wav", from_int16(clip.audio))
    animator = Animator(shipped, system=FakeSystem())
    motions = animator.samples(tmp_path / "spoken.wav", count=2, seed=5, transcript=clip.transcript)
    scored = Engine(FakeSystem(), shipped.params)
    (prediction,) = predict_clips(scored, [clip], seed=5, samples=2)
    for motion, sample in zip(motions, prediction.motion, strict=True):
        np.testing.assert_allclose(motion.coefficients, sample, atol=1e-7)
    np.testing.assert_array_equal(motions[0].keyframes_head, prediction.keyframes_head)
    assert np.abs(prediction.motion[0] - prediction.motion[1]).max() > 0.01
    # A system that looks at more than loudness sees the same: a file's samples are over 32768, a
    # clip's over 32767.
    read = animator.read(tmp_path / "spoken.wav", transcript=clip.transcript)
    of_clip = scored.read_clip(clip)
    np.testing.assert_allclose(read.audio, of_clip.audio, rtol=4e-5)
    np.testing.assert_allclose(read.prosody, of_clip.prosody, atol=2e-3)
    np.testing.assert_array_equal(read.tokens, of_clip.tokens)
    np.testing.assert_array_equal(read.token_mask, of_clip.token_mask)


def test_a_pretrained_encoder_runs_on_whole_clips_or_their_kept_features_are_taken(tiny_encoder):
    found = {"model.encoder.kind": "pretrained", "model.encoder.path": str(tiny_encoder)}
    config, encoder = with_encoder(override(CONFIG, found))
    clip, params = spoken_clip(), PARAMS | encoder_params(encoder)
    arguments = (FakeSystem(config), params)
    utterance = Engine(*arguments).read_clip(clip)
    np.testing.assert_allclose(utterance.features, encoder.chunked(utterance.audio), atol=1e-5)
    kept = np.ones((180, encoder.width), np.float32)
    assert Engine(*arguments, features_of=lambda clip: kept).read_clip(clip).features is kept
    # The sampler is given no encoder: what it does not compute does not lie on the device.
    assert Engine(*arguments)._params.keys() == {"scale"}


def test_half_a_blink_closes_in_the_motion_and_an_option_leaves_it():
    half = np.zeros((40, MOTION_DIMS), np.float32)
    weights = np.zeros((40, len(ACTIONS)), np.float32)
    weights[10:15, :2] = np.array([0.3, 0.5, 0.6, 0.4, 0.2])[:, None]
    half[:, EXPRESSION] = actions_to_expression(weights)
    plain = dataclasses.replace(
        CONFIG, sample=dataclasses.replace(CONFIG.sample, close_blinks=False)
    )
    given, key = Sample(half, {}), jax.random.key(0)
    motion = with_blinks(given, tone(40), key, system=FakeSystem()).motion
    np.testing.assert_allclose(expression_to_actions(motion[12, EXPRESSION])[:2], 1, atol=1e-5)
    np.testing.assert_array_equal(motion[:10], half[:10])
    np.testing.assert_array_equal(motion[:, EXPRESSION.stop :], half[:, EXPRESSION.stop :])
    unchanged = with_blinks(given, tone(40), key, system=FakeSystem(plain)).motion
    np.testing.assert_array_equal(unchanged, half)


def test_drawn_blinks_are_refused_on_another_face():
    of_flame = FakeSystem(space=dataclasses.replace(FakeSystem().space, name="flame"))
    with pytest.raises(InputError, match="of the flame space; need sampled"):
        engine(of_flame).with_options(blinks="drawn")


def test_drawn_blinks_replace_those_of_the_model_by_seed_and_number_in_any_length():
    drawing, lids = engine().with_options(blinks="drawn"), slice(0, 2)
    utterances = [tone(1000), tone(1000), tone(800)]
    samples = drawing.sample(utterances, seed=3, numbers=[0, 1, 0])
    first, other, shorter = (sample.motion[:, EXPRESSION] for sample in samples)
    plain = engine().with_options(close_blinks=False).sample(utterances[:1], seed=3)[0].motion
    changed = np.flatnonzero(np.abs(first - plain[:, EXPRESSION]).max(axis=0) > 1e-6)
    assert set(changed) <= set(coefficients_of("blink", "lids"))  # EyeWide yields to a blink
    np.testing.assert_array_equal(shorter[:, lids], first[:800, lids])
    assert not np.array_equal(other[:, lids], first[:, lids])
    for motion in (first, other):
        blink = expression_to_actions(motion)[:, :2]
        begun = np.flatnonzero((blink[1:, 0] > 0.5) & (blink[:-1, 0] <= 0.5))
        assert 0.8 * 0.28 < len(begun) / 40 < 1.2 * 0.45  # 1000 frames are 40 s
        assert all(blink[frame : frame + 5].max(axis=0).min() > 0.999 for frame in begun)
        assert np.median(np.abs(blink)) < 1e-6


def test_the_causal_form_of_an_utterance_has_nothing_that_depends_on_later_sound():
    draw = np.random.default_rng(0)
    sound = np.cumsum(draw.normal(size=40 * FRAME)).astype(np.float32) * 1e-3
    with pytest.warns(CausalWarning, match="not trained for the causal mode"):
        causal = engine().with_options(causal=True)
    read = {"transcript": "some words", "sample_rate_hz": 16_000}
    whole = causal.read(sound, **read)
    (form,) = causal.prepared([whole])
    assert form.noise_id == "stream" and form.spoken.text == ""
    assert form.token_mask.sum() == 2  # begin and end
    assert causal.prepared([form]) == [form] and engine().prepared([whole])[0] is whole
    first, second = causal.prepared([whole._replace(noise_id="take-2")] * 2)
    assert first is second
    assert second.noise_id == "take-2"

    ahead = causal.system.config.model.causal.look_ahead_speech_frames
    (early,) = causal.prepared([causal.read(sound[: 20 * FRAME], **read)])
    known = 40 - ahead
    np.testing.assert_array_equal(early.prosody[:known], form.prosody[:known])
    assert (early.prosody[:known] != whole.prosody[:known]).any()


@pytest.mark.parametrize("system", ["sync", "student"])
def test_a_system_that_generates_no_motion_is_named_before_any_work(system):
    with pytest.raises(InputError, match=rf"^{system}: .* generates no motion; animate with ano"):
        with_sampling(default_config(system), steps=None)


@pytest.mark.parametrize(("seed", "noise_id"), [(0, "of a recording"), (2**31 + 1, "")])
def test_the_key_of_a_sample_is_that_of_its_streams(seed, noise_id):
    key = stream(jax.random.key(seed), "sample", 3)
    key = stream(key, f"noise {noise_id}") if noise_id else key
    found = sample_key(seed, 3, noise_id)
    assert found.dtype == key.dtype
    np.testing.assert_array_equal(jax.random.key_data(found), jax.random.key_data(key))


@pytest.mark.slow
def test_a_kept_program_of_the_model_gives_the_same_motion_bit_for_bit(tmp_path, monkeypatch):
    traced, sample = [], KSDiff.sample
    monkeypatch.setattr(KSDiff, "sample", lambda *given: traced.append(1) or sample(*given))
    config = override(small(demo_config()), {"sample.steps": 2})
    whole = Engine(KSDiff(config, BUILTIN), made_up_params(config))
    (expected_sample,) = whole.sample([tone(30)])  # as JAX runs it, without a folder of ours
    assert np.ptp(expected_sample.motion, axis=0).max() > 0.01
    monkeypatch.setattr(programs, "kept_folder", lambda: tmp_path)
    kept = []
    for traces in (2, 2):  # compiled; loaded without a trace
        jax.clear_caches()  # as in a new process
        (found,) = whole.sample([tone(30)])
        jax.tree.map(np.testing.assert_array_equal, found, expected_sample)
        assert len(traced) == traces
        kept.append({path.name for path in tmp_path.glob("programs/*.program")})
        _sample._ready.clear()
    (other,) = whole.sample([tone(30, loudness=0.1)])
    assert len(traced) == 2 and np.abs(other.motion - expected_sample.motion).max() > 1e-4
    _sample._ready.clear()
    assert kept[0] and kept[0] == kept[1]
