"""Wrong tokens, counted without a server."""

from __future__ import annotations

from retrovue_daemon.web.attempts import ADDRESS_S, IN_TOTAL, MOST_ADDRESSES, PER_ADDRESS, TOTAL_S, Attempts
from tests.support.clocks import SetClock


class StoppedClock(SetClock):
    """A clock that only a test moves."""

    def monotonic(self) -> float:
        return float(self.lived)


def test_each_address_has_its_own_tries() -> None:
    """They come back with time, and never more than there were."""
    clock = StoppedClock()
    attempts = Attempts(clock)
    for _ in range(PER_ADDRESS):
        assert attempts.wait_s("192.0.2.1") == 0
        attempts.failed("192.0.2.1")
    assert attempts.wait_s("192.0.2.1") == ADDRESS_S
    assert attempts.wait_s("192.0.2.2") == 0
    clock.lived += 100_000
    for _ in range(PER_ADDRESS):
        assert attempts.wait_s("192.0.2.1") == 0
        attempts.failed("192.0.2.1")
    assert attempts.wait_s("192.0.2.1") > 0


def test_a_network_of_ipv6_is_one_address() -> None:
    """A machine has billions of them; an IPv4 address in its other form is the same."""
    clock = StoppedClock()
    attempts = Attempts(clock)
    for number in range(PER_ADDRESS):
        attempts.failed(f"2001:db8::{number}")
        attempts.failed("::ffff:192.0.2.1")
    assert attempts.wait_s("2001:db8::ffff") > 0
    assert attempts.wait_s("2001:db8:0:1::1") == 0
    assert attempts.wait_s("192.0.2.1") > 0
    assert attempts.wait_s("fe80::1%eth0") == 0
    assert attempts.wait_s(None) == 0


def test_many_addresses_share_a_total_and_take_no_memory() -> None:
    """One try per second for all of them."""
    clock = StoppedClock()
    attempts = Attempts(clock)
    for number in range(IN_TOTAL):
        attempts.failed(f"10.0.0.{number}")
    assert attempts.wait_s("192.0.2.1") == TOTAL_S
    for number in range(2 * MOST_ADDRESSES):
        clock.lived += 1
        attempts.failed(f"10.1.{number // 250}.{number % 250}")
    assert len(attempts._addresses) == MOST_ADDRESSES
