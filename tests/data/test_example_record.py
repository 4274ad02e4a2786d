"""Our records against the protocol buffer that TensorFlow Datasets reads and writes."""

import numpy as np
import pytest
from tensorflow_datasets.proto import tf_example_pb2

from ksdiff_jax.data.example_record import decode_example, encode_example
from ksdiff_jax.data.schema import encode_clip
from ksdiff_jax.data.tfds_files import record_features
from tests.data.clips import make_clip

VALUES = {
    "a": b"\x00\xff",
    "empty": b"",
    "text": "日本",
    "long": bytes(range(256)) * 100,
    "rate": 25.0,
}


def values_of(example):
    """The first value under each name, as protobuf has it."""
    found = {
        name: feature.bytes_list.value or feature.float_list.value
        for name, feature in example.items()
    }
    return {name: values[0] for name, values in found.items() if values}


def test_protobuf_reads_what_we_write():
    example = tf_example_pb2.Example.FromString(encode_example(VALUES))
    assert values_of(example.features.feature) == VALUES | {"text": VALUES["text"].encode()}


def test_we_read_what_protobuf_writes_also_what_our_records_do_not_hold():
    example = tf_example_pb2.Example()
    for name, value in VALUES.items():
        if isinstance(value, float):
            example.features.feature[name].float_list.value.extend([value, 7.0])
        else:
            example.features.feature[name].bytes_list.value.append(
                value.encode() if isinstance(value, str) else value
            )
    example.features.feature["number"].int64_list.value.append(3)
    example.features.feature["nothing"].SetInParent()
    # three fields of number 15
    data = example.SerializeToString() + b"\x78\x05" + b"\x7d1234" + b"\x79" + b"12345678"
    tf_example_pb2.Example.FromString(data)  # which protobuf accepts too
    assert decode_example(data) == VALUES | {"text": VALUES["text"].encode()}


def test_the_codec_of_tfds_writes_the_same_message():
    clip = make_clip(1, speech_features=np.ones((80, 4), np.float32))
    ours = encode_clip(clip)
    theirs = record_features().serialize_example(record_features().deserialize_example_np(ours))
    parse = tf_example_pb2.Example.FromString
    assert parse(ours) == parse(theirs)
    assert decode_example(ours) == decode_example(theirs)


def test_what_is_cut_off_anywhere_is_refused():
    data = encode_example(VALUES | {"long": b"x" * 300})
    for length in range(1, len(data)):
        with pytest.raises(ValueError, match=r"cut off|are left"):
            decode_example(data[:length])


def test_damaged_bytes_give_what_protobuf_gives_or_an_error():
    rng, agreed = np.random.default_rng(0), 0
    sound = encode_example({"a": b"xyz", "bc": 2.5, "d": b""})
    for _ in range(2000):
        data = bytearray(sound)
        for position in rng.integers(len(data), size=rng.integers(1, 3)):
            data[position] ^= 1 << int(rng.integers(8))
        try:
            ours = decode_example(bytes(data))
        except ValueError:
            continue
        try:
            example = tf_example_pb2.Example.FromString(bytes(data))
        except Exception:
            continue  # stricter than we are
        theirs = values_of(example.features.feature)
        same = all(np.array_equal(ours.get(name), value, equal_nan=isinstance(value, float))
                   for name, value in theirs.items())  # fmt: skip
        assert ours.keys() == theirs.keys() and same, bytes(data)
        agreed += 1
    assert agreed > 300
