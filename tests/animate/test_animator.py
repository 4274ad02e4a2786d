"""The animator around a system with known output."""

import hashlib
import inspect
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ksdiff_jax.animate.animator import Animator
from ksdiff_jax.animate.engine import CausalWarning, TranscriptWarning
from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME, motion_frames
from ksdiff_jax.audio.waveform import write_wav
from ksdiff_jax.errors import InputError
from ksdiff_jax.models.ksdiff.config import SampleConfig
from ksdiff_jax.models.system import Sample
from ksdiff_jax.motion.clip import MotionClip
from ksdiff_jax.motion.space import BFM
from tests.animate.fake_system import CONFIG, FakeSystem, pretrained
from tests.conftest import REPOSITORY


def tone(seconds, *, rate_hz=16_000, hz=150.0):
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (
        0.3 * np.sin(2 * np.pi * hz * time_s) * (1 + np.sin(2 * np.pi * 3 * time_s)) / 2
    ).astype(np.float32)


@pytest.fixture
def system():
    return FakeSystem()


@pytest.fixture
def animator(system, tmp_path):
    return Animator(pretrained(tmp_path), system=system, buckets=(64, 128, 256))


def test_motion_of_a_file_and_of_its_samples_are_equal(animator, tmp_path):
    audio = np.round(tone(2.0) * 32767).astype(np.int16)
    write_wav(tmp_path / "a.wav", audio / np.float32(32767))
    from_file, from_array = animator(tmp_path / "a.wav"), animator(audio, sample_rate_hz=16_000)
    np.testing.assert_allclose(from_file.exp, from_array.exp, atol=1e-6)
    assert len(from_file) == 50


@pytest.mark.parametrize(
    "samples", [SAMPLES_PER_MOTION_FRAME, 16_000, 16_319, 16_320, 30_000, 200_001]
)
def test_there_are_as_many_frames_as_the_time_base_says(animator, samples):
    motion = animator(tone(samples / 16_000)[:samples], sample_rate_hz=16_000)
    assert len(motion) == motion_frames(samples)
    assert motion.fps == 25


def test_the_same_seed_gives_the_same_motion_bit_for_bit_and_another_seed_another(animator):
    first, again, other = (
        animator(tone(2.0), sample_rate_hz=16_000, seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.coefficients, again.coefficients)
    np.testing.assert_array_equal(first.keyframes_head, again.keyframes_head)
    assert first.meta == again.meta
    assert np.abs(first.coefficients - other.coefficients).max() > 0.01


def test_recordings_get_noise_of_their_own_unless_one_id_is_given(animator):
    """FakeSystem adds the loudness to the noise, so what it makes of two tones of one loudness is
    their noise.
    """
    tones = [tone(2.0), -tone(2.0)]
    own = [animator(sound, sample_rate_hz=16_000) for sound in tones]
    assert np.abs(own[0].coefficients - own[1].coefficients).max() > 0.01
    shared = animator.batch(tones, sample_rate_hz=16_000, noise_id="stream")
    np.testing.assert_allclose(shared[0].coefficients, shared[1].coefficients, atol=1e-6)
    again = animator(tones[1], sample_rate_hz=16_000, noise_id=own[1].meta["noise_id"])
    np.testing.assert_array_equal(again.coefficients, own[1].coefficients)
    assert [motion.meta["noise_id"] for motion in shared] == ["stream"] * 2


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_a_wav_its_flac_and_its_samples_have_one_noise_id(animator, tmp_path, rate_hz):
    audio = np.round(tone(2.0, rate_hz=rate_hz) * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", audio, rate_hz)
    soundfile.write(tmp_path / "a.flac", audio, rate_hz)
    wav, flac = (animator.read(tmp_path / name) for name in ("a.wav", "a.flac"))
    array = animator.read(audio, sample_rate_hz=rate_hz)
    assert wav.digest != flac.digest
    assert wav.noise_id == flac.noise_id == array.noise_id
    assert rate_hz != 16_000 or wav.noise_id == hashlib.sha256(audio.tobytes()).hexdigest()


def test_the_length_of_a_clip_does_not_change_the_frames_it_begins_with(animator):
    audio = tone(5.0)
    short, long = (
        animator(audio[: 16_000 * n], sample_rate_hz=16_000, noise_id="one") for n in (2, 5)
    )
    np.testing.assert_allclose(short.coefficients, long.coefficients[:50], atol=1e-6)


def test_a_batch_equals_one_by_one(animator):
    clips = [tone(s, hz=100 + 20 * s) for s in (2.0, 7.0, 2.4, 0.5, 4.0)]
    batch = animator.batch(clips, batch_size=2, sample_rate_hz=16_000, seed=9)
    for clip, motion in zip(clips, batch, strict=True):
        single = animator(clip, sample_rate_hz=16_000, seed=9)
        np.testing.assert_allclose(motion.coefficients, single.coefficients, atol=1e-6)
        np.testing.assert_array_equal(motion.keyframes_head, single.keyframes_head)


def test_compilations_do_not_exceed_the_buckets(animator, system):
    for seconds in np.random.default_rng(0).uniform(0.1, 10.2, size=12):
        animator(tone(seconds), sample_rate_hz=16_000)
    assert len(system.traces) <= len(animator.engine.buckets)


def test_speech_longer_than_the_longest_bucket_has_no_seam(animator, system):
    audio = tone(25.0)
    motion = animator(audio, sample_rate_hz=16_000)
    assert len(motion) == 625 and max(frames for _, frames in system.traces) <= 256
    whole = Animator(animator.pretrained, system=FakeSystem(), buckets=(1024,))(
        audio, sample_rate_hz=16_000
    )
    np.testing.assert_allclose(motion.coefficients, whole.coefficients, atol=1e-6)
    np.testing.assert_array_equal(motion.keyframes_expression, whole.keyframes_expression)


def test_samples_of_one_recording_differ_and_begin_with_the_single_one(animator):
    audio = tone(1.0)
    samples = animator.samples(audio, count=3, sample_rate_hz=16_000, seed=2)
    np.testing.assert_allclose(
        samples[0].coefficients,
        animator(audio, sample_rate_hz=16_000, seed=2).coefficients,
        atol=1e-6,
    )
    assert np.abs(samples[1].coefficients - samples[2].coefficients).max() > 0.01


def test_options_reach_the_system_and_the_file(animator, tmp_path):
    plain, guided = (
        animator(tone(1.0), sample_rate_hz=16_000, guidance=scale, steps=5) for scale in (1.0, 2.0)
    )
    np.testing.assert_allclose(guided.exp, 2 * plain.exp, atol=1e-6)
    meta = MotionClip.load(guided.save(tmp_path / "a.motion.npz")).meta
    assert (meta["guidance"], meta["steps"], meta["sampler"], meta["seed"]) == (2.0, 5, "ddim", 0)
    assert meta["checkpoint"] == "0" * 64 and len(meta["audio_sha256"]) == 64
    assert meta["config"]["model"]["width"] == CONFIG.model.width and "jax" in meta["versions"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps 0: need 1 or more"),
        ({"steps": 101}, "need 1 to 100"),
        ({"guidance": float("nan")}, "guidance"),
        ({"sampler": "dpm"}, "need one of 'ddim'"),
        ({"seed": -1}, "seed: got -1"),
        ({"stpes": 4}, "did you mean 'steps'"),
    ],
)
def test_wrong_options_are_input_errors(animator, options, said):
    with pytest.raises(InputError, match=said):
        animator(tone(1.0), sample_rate_hz=16_000, **options)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.full(16_000, np.nan, np.float32), "NaN"),
        (np.zeros(1, np.float32), "need at least 640"),
        (np.zeros((2, 2, 2), np.float32), "shape"),
        (np.array(["a"]), "need float"),
    ],
)
def test_arrays_that_are_no_speech_are_input_errors(animator, samples, said):
    with pytest.raises(InputError, match=said):
        animator(samples, sample_rate_hz=16_000)


def test_an_utterance_in_the_place_of_a_recording_is_one_line(animator):
    utterance = animator.read(np.zeros(16_000, np.float32), sample_rate_hz=16_000)
    with pytest.raises(InputError, match=r"animate it with animate\(\[utterance\]\)"):
        inspect.unwrap(Animator.read)(animator, utterance)  # without the types checked in tests


def test_an_array_without_its_rate_is_an_input_error(animator):
    with pytest.raises(InputError, match="needs its rate"):
        animator(tone(1.0))


def test_a_transcript_that_is_too_long_is_cut_with_a_warning(animator):
    with pytest.warns(TranscriptWarning, match="50,000 bytes"):
        motion = animator(tone(1.0), sample_rate_hz=16_000, transcript="x" * 50_000)
    assert np.isfinite(motion.coefficients).all()


def test_the_causal_mode_gives_notice_of_a_transcript_that_it_does_not_read(animator):
    with pytest.warns(CausalWarning) as found:
        animator(tone(0.5), sample_rate_hz=16_000, transcript="words", causal=True)
    assert sorted(str(each.message)[:40] for each in found) == [
        "causal: the causal mode reads no transcr",
        "causal: this model was not trained for t",
    ]


def test_a_long_transcript_with_a_byte_that_is_no_utf_8_is_cut_as_well(animator):
    with pytest.warns(TranscriptWarning, match="3,001 bytes"):
        animator(tone(1.0), sample_rate_hz=16_000, transcript="\udcff" + "a" * 3000)


def test_a_transcript_in_any_script_is_read(animator):
    motion = animator(tone(1.0), sample_rate_hz=16_000, transcript="你好 мир مرحبا 🙂")
    assert len(motion) == 25


def test_silence_and_partly_broken_sound_give_finite_motion(animator):
    broken = tone(1.0)
    broken[100:200] = np.nan
    for audio in (np.zeros(16_000, np.float32), broken):
        assert np.isfinite(animator(audio, sample_rate_hz=16_000).coefficients).all()


def test_a_batch_is_split_over_all_devices_and_stays_the_same():
    code = """
        import jax, numpy as np, pathlib
        jax.config.update("jax_num_cpu_devices", 4)
        from ksdiff_jax.animate.animator import Animator
        from tests.animate.fake_system import FakeSystem, pretrained
        system = FakeSystem()
        animator = Animator(pretrained(pathlib.Path(".")), system=system)
        clips = [np.sin(np.arange(16_000 + 640 * n) / 20).astype(np.float32) for n in range(3)]
        batch = animator.batch(clips, sample_rate_hz=16_000)
        assert animator.engine.mesh.size == 4 and system.traces == [(4, 64)]
        for clip, motion in zip(clips, batch):
            single = animator(clip, sample_rate_hz=16_000)
            assert np.abs(single.coefficients - motion.coefficients).max() < 1e-6
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=REPOSITORY)


def test_a_motion_has_the_space_of_its_checkpoint(animator):
    utterance = animator.read(tone(0.2), sample_rate_hz=16_000)
    sample = Sample(np.zeros((5, BFM.width), np.float32))
    config = SimpleNamespace(sample=SampleConfig())
    engine = SimpleNamespace(
        prepared=list,
        sample=lambda *_, **__: [sample],
        system=SimpleNamespace(config=config),
    )
    of_bfm = SimpleNamespace(
        engine=SimpleNamespace(with_options=lambda: engine),
        pretrained=SimpleNamespace(space=BFM),
        batch_size=1,
        _meta=lambda utterance: {},
    )
    (motion,) = Animator.animate(of_bfm, [utterance])
    assert (motion.space, motion.exp.shape) == ("bfm", (5, 64))
