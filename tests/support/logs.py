"""Log lines as they are written: by a process, or in this one."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping


@contextmanager
def logging_kept() -> Iterator[None]:
    """Restore what a test sets up for the whole process: structlog, and the root logger of the standard library."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)  # an assignment would leave what loggers remember of it
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()


@contextmanager
def events_recorded() -> Iterator[Events]:
    """Record the log lines of this process, and write none."""
    before = structlog.get_config()
    recorder = Events()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, recorder],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    try:
        yield recorder
    finally:
        structlog.configure(**before)


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


class Events:
    """The log lines of this process, as they come; without those of the single requests, which are many."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._read = 0
        self._arrived = asyncio.Event()

    def __call__(self, _logger: object, method: str, line: MutableMapping[str, Any]) -> NoReturn:
        """Work as a structlog processor."""
        if line["event"] != "http.request":
            self.lines.append({"level": method, **line})
            self._arrived.set()
        raise structlog.DropEvent

    async def next(self, event: str, **keys: object) -> dict[str, Any]:
        """Wait for the next line that says this; lines before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._read < len(self.lines):
                    line = self.lines[self._read]
                    self._read += 1
                    if line["event"] == event and all(line.get(key) == value for key, value in keys.items()):
                        return line
                self._arrived.clear()
                await self._arrived.wait()

    async def count(self, number: int, event: str, **keys: object) -> list[dict[str, Any]]:
        """Wait for so many lines that say this."""
        return [await self.next(event, **keys) for _ in range(number)]

    def of(self, event: str, **keys: object) -> list[dict[str, Any]]:
        """Return all lines so far that say this."""
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(key) == value for key, value in keys.items())
        ]
