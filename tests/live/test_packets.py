"""The packets of the live protocols, read by readers that follow the descriptions of the protocols
alone.
"""

import re
import struct

import numpy as np
from scipy.spatial.transform import Rotation

from ksdiff_jax.export.live_link import CSV_ORDER, pascal_case, write_live_link
from ksdiff_jax.face.arkit import ARKIT_NAMES
from ksdiff_jax.live.frame import frames_of, stream_of
from ksdiff_jax.live.ifacialmocap import ifacialmocap_text
from ksdiff_jax.live.live_link_packet import live_link_packet
from ksdiff_jax.live.osc import message
from ksdiff_jax.live.vmc import vmc_bundle
from tests.export.takes import known_take
from tests.export.test_tables import read_live_link

# The example of iFacialMocap's own description: its looks show the signs of its angles.
IFACIALMOCAP_EXAMPLE = (
    "eyeLookIn_R-6|eyeLookDown_R-17|eyeLookOut_R-0|eyeLookIn_L-4|eyeLookDown_L-17|eyeLookOut_L-0|"
    "=head#-21.49,-6.04,-6.60,-0.03,-0.10,-0.66|rightEye#6.03,2.44,0.26|leftEye#6.03,-1.67,-0.18|"
)


def read_live_link_packet(data):
    """A reader with a device of fixed length, as some are, and one that reads its length."""
    (length,) = struct.unpack(">i", data[1:5])
    assert data[0] == 6 and length == 36 and data[:4] == b"\x06\x00\x00\x00"
    (name_length,) = struct.unpack(">i", data[41:45])
    rest = data[45 + name_length :]
    number, part, rate, per, count = struct.unpack(">ifiiB", rest[:17])
    assert len(rest) == 17 + 4 * count
    values = struct.unpack(f">{count}f", rest[17:])
    return data[45 : 45 + name_length].decode(), number + part, (rate, per), np.array(values)


def read_osc(data):
    """(address, values) of every message in a bundle or message."""
    if data.startswith(b"#bundle\0"):
        messages, rest = [], data[16:]
        while rest:
            (length,) = struct.unpack(">i", rest[:4])
            messages += read_osc(rest[4 : 4 + length])
            rest = rest[4 + length :]
        return messages

    def text(at):
        end = data.index(b"\0", at)
        return data[at:end].decode(), (end // 4 + 1) * 4

    address, at = text(0)
    tags, at = text(at)
    values = []
    for tag in tags[1:]:
        if tag == "s":
            value, at = text(at)
        else:
            (value,) = struct.unpack(f">{tag}", data[at : at + 4])
            at += 4
        values.append(value)
    assert at == len(data) and at % 4 == 0
    return [(address, values)]


def read_ifacialmocap(text):
    """Weights 0 to 100 and angles by name."""
    shapes, turns = text.split("=", 1)
    weights = {name: int(value) for name, value in re.findall(r"(\w+)-(\d+)\|", shapes)}
    parts = (part.split("#") for part in turns.strip("|").split("|"))
    return weights, {name: [float(value) for value in row.split(",")] for name, row in parts}


def test_the_live_link_packet_has_the_values_of_the_csv(tmp_path):
    take = known_take()
    write_live_link(tmp_path / "talk.csv", take)
    _, recorded = read_live_link(tmp_path / "talk.csv")
    angles = list(recorded)[52:]
    for number, (time_s, frame) in enumerate(stream_of(frames_of(take), fps=30)):
        data = live_link_packet(time_s, frame, subject="Ann É", fps=30)
        subject, count, rate, values = read_live_link_packet(data)
        assert (subject, count, rate) == ("Ann É", number, (30, 1))
        wanted = [recorded[name][number] for name in (*map(pascal_case, ARKIT_NAMES), *angles)]
        np.testing.assert_allclose(values, wanted, atol=1e-6)
    assert CSV_ORDER.index("jawRight") == 15 and ARKIT_NAMES.index("jawLeft") == 15


def test_live_link_states_broken_frame_rates_as_fractions():
    (frame, *_) = frames_of(known_take())
    _, count, rate, _ = read_live_link_packet(
        live_link_packet(1.5, frame, subject="s", fps=30000 / 1001)
    )
    assert rate == (30000, 1001) and abs(count - 1.5 * 30000 / 1001) < 1e-4


def test_osc_fills_texts_to_four_bytes_and_ends_them():
    assert message("/abc", 1) == b"/abc\0\0\0\0,i\0\0\0\0\0\1"
    assert read_osc(message("/a", "abcd", 0.5, 7)) == [("/a", ["abcd", 0.5, 7])]


def test_the_vmc_bundle_has_every_weight_and_the_head_in_unitys_axes():
    frame = frames_of(known_take())[7]
    read = read_osc(vmc_bundle(0.28, frame, subject="", fps=25))
    assert read[0] == ("/VMC/Ext/OK", [1]) and abs(read[1][1][0] - 0.28) < 1e-6
    assert read[-1] == ("/VMC/Ext/Blend/Apply", [])
    weights = dict(values for address, values in read if address == "/VMC/Ext/Blend/Val")
    assert list(weights) == [name[0].upper() + name[1:] for name in ARKIT_NAMES]
    np.testing.assert_allclose(list(weights.values()), frame.weights, atol=1e-6)
    bones = {v[0]: v[4:] for address, v in read if address == "/VMC/Ext/Bone/Pos"}
    assert bones.keys() == {"Head", "LeftEye", "RightEye"}
    mirror = np.diag([-1.0, 1, 1])  # between Unity's axes and ours
    for bone, own in (("Head", frame.head), ("LeftEye", frame.left_eye)):
        turn = Rotation.from_quat(bones[bone]).as_matrix()
        back = mirror @ turn @ mirror
        np.testing.assert_allclose(back, Rotation.from_rotvec(own).as_matrix(), atol=1e-6)


def test_ifacialmocap_text_has_the_names_and_signs_of_its_description():
    take = known_take()
    frame = frames_of(take)[10]
    weights, turns = read_ifacialmocap(
        ifacialmocap_text(0, frame, subject="", fps=30).decode("ascii")
    )
    assert len(weights) == 52 and {"eyeLookIn_R", "mouthLeft", "jawRight", "browInnerUp"} <= {
        *weights
    }
    expected = np.round(100 * frame.weights)
    assert [*weights.values()] == expected.tolist()
    x, y, z = np.radians(turns["head"][:3])
    turn = Rotation.from_euler("YXZ", [y, x, z])
    assert (turn * Rotation.from_rotvec(frame.head).inv()).magnitude() < 1e-5
    looks, example = read_ifacialmocap(IFACIALMOCAP_EXAMPLE)
    assert looks["eyeLookDown_R"] and example["rightEye"][0] > 0  # so a positive x is down
    assert looks["eyeLookIn_R"] and example["rightEye"][1] > 0  # and a positive y is to the left
    down, left = frame.left_eye[:2]  # in our axes x is down and y to the left
    assert np.sign(turns["leftEye"][:2]).tolist() == np.sign([down, left]).tolist()
