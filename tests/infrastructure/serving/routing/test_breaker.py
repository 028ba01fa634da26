"""The breaker, by times that the test gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.serving.routing import Breaker, BreakerSettings


def test_failures_in_a_row_open_it_and_each_failed_probe_doubles_the_rest() -> None:
    breaker = Breaker()
    now = 0.0
    for _ in range(5):
        assert breaker.admit(now)
        breaker.failed(now)
    rests = []
    for _ in range(8):
        assert breaker.state == "open"
        assert not breaker.admit(now)
        rest = breaker.rests_s(now)
        assert not breaker.admit(now + rest - 0.001)
        now += rest
        assert breaker.admit(now)
        assert not breaker.admit(now)
        breaker.failed(now)
        rests.append(rest)
    assert rests == [2, 4, 8, 16, 32, 60, 60, 60]
    now += 60
    assert breaker.admit(now)
    breaker.succeeded(now)
    assert (breaker.state, breaker.rests_s(now)) == ("closed", 0)
    for _ in range(5):
        breaker.failed(now)
    assert breaker.rests_s(now) == 2


def test_a_success_between_failures_counts_by_share() -> None:
    breaker, states = Breaker(), []
    for turn in range(40):
        assert breaker.admit(turn * 0.1)
        (breaker.succeeded if turn % 3 else breaker.failed)(turn * 0.1)
    states.append(breaker.state)
    for turn in range(40):
        if breaker.admit(4.0):
            (breaker.succeeded if turn % 2 else breaker.failed)(4.0)
            breaker.failed(4.0)
    assert [*states, breaker.state] == ["closed", "open"]


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker(BreakerSettings(consecutive_max=10**9))
    for turn in range(19):
        breaker.failed(float(turn) / 100)
    for turn in range(20):
        breaker.succeeded(100.0 + turn)
    breaker.failed(120.0)
    assert breaker.state == "closed"


def test_a_probe_that_nobody_finished_is_free_again() -> None:
    breaker = Breaker()
    for _ in range(5):
        breaker.failed(0.0)
    assert breaker.admit(3.0)
    assert not breaker.admit(3.0)
    breaker.abandoned()
    assert breaker.admit(3.0)
    breaker.limited(3.0, 10.0)
    assert not breaker.admit(12.9)
    assert breaker.admit(13.0)


@given(st.lists(st.tuples(st.sampled_from("sfla"), st.floats(0, 30)), max_size=60))
def test_whatever_happens_it_lets_something_through_again(steps: list[tuple[str, float]]) -> None:
    """Liveness: from every state, after the longest rest and with no probe running, a request passes; and half open, never two at a time."""
    breaker, now = Breaker(), 0.0
    for what, seconds in steps:
        now += seconds
        if breaker.admit(now):
            if breaker.state == "half_open":
                assert not breaker.admit(now)
            if what == "s":
                breaker.succeeded(now)
            elif what == "f":
                breaker.failed(now)
            elif what == "l":
                breaker.limited(now, 1e9)
            else:
                breaker.abandoned()
    assert breaker.rests_s(now) <= 60.001
    assert breaker.admit(now + 60.001)
