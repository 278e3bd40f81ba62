"""Requests for announced items that find nothing."""

from __future__ import annotations

from retrovue_daemon.service.live.vain import _MOST_REMEMBERED, FORGOTTEN_S, VainRequests


class _Time:
    now = 1_000.0


def test_the_wait_doubles_up_to_a_minute() -> None:
    """The first requests in vain cost nothing; one that finds something ends it."""
    time = _Time()
    vain = VainRequests(lambda: time.now)
    waits = []
    for _ in range(8):
        time.now += vain.wait("1")
        vain.begin(["1", "2"])
        waits.append(vain.wait("1"))
    assert waits == [0, 0, 5, 10, 20, 40, 60, 60]
    vain.found(["1"])
    assert (vain.wait("1"), vain.wait("2"), vain.wait("3")) == (0, 60, 0)


def test_what_was_long_ago_does_not_count() -> None:
    time = _Time()
    vain = VainRequests(lambda: time.now)
    for _ in range(9):
        vain.begin(["1"])
        time.now += FORGOTTEN_S
        assert vain.wait("1") == 0


def test_it_is_bounded() -> None:
    vain = VainRequests(lambda: 0.0)
    vain.begin(str(number) for number in range(_MOST_REMEMBERED * 3))
    assert len(vain._vain) <= _MOST_REMEMBERED
