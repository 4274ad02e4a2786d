"""Live datagrams, received on loopback and read by the descriptions of the formats alone."""

import socket
import struct
import threading

import numpy as np
import pytest

from ksdiff_jax.errors import InputError
from ksdiff_jax.export.live_link import live_link_angles
from ksdiff_jax.export.live_packets import FRAMES, PORTS
from ksdiff_jax.export.live_sender import only_sender, send_frames
from ksdiff_jax.export.vrm import vrm_expressions
from ksdiff_jax.face.arkit import ARKIT_NAMES
from tests.export.takes import known_take


def received(frames):
    """The datagrams that come to a port of this machine, in their order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(5)
        got = []
        listening = threading.Thread(
            target=lambda: got.extend(ear.recv(65536) for _ in range(len(frames)))
        )
        listening.start()
        sent = send_frames(frames, host="127.0.0.1", port=ear.getsockname()[1])
        listening.join()
    return got, sent


def osc_messages(bundle):
    assert bundle[:8] == b"#bundle\0"
    place, found = 16, []
    while place < len(bundle):
        (size,) = struct.unpack_from(">i", bundle, place)
        message, place = bundle[place + 4 : place + 4 + size], place + 4 + size
        address, rest = osc_text(message)
        types, rest = osc_text(rest)
        values = []
        for kind in types[1:]:
            if kind == "s":
                value, rest = osc_text(rest)
            else:
                (value,), rest = struct.unpack_from(">f", rest), rest[4:]
            values.append(value)
        found.append((address, *values))
    return found


def osc_text(data):
    end = data.index(b"\0")
    return data[:end].decode(), data[(end // 4 + 1) * 4 :]


@pytest.fixture
def take():
    return known_take(seconds=0.2, fps=50.0)


def test_live_link_datagrams_have_names_time_and_61_floats(take):
    got, _ = received(list(FRAMES["livelink"](take)))
    for number, data in enumerate(got):
        version, size = struct.unpack_from(">Bi", data)
        place = 5 + size
        (size,) = struct.unpack_from(">i", data, place)
        assert version == 6 and data[place + 4 : place + 4 + size] == b"ksdiff"
        frame, part, rate, below, count = struct.unpack_from(">ifiiB", data, place + 4 + size)
        assert (frame, part, rate, below, count) == (number, 0, 50, 1, 61)
        values = struct.unpack(">61f", data[place + 4 + size + 17 :])
        np.testing.assert_allclose(values[:52], take.arkit[number], atol=1e-6)
        np.testing.assert_allclose(values[52:], live_link_angles(take)[number], atol=1e-6)


def test_vmc_bundles_have_every_expression_then_apply_and_the_head(take):
    got, _ = received(list(FRAMES["vmc"](take)))
    messages = osc_messages(got[3])
    values = {m[1]: m[2] for m in messages if m[0] == "/VMC/Ext/Blend/Val"}
    for name, curve in vrm_expressions(take).items():
        assert values[name] == pytest.approx(curve[3], abs=1e-6)
    assert values["JawOpen"] == pytest.approx(take.arkit[3, ARKIT_NAMES.index("jawOpen")], abs=1e-6)
    assert messages[-2] == ("/VMC/Ext/Blend/Apply",) and messages[-1][:2] == (
        "/VMC/Ext/Bone/Pos",
        "Head",
    )
    x, y, z, w = take.head[3].as_quat()
    np.testing.assert_allclose(messages[-1][5:], [x, -y, -z, w], atol=1e-6)


def test_ifacialmocap_texts_have_per_cent_and_degrees(take):
    got, _ = received(list(FRAMES["ifacialmocap"](take)))
    weights, _, poses = got[4].decode().partition("|=")
    found = dict(pair.rsplit("-", 1) for pair in weights.split("|"))
    assert len(found) == 52 and {"mouthSmile_L", "mouthLeft", "jawRight"} <= found.keys()
    assert int(found["jawOpen"]) == round(100 * take.arkit[4, ARKIT_NAMES.index("jawOpen")])
    head, right, left = (part.partition("#")[2].split(",") for part in poses.split("|")[:3])
    assert (len(head), len(right), len(left)) == (6, 3, 3)
    assert float(left[0]) == pytest.approx(np.degrees(take.rotations("left_eye")[4, 0]), abs=0.5)


def test_frames_are_sent_at_their_times_on_one_clock():
    frames = [(number / 50, b"x") for number in range(15)]
    got, sent = received(frames)
    assert len(got) == sent.frames == 15 and sent.seconds >= 14 / 50


def test_a_late_frame_does_not_delay_the_others(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(
        "ksdiff_jax.export.live_sender.time.sleep", lambda s: now.__setitem__(0, now[0] + s)
    )

    def frames():
        for number in range(10):
            now[0] += 0.5 if number == 2 else 0.0
            yield number * 0.1, b"x"

    sent = send_frames(frames(), host="127.0.0.1", port=50321, clock=lambda: now[0])
    assert sent.seconds == pytest.approx(0.9) and sent.latest_s == pytest.approx(0.4)


def test_a_second_sender_and_a_host_that_is_not_there_are_refused():
    with only_sender(50322), pytest.raises(InputError, match="another `ksdiff-jax send`"):
        send_frames([(0.0, b"x")], host="127.0.0.1", port=50322)
    with pytest.raises(InputError, match="no such host"):
        send_frames([(0.0, b"x")], host="no-such-host.invalid", port=50323)


def test_a_port_where_nobody_listens_is_counted():
    sent = send_frames([(0.0, b"x"), (0.02, b"x"), (0.04, b"x")], host="127.0.0.1", port=50324)
    assert sent.refused >= 1


def test_ports_are_those_of_the_formats():
    assert PORTS == {"livelink": 11111, "vmc": 39539, "ifacialmocap": 49983}
