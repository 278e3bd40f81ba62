"""What systemd hears of the service, and what it wants of it: sd_notify(3) and its watchdog."""

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
"""Characters. systemd throws a message of more than 4,096 bytes away, and one character may take four."""

_REMEMBERED: Final = 8
"""Changes of state that wait for a socket that takes them: more than lie between a start and an end."""


ASKING_S: Final = 10.0
"""Seconds between two words that ask for patience."""


@dataclass(slots=True)
class Notifier:
    """Tells systemd how the service is; without a socket, which means that systemd did not ask, it does nothing.

    Nothing here waits or raises. What the socket does not take at once is lost, but for changes of state (ready,
    reloading, stopping): those go ahead of the next message, because systemd acts on them. After `stopping` no other
    state is told: it is the last one. ``watchdog_interval`` is how often `watchdog` should be called, in seconds;
    None where systemd keeps no watch on this process.
    """

    address: bytes | None = None
    watchdog_interval: float | None = None
    _owed: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED), init=False, repr=False)
    _has_failed: bool = field(default=False, init=False, repr=False)
    _is_stopping: bool = field(default=False, init=False, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Make one from what systemd puts into the environment of a service."""
        address = os.fsencode(environ.get("NOTIFY_SOCKET", ""))
        if address.startswith(b"@"):
            address = b"\0" + address[1:]  # how the kernel marks a name that is no file
        return cls(address or None, _watchdog_interval(environ))

    def ready(self, status: str | None = None) -> None:
        """Say that the start, or a reload, is over: also after a reload that was refused."""
        self._tell_state("READY=1", status)

    def reloading(self, status: str | None = None) -> None:
        """Say that a reload has begun; `ready` has to follow."""
        # systemd compares the time with that of its own request (Type=notify-reload).
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._tell_state(f"RELOADING=1\nMONOTONIC_USEC={began}", status)

    def stopping(self, status: str | None = None) -> None:
        """Say that the service is on its way to its end."""
        self._tell_state("STOPPING=1", status)
        self._is_stopping = True

    def status(self, text: str) -> None:
        """Show one line, without secrets, to whoever asks systemd how the service is."""
        self._tell(_status(text))

    def watchdog(self) -> None:
        """Say that the service is alive."""
        if not self._is_stopping:
            self._tell("WATCHDOG=1")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for this long, from now, before systemd gives up a start, a reload or a stop that is still at work."""
        self._tell(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _tell_state(self, state: str, status: str | None) -> None:
        if self._is_stopping:
            return
        self._owed.append((state if status is None else f"{state}\n{_status(status)}").encode())
        self._pay()

    def _tell(self, message: str) -> None:
        if self._pay():
            self._send(message.encode())

    def _pay(self) -> bool:
        """Send what systemd has to know and has not heard yet; tell whether it knows all now."""
        while self._owed:
            if not self._send(self._owed[0]):
                return False
            self._owed.popleft()
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
    """Ask for patience again and again, until cancelled or for so many seconds: what is at work may take long.

    At a start the schema of a large database is brought up to date; a reload may wait for another program's lock, and
    computes local paths anew.
    """
    until = clock.monotonic() + longest
    while clock.monotonic() < until:
        notifier.extend_timeout(3 * ASKING_S)
        await clock.sleep(ASKING_S)


def _status(text: str) -> str:
    """Make an assignment of one line: a line end in it would begin another assignment."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return "STATUS=" + (line if len(line) <= _LONGEST_STATUS else line[: _LONGEST_STATUS - 1] + "…")


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    """Return half of what systemd waits for a sign of life, as sd_watchdog_enabled(3) recommends."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for the process that started this one
    return int(microseconds) / 2_000_000 if microseconds.isdecimal() and int(microseconds) else None
