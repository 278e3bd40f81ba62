"""Wrong tokens are counted, per address and in total: after a few, everyone waits."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.clock import Clock

PER_ADDRESS = 5
"""Wrong tokens that one address may send at once."""

ADDRESS_S = 30.0
"""Seconds after which it may send another one."""

IN_TOTAL = 50
TOTAL_S = 1.0

MOST_ADDRESSES = 1000


class _Allowance:
    """A number of attempts that grows back with time."""

    def __init__(self, most: int, step_s: float, now: float) -> None:
        self._most = most
        self._step_s = step_s
        self._left = float(most)
        self._at = now

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next attempt is allowed; 0.0 if it is now."""
        self._left = min(self._most, self._left + (now - self._at) / self._step_s)
        self._at = now
        return 0.0 if self._left >= 1 else (1 - self._left) * self._step_s

    def spend(self) -> None:
        self._left -= 1


class Attempts:
    """The wrong tokens of the last minutes; memory is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = _Allowance(IN_TOTAL, TOTAL_S, clock.monotonic())
        self._addresses: OrderedDict[str, _Allowance] = OrderedDict()

    def wait_s(self, address: str | None) -> float:
        """Return for how many seconds no token of this address is looked at."""
        now = self._clock.monotonic()
        of_address = self._addresses.get(_network(address))
        return max(self._total.wait_s(now), of_address.wait_s(now) if of_address else 0.0)

    def failed(self, address: str | None) -> None:
        """Count a wrong token."""
        key, now = _network(address), self._clock.monotonic()
        allowance = self._addresses.pop(key, None) or _Allowance(PER_ADDRESS, ADDRESS_S, now)
        self._addresses[key] = allowance
        if len(self._addresses) > MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        for each in (allowance, self._total):
            each.wait_s(now)
            each.spend()


def _network(address: str | None) -> str:
    """Return what counts as one sender: an IPv4 address, or the 64 bits of IPv6 that name a network."""
    try:
        parsed = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
