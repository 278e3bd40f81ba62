"""Notifications to systemd: sd_notify(3) and its watchdog."""

from __future__ import annotations

import math
import os
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.clock import Clock

log = structlog.get_logger()

_LONGEST_STATUS: Final = 400
"""Characters. systemd discards a message of more than 4,096 bytes, and one character may take four."""

_REMEMBERED: Final = 8
"""State changes kept while the socket does not accept them: more than occur between a start and a stop."""


EXTENSION_PERIOD_S: Final = 10.0
"""Seconds between two extensions of a timeout."""


@dataclass(slots=True)
class Notifier:
    """Reports the state of the service to systemd; does nothing without a notification socket.

    Nothing here waits or raises. Messages that the socket does not accept at once are lost, except state changes
    (ready, reloading, stopping): systemd acts on those, so they are sent before the next message. `stopping` is the
    last state: no other follows it. ``watchdog_interval`` is the number of seconds between calls of `watchdog`, None
    if systemd does not watch this process.
    """

    address: bytes | None = None
    watchdog_interval: float | None = None
    _unsent: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED), init=False, repr=False)
    _has_failed: bool = field(default=False, init=False, repr=False)
    _is_stopping: bool = field(default=False, init=False, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Return a notifier set up from the environment that systemd gives a service."""
        address = os.fsencode(environ.get("NOTIFY_SOCKET", ""))
        if address.startswith(b"@"):
            address = b"\0" + address[1:]  # the kernel's form of an abstract socket name
        return cls(address or None, _watchdog_interval(environ))

    def ready(self, status: str | None = None) -> None:
        """Report that the start or a reload is over, including a refused reload."""
        self._send_state("READY=1", status)

    def reloading(self, status: str | None = None) -> None:
        """Report that a reload has started; `ready` must follow."""
        # systemd compares the time with that of its own request (Type=notify-reload).
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._send_state(f"RELOADING=1\nMONOTONIC_USEC={began}", status)

    def stopping(self, status: str | None = None) -> None:
        """Report that the service is stopping."""
        self._send_state("STOPPING=1", status)
        self._is_stopping = True

    def status(self, text: str) -> None:
        """Set the one-line status that systemctl shows; it must hold no secrets."""
        self._notify(_status(text))

    def watchdog(self) -> None:
        """Report that the service is alive."""
        if not self._is_stopping:
            self._notify("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Extend systemd's timeout of a start, reload or stop to this many seconds from now."""
        self._notify(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send_state(self, state: str, status: str | None) -> None:
        if self._is_stopping:
            return
        self._unsent.append((state if status is None else f"{state}\n{_status(status)}").encode())
        self._send_unsent()

    def _notify(self, message: str) -> None:
        if self._send_unsent():
            self._send(message.encode())

    def _send_unsent(self) -> bool:
        """Send the state changes that were not sent yet, and return whether all are sent now."""
        while self._unsent:
            if not self._send(self._unsent[0]):
                return False
            self._unsent.popleft()
        return True

    def _send(self, message: bytes) -> bool:
        if self.address is None:
            return True
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(message, self.address)
        except OSError as error:
            if not self._has_failed:
                log.warning("systemd.notify_failed", error=str(error), hint="systemd may take the service for hung")
            self._has_failed = True
            return False
        if self._has_failed:
            log.info("systemd.notify_recovered")
        self._has_failed = False
        return True


async def keep_extending_timeout(notifier: Notifier, clock: Clock, longest: float = math.inf) -> None:
    """Extend systemd's timeout regularly, until cancelled or for ``longest`` seconds.

    A start may upgrade the schema of a large database; a reload may wait for another program's lock and recomputes
    local paths.
    """
    until = clock.monotonic() + longest
    while clock.monotonic() < until:
        notifier.extend_timeout(3 * EXTENSION_PERIOD_S)
        await clock.sleep(EXTENSION_PERIOD_S)


def _status(text: str) -> str:
    """Return a one-line assignment: a line end in it would start another assignment."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return "STATUS=" + (line if len(line) <= _LONGEST_STATUS else line[: _LONGEST_STATUS - 1] + "…")


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Return half of systemd's watchdog timeout, as sd_watchdog_enabled(3) recommends."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started this one
    return int(microseconds) / 2_000_000 if microseconds.isdecimal() and int(microseconds) else None
