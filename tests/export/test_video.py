"""The video: its length, its pictures, and lips in sync with the sound, all checked by
decoding it.
"""

import av
import numpy as np
import pytest

from ksdiff_jax.audio.waveform import load_audio, read_recording, write_wav
from ksdiff_jax.errors import InputError
from ksdiff_jax.export.soundtrack import RATE_HZ, soundtrack
from ksdiff_jax.export.video import VideoForm, write_video
from tests.recordings import bursts, encoded, rms, wav

SIZE = 64


def noise_bursts(seconds, seed=0):
    """White noise that comes and goes: its correlation has one sharp peak."""
    samples = round(seconds * 16_000)
    rng = np.random.default_rng(seed)
    gate = np.repeat(rng.random(samples // 800 + 1) > 0.5, 800)[:samples]
    return (0.2 * rng.normal(size=samples) * gate).clip(-1, 1).astype(np.float32)


def grey(levels):
    return (np.full((SIZE, SIZE, 3), level, np.uint8) for level in levels)


def video_of(path, frames, *, sound=None, fps=25):
    levels = 16 + (np.arange(frames) % 2) * 200
    return write_video(path, grey(levels), form=VideoForm(frames, fps, SIZE), sound=sound)


def decoded(path):
    """Pictures' mean levels and start times, and the sound as players play it: by time stamp, from
    0 on.
    """
    with av.open(str(path)) as container:
        pictures = [
            (frame.time, frame.to_ndarray(format="gray").mean())
            for frame in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        sound = np.zeros(0, np.float32)
        if container.streams.audio:
            for frame in container.decode(audio=0):
                start = round(frame.time * RATE_HZ)
                block = frame.to_ndarray()[0]
                sound = np.pad(sound, (0, max(0, start + len(block) - len(sound))))
                sound[max(0, start) : start + len(block)] = block[max(0, -start) :]
    return pictures, sound


def delay_s(sound, reference):
    """Seconds that `sound` (48 kHz) lags behind `reference` (48 kHz)."""
    size = 1 << int(np.ceil(np.log2(len(sound) + len(reference))))
    correlation = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size)))
    lag = int(np.argmax(correlation))
    return (lag if lag < size // 2 else lag - size) / RATE_HZ


@pytest.mark.parametrize("frames", [1, 2, 25, 61])
def test_the_video_lasts_exactly_as_long_as_the_motion(tmp_path, frames):
    write_wav(tmp_path / "a.wav", noise_bursts(5.0))
    path = video_of(tmp_path / "a.mp4", frames, sound=soundtrack(tmp_path / "a.wav"))
    pictures, sound = decoded(path)
    assert len(pictures) == frames
    np.testing.assert_allclose([time for time, _ in pictures], np.arange(frames) / 25, atol=1e-4)
    with av.open(str(path)) as container:
        for stream in container.streams:
            assert float(stream.duration * stream.time_base) == pytest.approx(
                frames / 25, abs=0.002
            )
    assert len(sound) / RATE_HZ >= frames / 25 - 0.002


def test_pictures_keep_their_order_and_brightness(tmp_path):
    pictures, _ = decoded(video_of(tmp_path / "a.mp4", 30))
    levels = np.array([level for _, level in pictures])
    assert levels[0::2].max() < 60 < 180 < levels[1::2].min()


@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".mp3", ".flac"])
def test_the_sound_is_in_time_to_a_millisecond_from_every_kind_of_source(tmp_path, suffix):
    write_wav(tmp_path / "source.wav", noise_bursts(3.0))
    source = transcoded(tmp_path / "source.wav", tmp_path / f"copy{suffix}")
    _, sound = decoded(video_of(tmp_path / "a.mp4", 75, sound=soundtrack(source)))
    heard_by_the_model = np.repeat(load_audio(source), 3)
    assert abs(delay_s(sound, heard_by_the_model)) < 0.001


SPEECH = bursts(2.0)
KINDS = {
    "gap.mkv": lambda path: encoded(path, SPEECH, keep=lambda time_s: not 0.8 <= time_s < 1.2),
    "gap.webm": lambda path: encoded(
        path, SPEECH, codec="libopus", keep=lambda time_s: not 0.8 <= time_s < 1.2
    ),
    "late.mp4": lambda path: encoded(path, SPEECH, late_s=0.5, pictures=60),
    "late_pictures.mov": lambda path: encoded(path, SPEECH, pictures=50, pictures_late_s=0.4),
    "tracks.mp4": lambda path: encoded(path, SPEECH, bursts(2.0, seed=4), pictures=50),
    "a.avi": lambda path: encoded(path, SPEECH, codec="libmp3lame", rate_hz=44_100, pictures=50),
    "a.ts": lambda path: encoded(path, SPEECH),
    "opposed.wav": lambda path: wav(path, np.stack([SPEECH, -SPEECH], axis=1)),
    "one_of_nine.wav": lambda path: wav(path, np.eye(9, dtype=np.float32)[8] * SPEECH[:, None]),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_heard_in_the_video_is_what_the_motion_was_made_from_at_the_same_time(
    tmp_path, name
):
    recording = read_recording(KINDS[name](tmp_path / name))
    motion_frames = round(25 * len(recording.audio) / 16_000)
    _, sound = decoded(
        video_of(tmp_path / "a.out.mp4", motion_frames, sound=soundtrack(recording.heard))
    )
    assert abs(delay_s(sound, np.repeat(recording.audio, 3))) < 0.001
    assert rms(sound[: 3 * len(recording.audio)]) == pytest.approx(rms(recording.audio), rel=0.1)


def transcoded(source, target):
    codec = {".m4a": "aac", ".mp3": "libmp3lame", ".flac": "flac"}.get(target.suffix)
    if codec is None:
        return source
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        stream = writing.add_stream(codec, rate=44_100)
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=44_100)
        stream.layout = "mono"
        for frame in reading.decode(audio=0):
            for piece in resampler.resample(frame):
                writing.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            writing.mux(stream.encode(piece))
        writing.mux(stream.encode(None))
    return target


def test_sound_that_ends_early_is_followed_by_silence(tmp_path):
    write_wav(tmp_path / "a.wav", noise_bursts(1.0) + 0.1)
    _, sound = decoded(video_of(tmp_path / "a.mp4", 50, sound=soundtrack(tmp_path / "a.wav")))
    assert (
        np.abs(sound[: RATE_HZ // 2]).max() > 0.05
        and np.abs(sound[round(1.1 * RATE_HZ) :]).max() < 0.01
    )


def test_the_index_comes_first_so_that_playing_starts_at_once(tmp_path):
    content = video_of(tmp_path / "a.mp4", 10).read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_players_everywhere_can_decode_it(tmp_path):
    with av.open(str(video_of(tmp_path / "a.mp4", 10))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25


def test_a_failing_picture_leaves_no_file(tmp_path):
    def failing():
        yield from grey([10, 20])
        raise RuntimeError("no picture")

    with pytest.raises(RuntimeError, match="no picture"):
        write_video(tmp_path / "a.mp4", failing(), form=VideoForm(10, 25, SIZE))
    assert list(tmp_path.iterdir()) == []


def test_an_odd_size_and_a_file_without_sound_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="even"):
        write_video(tmp_path / "a.mp4", grey([1]), form=VideoForm(1, 25, 63))
    silent = video_of(tmp_path / "silent.mp4", 5)
    with pytest.raises(InputError, match="without a sound track"):
        next(soundtrack(silent))
