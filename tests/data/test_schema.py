"""Clips are unchanged by encoding and decoding, and clips that violate an invariant are refused
with its name.
"""

import dataclasses
import os

import numpy as np
import pytest

from ksdiff_jax.audio.timebase import SAMPLES_PER_MOTION_FRAME
from ksdiff_jax.data.schema import Clip, Timed, decode_clip, encode_clip
from ksdiff_jax.data.tfds_files import record_features
from ksdiff_jax.errors import InputError
from tests.data.clips import make_clip


def assert_same(one: Clip, other: Clip):
    for field in dataclasses.fields(Clip):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, field.name
        np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_a_clip_reads_back_as_it_was_written():
    clip = make_clip(1)
    assert_same(decode_clip(encode_clip(clip), space="builtin"), clip)


def test_a_clip_with_only_the_required_fields_reads_back():
    clip = make_clip(1, words=(), phonemes=(), transcript="", prosody=None, speaker_id="")
    assert_same(decode_clip(encode_clip(clip), space="builtin"), clip)


def test_the_record_is_an_example_whose_audio_lies_there_as_little_endian_bytes():
    clip = make_clip(2)
    record = encode_clip(clip)
    assert (
        clip.audio.astype("<i2").tobytes() in record and clip.jaw.astype("<f4").tobytes() in record
    )


def test_tensorflow_is_not_needed():
    import sys

    encode_clip(make_clip(3))
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"audio": np.zeros(SAMPLES_PER_MOTION_FRAME * 41, np.int16)},
            "26240 samples are 1.640 s, 40 frames are 1.600 s",
        ),
        ({"audio": np.zeros(SAMPLES_PER_MOTION_FRAME * 40, np.float32)}, "int16"),
        ({"jaw": np.zeros((39, 3), np.float32)}, r"jaw has shape \(39, 3\)"),
        ({"rotation": np.full((40, 3), np.nan, np.float32)}, "rotation holds NaN"),
        ({"prosody": np.zeros((79, 2), np.float32)}, "prosody has shape"),
        ({"words": (Timed("a", 0.5, 0.4),)}, "'a' lasts from 0.5 to 0.4 s"),
        ({"fps": 0.0}, "fps"),
    ],
)
def test_a_broken_invariant_is_named_with_its_clip(changes, says):
    clip = make_clip(4)
    for name, value in changes.items():
        object.__setattr__(clip, name, value)  # past the annotations, which only tests enforce
    with pytest.raises(InputError, match=says) as caught:
        encode_clip(clip)
    assert "'clip-4'" in str(caught.value)


def test_sound_may_differ_from_motion_by_less_than_a_frame():
    for samples in (SAMPLES_PER_MOTION_FRAME * 40 - 639, SAMPLES_PER_MOTION_FRAME * 40 + 639):
        encode_clip(make_clip(5, audio=np.zeros(samples, np.int16)))


def test_what_is_no_clip_is_refused():
    for data in (b"", b"\xff" * 50, encode_clip(make_clip(6))[:-40]):
        with pytest.raises(InputError):
            decode_clip(data)


def test_a_clip_in_the_space_of_the_basel_face_model_says_so_and_reads_back():
    basel = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    clip = make_clip(8, expression=basel, space="bfm")
    assert_same(decode_clip(encode_clip(clip), space="bfm"), clip)
    with pytest.raises(InputError, match="expression has shape"):
        encode_clip(make_clip(8, expression=basel))


@pytest.mark.parametrize("width", [49, 56, 100])
def test_an_expression_of_another_width_is_refused(width):
    with pytest.raises(InputError, match=rf"expression has shape \(40, {width}\)"):
        encode_clip(make_clip(9, expression=np.zeros((40, width), np.float32)))


def test_records_are_read_as_the_codec_of_tfds_reads_them():
    clip = make_clip(5, speech_features=np.ones((80, 4), np.float32))
    record = encode_clip(clip)
    theirs = record_features().deserialize_example_np(record)
    ours = decode_clip(record, space="builtin")
    assert theirs["fps"] == ours.fps
    assert theirs["transcript"].decode() == ours.transcript
    for name in ("audio", "expression", "rotation", "jaw", "camera", "shape", "prosody"):
        assert getattr(ours, name).tobytes() == theirs[name]
    assert ours.speech_features.tobytes() == theirs["speech_features"]


def test_texts_with_bytes_that_are_no_utf_8_are_stored_escaped():
    lone = os.fsdecode(b"caf\xe9")
    clip = decode_clip(
        encode_clip(make_clip(4, transcript=f"日本 {lone}\n", words=(Timed(lone, 0.0, 0.5),)))
    )
    assert clip.transcript == "日本 caf\\udce9\n"
    assert clip.words == (Timed(lone, 0.0, 0.5),)
