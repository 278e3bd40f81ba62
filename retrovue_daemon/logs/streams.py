"""Where log lines go: streams that neither fail nor hold anything up, whoever reads them."""

from __future__ import annotations

import os
import select
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

log = structlog.get_logger()

LONGEST_QUEUE: Final = 10_000
"""Lines that wait for a reader."""

CLOSING_S: Final = 2.0
"""Seconds that the last lines may take: a reader who has not read so far may never do."""


class Unfailing:
    """A stream whose reader may go away or whose disk may fill: lines are lost then, the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether people read it."""
        with suppress(ValueError):
            return self._stream.isatty()
        return False

    def as_stream(self) -> TextIO:
        """Return the object as what loggers expect; they use no more than is here."""
        return cast("TextIO", self)


class Outlet:
    """Writes to a stream in a thread of its own, for as long as its ``with`` block.

    A pipe whose reader sleeps, or a terminal that was stopped, would otherwise stop the event loop with a line, and
    with that signals and all that tells systemd of life. Lines that find no room are lost, and counted. The thread
    writes to the descriptor itself: the end of the process never waits for a lock of the stream's.
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
        self._tell_lost(LONGEST_QUEUE)
        self._is_closed = True
        self._lines.put(None)
        self._thread.join(CLOSING_S)

    def write(self, text: str) -> int:
        """Have a text written as soon as may be; after the block at once, unless the reader has stopped reading."""
        if not self._is_closed:
            self._queue(text)
        elif not self._thread.is_alive():
            self._put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what was handed in is on its way."""

    def fileno(self) -> int:
        """Return the stream's descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Tell whether people read it."""
        return self._stream.isatty()

    def as_stream(self) -> TextIO:
        """Return the object as what loggers expect; they use no more than is here."""
        return cast("TextIO", self)

    def _queue(self, text: str) -> None:
        if self._lines.qsize() < LONGEST_QUEUE:
            self._lines.put(text)
        else:
            with self._counting:
                self._lost += 1

    def _tell_lost(self, most_waiting: int) -> None:
        """Say how many lines were lost, once no more than these wait.

        Never while a line is handed in: whoever does that holds the lock of a logger, and this is a line itself.
        """
        if not self._lost or self._lines.qsize() > most_waiting:
            return
        with self._counting:
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("log.lines_lost", lines=lost, hint="whoever reads the log did not read for a while")

    def _write_lines(self) -> None:
        while (text := self._lines.get()) is not None:
            self._put(text)
            self._tell_lost(LONGEST_QUEUE // 2)

    def _put(self, text: str) -> None:
        """Write all of a text, however long it takes; a stream that takes nothing costs the line."""
        content = memoryview(text.encode(self.encoding, "backslashreplace"))
        with suppress(OSError, ValueError):
            while content:
                try:
                    content = content[os.write(self.fileno(), content) :]
                except BlockingIOError:  # whoever shares it has made it so
                    select.select([], [self.fileno()], [])


def journal_stream(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Tell whether a stream leads into the journal, and not where somebody has redirected it to.

    systemd names the device and the inode of the socket that it connected (systemd.exec(5), ``$JOURNAL_STREAM``).
    """
    try:
        found = os.fstat(stream.fileno())
    except (AttributeError, OSError, ValueError):  # no file at all, or a closed one
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
