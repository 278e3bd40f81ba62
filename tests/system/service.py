"""A real process of the service, and what it says: log lines, and notices for systemd."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 20
"""Seconds after which a test gives up on what it waits for."""


class Log:
    """The log lines of a process, as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self._process = process

    async def next(self, *events: str, **keys: object) -> dict[str, Any]:
        """Read on until a line says one of these."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._process.stdout.readline():
                self.text += line.decode()
                told = json.loads(line)
                self.lines.append(told)
                if told["event"] in events and all(told.get(key) == value for key, value in keys.items()):
                    return told
        raise AssertionError(f"the process ended before {events}: {self.lines}")

    async def count(self, number: int, event: str, **keys: object) -> None:
        """Read on until so many lines say this, those included that were read while something else was looked for."""
        found = sum(
            line["event"] == event and all(line.get(key) == value for key, value in keys.items())
            for line in self.lines
        )
        for _ in range(number - found):
            await self.next(event, **keys)

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """End the process by a signal, within ten seconds; return its exit code and what it had to complain about."""
        self._process.send_signal(number)
        async with asyncio.timeout(10):
            out, err = await self._process.communicate()
        self.text += out.decode()
        self.lines += [json.loads(line) for line in out.splitlines()]
        assert self._process.returncode is not None
        return self._process.returncode, err.decode()


class NotifySocket:
    """The service manager's end of the socket to which ``$NOTIFY_SOCKET`` leads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    async def next(self, wanted: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """Read on until a message is what is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = (await asyncio.get_running_loop().sock_recv(self._socket, 65_536)).decode()
                told = dict(line.split("=", 1) for line in message.split("\n"))
                self.heard.append(told)
                if wanted(told):
                    return told

    def close(self) -> None:
        self._socket.close()


def mask_of(process: asyncio.subprocess.Process, kind: str) -> int:
    """Return which signals a process blocks (SigBlk), ignores (SigIgn) or catches (SigCgt): proc_pid_status(5)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1], 16)
    return 0


def has(mask: int, number: int) -> bool:
    """Tell whether a signal is in a mask."""
    return bool(mask >> (number - 1) & 1)
