"""Output streams for log lines that never fail and never block, even if nothing reads them."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

import structlog

if TYPE_CHECKING:
    from types import TracebackType

log = structlog.get_logger()

LONGEST_QUEUE: Final = 10_000
"""The maximum number of lines that wait for a reader."""

CLOSING_S: Final = 2.0
"""Seconds to wait for the last lines at the end: a reader that is blocked may stay so."""


class Unfailing:
    """A stream that drops lines on errors, such as a closed pipe or a full disk, so that the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; ignore errors."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; ignore errors."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        with suppress(ValueError):
            return self._stream.isatty()
        return False

    def as_stream(self) -> TextIO:
        """Return the object typed as TextIO; loggers use only the methods defined here."""
        return cast("TextIO", self)


class Outlet:
    """Writes to a stream in a separate thread, during its ``with`` block.

    Otherwise a pipe that is not read, or a stopped terminal, would block the event loop, and with it signals and the
    watchdog messages to systemd. If the queue is full, lines are dropped and counted. The thread writes directly to
    the file descriptor, so that the exit of the process never waits for a lock of the stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self.encoding = stream.encoding
        self._stream = stream
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._lost = 0
        self._counting = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._write_lines, name="log lines", daemon=True)

    def __enter__(self) -> Self:
        self._stream.flush()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._report_lost(LONGEST_QUEUE)
        self._is_closed = True
        self._lines.put(None)
        self._thread.join(CLOSING_S)

    def write(self, text: str) -> int:
        """Queue a text; after the ``with`` block, write it at once, unless the reader is still blocked."""
        if not self._is_closed:
            self._queue(text)
        elif not self._thread.is_alive():
            self._put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: the thread writes queued lines as soon as it can."""

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return self._stream.isatty()

    def as_stream(self) -> TextIO:
        """Return the object typed as TextIO; loggers use only the methods defined here."""
        return cast("TextIO", self)

    def _queue(self, text: str) -> None:
        if self._lines.qsize() < LONGEST_QUEUE:
            self._lines.put(text)
        else:
            with self._counting:
                self._lost += 1

    def _report_lost(self, most_waiting: int) -> None:
        """Log the number of lost lines, once at most ``most_waiting`` lines are queued.

        Never call this from ``write``: its caller holds a logger's lock, and this logs a line itself.
        """
        if not self._lost or self._lines.qsize() > most_waiting:
            return
        with self._counting:
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("log.lines_lost", lines=lost, hint="the reader of the log was blocked for a while")

    def _write_lines(self) -> None:
        while (text := self._lines.get()) is not None:
            self._put(text)
            self._report_lost(LONGEST_QUEUE // 2)

    def _put(self, text: str) -> None:
        """Write a whole text, however long that takes; on an error, drop it."""
        content = memoryview(text.encode(self.encoding, "backslashreplace"))
        with suppress(OSError, ValueError):
            while content:
                try:
                    content = content[os.write(self.fileno(), content) :]
                except BlockingIOError:  # another process that shares the stream made it non-blocking
                    select.select([], [self.fileno()], [])
