"""The gRPC server against a client whose messages are built from descriptors by protobuf itself,
over the loopback.
"""

import contextlib

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ksdiff_jax.cli.main import main
from ksdiff_jax.errors import InputError
from ksdiff_jax.live.audio2face_messages import METHOD
from ksdiff_jax.live.audio2face_service import Audio2FaceServer, answers
from ksdiff_jax.live.wire import fields
from tests.export.takes import known_take

pytest.importorskip("google.protobuf")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

RATE_HZ = 16_000
# Each message as `name number kind`: kinds are scalar types, other messages, *repeated, +map.
SCHEMA = {
    "AudioHeader": "format 1 int32, channels 2 uint32, rate 3 uint32, bits 4 uint32",
    "Scale": "key 1 string, value 2 float",
    "Shapes": "multipliers 1 *Scale, offsets 2 *Scale",
    "InHeader": "audio 1 AudioHeader, shapes 4 Shapes",
    "Sound": "pcm 1 bytes",
    "Nothing": "",
    "In": "header 1 InHeader, sound 2 Sound, end 3 Nothing",
    "Names": "blend_shapes 1 *string, joints 2 *string",
    "OutHeader": "audio 1 AudioHeader, names 2 Names, start 3 double",
    "Weights": "time 1 double, values 2 *float",
    "Place": "x 1 float, y 2 float, z 3 float",
    "Places": "time 1 double, values 2 *Place",
    "Turn": "real 1 float, i 2 float, j 3 float, k 4 float",
    "Turns": "time 1 double, values 2 *Turn",
    "Skeleton": "weights 1 *Weights, places 2 *Places, turns 3 *Turns",
    "TimedSound": "time 1 double, pcm 2 bytes",
    "Frame": "skeleton 1 Skeleton, sound 2 TimedSound",
    "Event": "kind 1 int32",
    "Status": "code 1 int32, text 2 string",
    "Out": "header 1 OutHeader, frame 2 Frame, event 3 Event, status 4 Status",
}


@pytest.fixture(scope="module")
def schema():
    """The message classes by name."""
    file = descriptor_pb2.FileDescriptorProto(name="a.proto", package="p", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, listing in SCHEMA.items():
        message = file.message_type.add(name=name)
        for part in filter(None, listing.split(", ")):
            label, number, kind = part.split()
            repeated, kind = kind.startswith("*"), kind.lstrip("*")
            field = message.field.add(name=label, number=int(number))
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if kind in SCHEMA:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".p.{kind}"
            else:
                field.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"p.{name}"))
        for name in SCHEMA
    }


def request(schema, *, seconds: float = 1.0, rate: int = RATE_HZ, **header) -> list:
    """A header, the sound in four messages, the end."""
    pcm = np.arange(round(seconds * rate), dtype="<i2").tobytes()
    audio = {"channels": 1, "rate": rate, "bits": 16} | header.pop("audio", {})
    pieces = np.array_split(np.frombuffer(pcm, "<i2"), 4)
    return [
        schema["In"](header={"audio": audio, **header}),
        *(schema["In"](sound={"pcm": piece.tobytes()}) for piece in pieces),
        schema["In"](end={}),
    ]


class Animated:
    """A stand-in for the model: a known motion as long as the sound."""

    def __call__(self, samples, rate_hz):
        self.samples, self.rate_hz = samples, rate_hz
        self.take = known_take(seconds=len(samples) / rate_hz)
        return self.take


def replies(schema, messages, animate) -> list:
    parts = (message.SerializeToString() for message in messages)
    return [schema["Out"].FromString(reply) for reply in answers(parts, animate)]


def test_a_client_on_the_loopback_gets_every_frame_the_head_the_jaw_and_its_sound(schema):
    grpc, animate = pytest.importorskip("grpc"), Animated()
    sent = request(schema)
    server = Audio2FaceServer(animate, host="127.0.0.1", port=0)
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(server.stop)
        server.start()
        channel = open_ones.enter_context(grpc.insecure_channel(f"127.0.0.1:{server.port}"))
        call = channel.stream_stream(
            METHOD,
            request_serializer=schema["In"].SerializeToString,
            response_deserializer=schema["Out"].FromString,
        )
        header, *frames, event, status = list(call(iter(sent), timeout=60))
        with pytest.raises(InputError, match="another program may have the port"):
            Audio2FaceServer(animate, host="127.0.0.1", port=server.port)
    assert list(header.header.names.joints) == ["head", "jaw"]
    assert list(header.header.names.blend_shapes)[:2] == ["EyeBlinkLeft", "EyeLookDownLeft"]
    assert (header.header.audio.rate, header.header.audio.bits) == (RATE_HZ, 16)
    assert event.HasField("event") and status.status.code == 0
    take, skeletons = animate.take, [frame.frame.skeleton for frame in frames]
    assert len(frames) == len(take) == 30
    np.testing.assert_allclose([list(s.weights[0].values) for s in skeletons], take.arkit)
    for part in ("weights", "places", "turns"):
        times = [getattr(skeleton, part)[0].time for skeleton in skeletons]
        np.testing.assert_allclose(times, take.times_s)
    for joint, wanted in ((0, take.head), (1, Rotation.from_rotvec(take.rotations("jaw")))):
        turns = [s.turns[0].values[joint] for s in skeletons]
        got = Rotation.from_quat([[t.i, t.j, t.k, t.real] for t in turns])
        assert (got.inv() * wanted).magnitude().max() < 1e-6
        assert len(skeletons[0].places[0].values) == 2
    heard = b"".join(frame.frame.sound.pcm for frame in frames)
    assert heard == b"".join(message.sound.pcm for message in sent[1:-1])
    assert animate.rate_hz == RATE_HZ and animate.samples.tobytes() == heard


def test_multipliers_and_offsets_of_a_client_are_applied(schema):
    shapes = {
        "multipliers": [{"key": "JawOpen", "value": 0.5}],
        "offsets": [{"key": "TongueOut", "value": 2.0}],
    }
    animate = Animated()
    _, *frames, _, _ = replies(schema, request(schema, shapes=shapes), animate)
    got = np.array([list(frame.frame.skeleton.weights[0].values) for frame in frames])
    np.testing.assert_allclose(got[:, 17], 0.5 * animate.take.arkit[:, 17], rtol=1e-6)
    assert (got[:, 51] == 1).all() and (got[:, 0] == animate.take.arkit[:, 0]).all()


FAULTS = {
    "stereo": ({"audio": {"channels": 2}}, slice(None), "2 channels, 16 bits, 16000 Hz; need PCM"),
    "8 bits": ({"audio": {"bits": 8}}, slice(None), "1 channels, 8 bits"),
    "no header": ({}, slice(1, None), "audio before its header"),
    "no audio": ({}, slice(None, None, 5), "0 bytes of audio"),
    "nothing": ({}, slice(0, 0), "no header"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_request_gets_one_status_with_its_fault(schema, fault):
    more, kept, message = FAULTS[fault]
    (status,) = replies(schema, request(schema, **more)[kept], Animated())
    assert status.status.code == 3 and message in status.status.text


def test_bytes_that_are_no_message_are_refused(schema):
    for data in (b"\xff" * 20, b"\x0a\xff\x01", b"\x08\x01", b"\x0b"):
        (reply,) = answers(iter([data]), Animated())
        assert schema["Out"].FromString(reply).status.code == 3
    with pytest.raises(ValueError, match="no number"):
        fields(b"\x80")


def test_a_model_that_refuses_the_sound_says_so(schema):
    def refuse(samples, rate_hz):
        raise InputError("speech: silent")

    (status,) = replies(schema, request(schema), refuse)
    assert status.status.code == 3 and status.status.text == "speech: silent"


def test_a_wrong_frame_rate_is_refused_before_the_model_is_read(capsys):
    assert main(["audio2face", "--fps", "0"]) == 2
    assert "--fps 0: need 1 to 240" in capsys.readouterr().err
