"""`ksdiff-jax send` and its sockets, on loopback."""

import errno
import socket

import numpy as np
import pytest

from ksdiff_jax.cli.main import main
from ksdiff_jax.errors import InputError
from ksdiff_jax.live import destination
from ksdiff_jax.live.destination import Destination
from ksdiff_jax.live.frame import frames_of, stream_of
from ksdiff_jax.live.ports import PORTS
from ksdiff_jax.live.senders import PACKETS, send
from tests.export.takes import known_take
from tests.live.test_packets import read_live_link_packet


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """The locks of senders are in the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(5)
        yield own


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_of(receiver):
    return receiver.getsockname()[1]


def test_every_protocol_has_a_port():
    assert PACKETS.keys() == PORTS.keys()


def test_a_receiver_gets_every_frame_in_order_and_from_this_machine(receiver):
    take = known_take(seconds=0.2, fps=60.0)
    with Destination("127.0.0.1", port_of(receiver)) as place:
        done = send(
            stream_of(frames_of(take), fps=60),
            [(PACKETS["livelink"], place)],
            subject="talk",
            fps=60,
        )
    assert done.sent == 12 and place.refused == 0
    for number, weights in enumerate(take.arkit):
        data, (host, _) = receiver.recvfrom(4096)
        subject, count, rate, values = read_live_link_packet(data)
        assert (host, subject, count, rate) == ("127.0.0.1", "talk", number, (60, 1))
        np.testing.assert_allclose(values[:52], weights, atol=1e-6)


def test_a_stream_without_end_goes_round_with_growing_times():
    frames = frames_of(known_take(seconds=0.2, fps=25.0))
    stream = stream_of(frames, fps=25, endless=True)
    got = [next(stream) for _ in range(12)]
    np.testing.assert_allclose([time_s for time_s, _ in got], np.arange(12) / 25)
    assert got[5][1] is frames[0] and got[11][1] is frames[1]


def test_a_receiver_that_starts_later_gets_the_rest():
    port, frames = free_port(), frames_of(known_take(seconds=0.2, fps=50.0))
    told = []
    with (
        Destination("127.0.0.1", port) as place,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late,
    ):

        def stream():
            for number, (time_s, frame) in enumerate(stream_of(frames, fps=50)):
                if number == 5:
                    late.bind(("127.0.0.1", port))
                yield time_s, frame

        to = [(PACKETS["livelink"], place)]
        send(stream(), to, subject="s", fps=50, refused=told.append)
        late.settimeout(5)
        numbers = [read_live_link_packet(late.recv(4096))[1] for _ in range(5)]
    assert numbers == [5, 6, 7, 8, 9] and told == [place] and place.refused >= 4


def test_a_host_whose_network_reports_packets_as_lost_to_the_end_is_absent(monkeypatch):
    class Network:
        """A socket whose network reports the loss of one packet in four, as routers do."""

        sent, lossy = 0, True

        def send(self, packet):
            self.sent += 1
            if self.lossy and self.sent % 5 == 4:
                raise OSError(errno.EHOSTUNREACH, "No route to host")

        def close(self):
            pass

    network, now = Network(), [100.0]
    monkeypatch.setattr(destination.time, "monotonic", lambda: now[0])
    with Destination("127.0.0.1", free_port()) as place:
        assert not place.absent
        place._socket.close()
        place._socket, place._near = network, False
        taken = [place.send(b"packet") for _ in range(20)]
        assert place.absent and place.refused == taken.count(False) == 5
        network.lossy, now[0] = False, now[0] + destination.REPORTED_WITHIN_S
        place.send(b"packet")
        assert not place.absent


def test_two_senders_to_one_receiver_are_one_too_many(receiver):
    port = port_of(receiver)
    with Destination("127.0.0.1", port):
        with pytest.raises(InputError, match="another `ksdiff-jax send` is sending there"):
            Destination("localhost", port)
        Destination("127.0.0.1", free_port()).close()
    Destination("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--to", "livelink", "--host", "no.such.host.invalid"], "has no address"),
        (["--to", "livelink", "--host", "127.0.0.1", "--port", "70000"], "need 1 to 65535"),
        (["--to", "livelink", "--from-port", "IN_USE"], "which is in use"),
        (["--to", "livelink", "--fps", "0"], "need a positive number"),
        (["--to", "livelink", "--fps", "nan"], "need a positive number"),
        (["--to", "livelink", "vmc", "--port", "5000"], "send to each on its own"),
        (["--to", "livelink", "--subject", ""], "subject: got ''"),
        (["--to", "livelink", "--port", "FREE"], "no such file"),
        (["--to", "osc"], "invalid choice"),
    ],
)
def test_each_mistake_is_one_line_with_status_two(options, said, receiver, tmp_path, capsys):
    given = {"IN_USE": str(port_of(receiver)), "FREE": str(free_port())}
    command = ["send", str(tmp_path / "a.motion.npz"), *(given.get(o, o) for o in options)]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.slow
def test_the_command_plays_a_motion_file_and_names_a_receiver_that_is_absent(
    receiver, tmp_path, capsys
):
    path = known_take(seconds=0.4).motion.save(tmp_path / "talk.motion.npz")
    command = ["send", str(path), "--to", "livelink", "--fps", "50"]
    assert main([*command, "--port", str(port_of(receiver))]) == 0
    assert "sent 20 frames" in capsys.readouterr().out
    assert read_live_link_packet(receiver.recv(4096))[:3] == ("talk", 0, (50, 1))
    assert main([*command, "--port", str(free_port())]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothing listened there" in line
