"""When frames are sent, on a clock that the test turns."""

from ksdiff_jax.live.clock import Punctuality, on_time


class Clock:
    """Seconds that pass while somebody sleeps, with an overshoot as on a real machine."""

    def __init__(self, overshoot=0.0):
        self.now_s, self.overshoot = 1000.0, overshoot

    def sleep(self, seconds):
        self.now_s += seconds + self.overshoot

    def now(self):
        return self.now_s


def passed(clock, stream, cost=0.0):
    punctuality, at = Punctuality(), []
    for time_s, _ in on_time(iter(stream), punctuality, now=clock.now, sleep=clock.sleep):
        at.append((time_s, clock.now() - 1000.0))
        clock.now_s += cost
    return at, punctuality


def test_an_hour_does_not_drift_although_every_sleep_is_too_long():
    frames = [(number * 1.2, None) for number in range(3000)]
    at, punctuality = passed(Clock(overshoot=0.001), frames, cost=0.002)
    assert len(at) == punctuality.sent == len(frames)
    assert max(real - due for due, real in at) < 0.0011 and min(r - d for d, r in at) > -1e-6
    assert 0.0009 < punctuality.latest_s < 0.0011


def test_times_count_from_the_first_frame():
    at, _ = passed(Clock(), [(5.0, None), (5.5, None)])
    assert [round(real, 9) for _, real in at] == [0.0, 0.5]


def test_what_was_due_long_ago_is_left_out_and_counted():
    clock = Clock()

    def stalling():
        yield 0.0, None
        clock.now_s += 1.0  # the source stalls for a second
        for number in range(1, 20):
            yield number * 0.1, None

    at, punctuality = passed(clock, stalling())
    assert punctuality.left_out == 7 and punctuality.sent == 13  # 0.1 to 0.7 are too late
    assert round(at[1][0], 3) == 0.8 and round(at[-1][1], 3) == 1.9
