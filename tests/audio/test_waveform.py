"""Decoding against files with known contents, written by the `wave` module, by hand, or encoded by
FFmpeg.
"""

import struct
import warnings
import wave

import av
import numpy as np
import pytest

from ksdiff_jax.audio.waveform import AudioWarning, load_audio, read_recording, to_int16, write_wav
from ksdiff_jax.errors import InputError


def tone(rate_hz, *, seconds=1.0, hz=440.0, amplitude=0.5):
    return (
        amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)
    ).astype(np.float32)


def pcm_bytes(samples, kind):
    """Samples in [-1, 1] as the bytes of a WAV of u8, s16, s24, s32 or f32."""
    if kind == "u8":
        return np.rint(samples * 127 + 128).astype(np.uint8).tobytes()
    if kind == "f32":
        return samples.astype("<f4").tobytes()
    if kind == "s24":
        return (
            np.rint(samples * (2**23 - 1))
            .astype("<i4")
            .view(np.uint8)
            .reshape(-1, 4)[:, :3]
            .tobytes()
        )
    bits = {"s16": 16, "s32": 32}[kind]
    return (
        np.rint(samples.astype(np.float64) * (2 ** (bits - 1) - 1))
        .astype(f"<i{bits // 8}")
        .tobytes()
    )


def write(path, samples, *, rate_hz, kind="s16", channels=1, stated_bytes=None):
    """A RIFF file written by hand; interleaved samples; `stated_bytes` lies about the size of the
    data.
    """
    data = pcm_bytes(samples, kind)
    width = {"u8": 1, "s16": 2, "s24": 3, "s32": 4, "f32": 4}[kind]
    block = width * channels
    form = struct.pack(
        "<HHIIHH", 3 if kind == "f32" else 1, channels, rate_hz, rate_hz * block, block, 8 * width
    )
    size = len(data) if stated_bytes is None else stated_bytes
    body = (
        b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    )
    path.write_bytes(b"RIFF" + struct.pack("<I", 36 + size) + body)
    return path


def encode(path, samples, *, rate_hz, codec, with_video=False):
    with av.open(str(path), "w") as container:
        if with_video:
            video = container.add_stream("mpeg4", rate=25, width=64, height=64)
        stream = container.add_stream(codec, rate=rate_hz, layout="mono")
        if with_video:
            for _ in range(25):
                picture = av.VideoFrame.from_ndarray(
                    np.zeros((64, 64, 3), np.uint8), format="rgb24"
                )
                container.mux(video.encode(picture))
            container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(to_int16(samples)[None], format="s16", layout="mono")
        # a time stamp makes the muxer note the encoder's delay
        frame.sample_rate, frame.pts = rate_hz, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def speechlike(rate_hz, seconds=2.0):
    """Noise bursts: a signal whose position in time is unmistakable."""
    rng = np.random.default_rng(3)
    slow = np.interp(
        np.arange(int(seconds * rate_hz)),
        np.arange(0, seconds * rate_hz, rate_hz / 8),
        rng.random(16),
    )
    smooth = np.convolve(rng.normal(size=len(slow)), np.hanning(24) / 12, mode="same")
    return (0.5 * slow**2 * smooth).astype(np.float32)


def lag(a, b):
    """Samples by which `a` comes later than `b`."""
    n = min(len(a), len(b))
    correlation = np.fft.irfft(np.fft.rfft(a[:n], 2 * n) * np.conj(np.fft.rfft(b[:n], 2 * n)))
    at = int(np.argmax(correlation))
    return at if at < n else at - 2 * n


@pytest.mark.parametrize("kind", ["u8", "s16", "s24", "s32", "f32"])
def test_every_sample_width_gives_the_same_sound(tmp_path, kind):
    expected = tone(16_000)
    audio = load_audio(write(tmp_path / "a.wav", expected, rate_hz=16_000, kind=kind))
    assert audio.dtype == np.float32 and len(audio) == 16_000
    tolerance = 1.0 / 127 if kind == "u8" else 1e-4
    np.testing.assert_allclose(audio, expected, atol=tolerance)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_frequency_level_and_duration(tmp_path, rate_hz):
    audio = load_audio(write(tmp_path / "a.wav", tone(rate_hz, hz=1000.0), rate_hz=rate_hz))
    assert len(audio) == 16_000
    middle = slice(2_000, 14_000)
    np.testing.assert_allclose(audio[middle], tone(16_000, hz=1000.0)[middle], atol=2e-3)


def test_stereo_of_one_sound_is_the_mean_of_its_channels(tmp_path):
    voice, left, right = (
        tone(16_000, hz=300),
        tone(16_000, hz=700, amplitude=0.1),
        tone(16_000, hz=900, amplitude=0.1),
    )
    path = write(
        tmp_path / "a.wav",
        np.stack([voice + left, voice + right], -1).ravel(),
        rate_hz=16_000,
        channels=2,
    )
    np.testing.assert_allclose(load_audio(path), voice + (left + right) / 2, atol=1e-4)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz"),
    [
        ("flac", "flac", 44_100),
        ("m4a", "aac", 44_100),
        ("m4a", "aac", 48_000),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "libopus", 48_000),
        ("opus", "libopus", 48_000),
        ("aiff", "pcm_s16be", 22_050),
        ("mka", "aac", 44_100),
    ],
)
def test_compressed_sound_is_as_long_as_the_recording_and_not_shifted(
    tmp_path, suffix, codec, rate_hz
):
    samples = speechlike(rate_hz)
    audio = load_audio(encode(tmp_path / f"a.{suffix}", samples, rate_hz=rate_hz, codec=codec))
    assert abs(len(audio) / 16_000 - 2.0) < 0.025
    original = load_audio(write(tmp_path / "b.wav", samples, rate_hz=rate_hz))
    assert abs(lag(audio, original)) <= 2  # samples at 16 kHz: 0.1 ms


def test_the_sound_of_a_video_is_read(tmp_path):
    path = encode(tmp_path / "a.mp4", tone(44_100), rate_hz=44_100, codec="aac", with_video=True)
    assert abs(len(load_audio(path)) - 16_000) < 400


def test_silence_is_fine_and_needs_no_note(tmp_path):
    recording = read_recording(
        write(tmp_path / "a.wav", np.zeros(16_000, np.float32), rate_hz=16_000)
    )
    assert not recording.notes and not recording.audio.any()


def test_some_nan_and_infinite_samples_become_silence_with_a_warning(tmp_path):
    samples = tone(16_000)
    samples[100:200], samples[300], samples[301], samples[302] = np.nan, np.inf, -np.inf, 1e38
    path = write(tmp_path / "a.wav", samples, rate_hz=16_000, kind="f32")
    with pytest.warns(AudioWarning, match=r"a\.wav: 103 NaN or infinite samples"):
        audio = load_audio(path)
    assert np.isfinite(audio).all() and not audio[100:200].any()
    np.testing.assert_allclose(audio[400:], tone(16_000)[400:], atol=1e-6)


def test_a_truncated_wav_is_used_as_far_as_it_goes_and_says_so(tmp_path):
    path = write(tmp_path / "a.wav", tone(16_000), rate_hz=16_000, stated_bytes=4 * 32_000)
    with pytest.warns(AudioWarning, match=r"1\.00 s of the stated 4\.00 s"):
        assert len(load_audio(path)) == 16_000


def test_a_wav_written_into_a_pipe_states_no_size_and_is_whole(tmp_path):
    path = write(tmp_path / "a.wav", tone(16_000), rate_hz=16_000, stated_bytes=0xFFFFFFFF - 36)
    assert not read_recording(path).notes and len(load_audio(path)) == 16_000


def test_a_truncated_m4a_or_mp3_never_ends_in_a_traceback(tmp_path):
    for suffix, codec in (("m4a", "aac"), ("mp3", "libmp3lame"), ("flac", "flac")):
        path = encode(tmp_path / f"a.{suffix}", speechlike(44_100), rate_hz=44_100, codec=codec)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        try:
            assert 0.5 < len(read_recording(path).audio) / 16_000 < 1.6
        except InputError as error:
            assert "\n" not in str(error)


def test_float_samples_beyond_full_scale_are_brought_back_with_a_note(tmp_path):
    path = write(tmp_path / "a.wav", 20_000 * tone(16_000), rate_hz=16_000, kind="f32")
    recording = read_recording(path)
    assert "full scale" in recording.notes[0] and np.abs(recording.audio).max() == pytest.approx(
        1.0
    )
    assert np.corrcoef(recording.audio, tone(16_000))[0, 1] > 0.999


def bad(tmp_path, name):
    path = tmp_path / "bad.wav"
    if name == "folder":
        path.mkdir()
    elif name == "text":
        path.write_text("this is no recording\n" * 100)
    elif name == "zero bytes":
        path.write_bytes(b"")
    elif name == "random bytes":
        path.write_bytes(np.random.default_rng(0).bytes(20_000))
    elif name in ("no samples", "one sample", "400 samples"):
        write(
            path,
            tone(16_000)[: {"no samples": 0, "one sample": 1, "400 samples": 400}[name]],
            rate_hz=16_000,
        )
    elif name == "all NaN":
        write(path, np.full(16_000, np.nan, np.float32), rate_hz=16_000, kind="f32")
    elif name == "header only":
        write(path, tone(16_000), rate_hz=16_000)
        path.write_bytes(path.read_bytes()[:30])
    return path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing", "no such file"),
        ("folder", "folder"),
        ("text", "not a recording"),
        ("zero bytes", "empty"),
        ("random bytes", "not a recording"),
        ("no samples", "0 samples|not a recording"),
        ("one sample", "only 0.0001 s"),
        ("400 samples", "only 0.0250 s"),
        ("all NaN", "every sample is NaN"),
        ("header only", "bad.wav"),
    ],
)
def test_what_cannot_be_used_gives_one_clear_line(tmp_path, name, says):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=says) as caught:
            load_audio(bad(tmp_path, name))
    assert str(caught.value).startswith(str(tmp_path / "bad.wav")) and "\n" not in str(caught.value)


def test_a_video_without_sound_says_so(tmp_path):
    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=64)
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="a video without a sound track"):
        load_audio(path)


def test_written_wav_reads_back(tmp_path):
    samples = tone(16_000, amplitude=0.9)
    write_wav(tmp_path / "out.wav", samples)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
    np.testing.assert_allclose(load_audio(tmp_path / "out.wav"), samples, atol=1e-4)


def test_real_recordings_last_as_long_as_their_names_say(shared_data):
    for name, seconds in (
        ("en_jfk_11s_44k_stereo.flac", 11.0),
        ("es_librivox_70s.mp3", 70.24),
        ("fr_dictee_2.5s_44k.aiff", 2.53),
        ("en_librispeech_198-209-0000_13.9s.ogg", 13.91),
        ("zh_very_quiet_0.96s_48k.flac", 0.956),
    ):
        recording = read_recording(shared_data / "audio" / name)
        assert len(recording.audio) / 16_000 == pytest.approx(seconds, abs=0.01)
        assert not recording.notes and 0.01 < np.abs(recording.audio).max() <= 1
    assert len(load_audio(shared_data / "video" / "grid_bbaf2n.mpg")) / 16_000 == pytest.approx(
        2.98, abs=0.01
    )


def test_tags_in_another_encoding_do_not_stop_the_reading(tmp_path):
    path = tmp_path / "tagged.wav"
    samples = tone(16_000, seconds=0.5)
    write_wav(path, samples)
    whole = path.read_bytes()
    tag = b"INFOINAM" + struct.pack("<I", 6) + b"caf\xe9\xff\0"
    chunk = b"LIST" + struct.pack("<I", len(tag)) + tag
    path.write_bytes(
        whole[:4]
        + struct.pack("<I", len(whole) + len(chunk) - 8)
        + whole[8:12]
        + chunk
        + whole[12:]
    )
    np.testing.assert_allclose(load_audio(path), samples, atol=1e-4)
