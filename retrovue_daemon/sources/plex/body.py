"""The body of a response: read completely, decompressed, within its limit and within the memory that all share."""

from __future__ import annotations

import asyncio
import zlib
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Final, Self

from retrovue_daemon.errors import AnswerTooLarge, BadAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    import aiohttp

MOST_IN_FLIGHT: Final = 32 * 1024 * 1024
"""Bytes of all bodies that are read, or wait for their reader, at the same time."""

LARGEST_BODY: Final = 16 * 1024 * 1024
"""Bytes of one body after decompression: 7,000 episodes. A larger page is requested in halves."""

DECODED_PER_TURN: Final = 1024 * 1024
"""Bytes of JSON, which take about 8 ms."""

_LARGE: Final = 4 * 1024 * 1024
"""Bytes of a body from which on its pieces are freed while they are joined, which takes longer."""


class BodyBudget:
    """Bounds the memory of all bodies; one object serves all clients of a process.

    Bodies share ``most`` bytes, less the size of one largest body: that part is reserved for a single body whose
    reader waits for it. Such a body always gets to its end, so a page that was fetched too early can wait for memory
    without blocking the page in front of it.
    """

    def __init__(self, most: int = MOST_IN_FLIGHT, largest: int = LARGEST_BODY) -> None:
        self.most = most
        self.largest = largest
        self.used = 0
        """Bytes of all bodies now."""
        self.peak = 0
        self.decoding = asyncio.Lock()
        """Held while a body is decoded in a thread: one at a time, because that takes as much memory again."""
        self.turn = DecodingTurn()
        self._first: BodyShare | None = None
        self.changed = asyncio.Event()
        """Set, and replaced, when bytes are given back."""

    def share(self, server: str, wanted: asyncio.Event | None = None, *, largest: int | None = None) -> BodyShare:
        """Return the share of one body of a server, to be entered as a context for as long as the body exists.

        ``wanted`` is set as soon as its reader waits for it; None if that is so from the beginning. ``largest`` is
        the largest size of this body.
        """
        return BodyShare(self, server, wanted, min(self.largest, largest or self.largest))

    def admits(self, share: BodyShare, size: int) -> bool:
        """Return whether a share may grow now; it gets the reserved part if it needs that."""
        if self._first is share or self.used + size <= self.most - self.largest:
            return True
        if self._first is None and share.is_wanted:
            self._first = share
            return True
        return False

    def add(self, size: int) -> None:
        """Count bytes that a body has taken."""
        self.used += size
        self.peak = max(self.peak, self.used)

    def release(self, share: BodyShare) -> None:
        """Take back what a body had."""
        self.used -= share.size
        if self._first is share:
            self._first = None
        self.changed.set()
        self.changed = asyncio.Event()


class DecodingTurn:
    """Bounds what is decoded in one turn of the event loop: the pages of many servers may arrive in the same one.

    Bodies that wait for the next turn do so in their order.
    """

    def __init__(self, most: int = DECODED_PER_TURN) -> None:
        self._most = most
        self._decoded = 0
        """Bytes in the current turn."""
        self._order = asyncio.Lock()
        self._ended = asyncio.Event()

    async def begin(self, size: int) -> None:
        """Wait for a turn in which ``size`` bytes may be decoded; a turn's first body may have any size."""
        async with self._order:
            while self._decoded and self._decoded + size > self._most:
                self._ended.clear()
                await self._ended.wait()
        if not self._decoded:
            # Not call_soon: timers come last in a turn, so that one that is due would wait for two bodies.
            asyncio.get_running_loop().call_later(0, self._end)
        self._decoded += size

    def _end(self) -> None:
        self._decoded = 0
        self._ended.set()


class BodyShare:
    """The memory of one body of a ``server``, and its ``content``, which is emptied when the share is left.

    Otherwise, an exception could keep it alive: through its traceback, the variables of all functions that it left.
    """

    def __init__(self, budget: BodyBudget, server: str, wanted: asyncio.Event | None, largest: int) -> None:
        self.server = server
        self._largest = largest
        self._budget = budget
        self._wanted = wanted
        self.content = b""
        self._pieces: list[bytes] = []
        self.size = 0
        self.received = 0
        """Bytes as they were sent, which are fewer if they are compressed."""
        self.deadline: asyncio.Timeout | None = None
        """The deadline of the response, which stands still while the body waits for memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._budget.release(self)
        self.size = 0
        self.content = b""
        self._pieces.clear()

    @property
    def is_wanted(self) -> bool:
        """Whether the reader waits for the body."""
        return self._wanted is None or self._wanted.is_set()

    def check(self, size: int) -> None:
        """Raise AnswerTooLarge if a body of this size is too large."""
        if size > self._largest:
            raise AnswerTooLarge(self.server, f"a body of more than {self._largest} bytes")

    async def add(self, piece: bytes) -> None:
        """Append a piece as soon as there is memory for it. Raise AnswerTooLarge if it makes the body too large."""
        size = len(piece)
        self.check(self.size + size)
        budget = self._budget
        if not budget.admits(self, size):
            with self._deadline_stopped():
                while not budget.admits(self, size):
                    await self._changed()
        budget.add(size)
        self.size += size
        self._pieces.append(piece)

    def join(self) -> None:
        """Make the pieces the ``content``."""
        # Pieces that are joined at the end leave fewer gaps in the process's memory than a block that grows.
        if self.size < _LARGE:
            self.content = b"".join(self._pieces)
        else:
            whole = BytesIO()
            for number, piece in enumerate(self._pieces):
                whole.write(piece)
                self._pieces[number] = b""
            self.content = whole.getvalue()
        self._pieces.clear()

    @contextmanager
    def _deadline_stopped(self) -> Iterator[None]:
        when = self.deadline.when() if self.deadline is not None else None
        if self.deadline is None or when is None:
            yield
            return
        now = asyncio.get_running_loop().time
        left = when - now()
        self.deadline.reschedule(None)
        yield
        self.deadline.reschedule(now() + left)

    async def _changed(self) -> None:
        """Wait until another body was dropped, or the reader waits for this one."""
        events = [self._budget.changed]
        if self._wanted is not None and not self._wanted.is_set():
            events.append(self._wanted)
        waits = [asyncio.create_task(event.wait(), name="memory for a body") for event in events]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


UNPACKED_AT_ONCE: Final = 256 * 1024
"""Bytes, less than a millisecond of work: a few kilobytes may decompress to hundreds of megabytes."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_PLAIN: Final = frozenset({"", "identity"})
_ZIPPED: Final = frozenset({"gzip", "x-gzip"})
"""Two names for the same encoding (RFC 9110, 8.4.1.3)."""


async def read_body(response: aiohttp.ClientResponse, share: BodyShare) -> None:
    """Read a body into ``share``, whose memory it takes; after decompression, it is at most as large as that allows.

    aiohttp raises if a body is shorter than announced. Raise AnswerTooLarge, or BadAnswer if its compression is
    unknown, broken or incomplete: aiohttp does not always notice a broken connection in that case.
    """
    encoding = _encoding(response)
    broken: str | None = None
    if encoding in _PLAIN:
        share.check(response.content_length or 0)
        async for chunk in response.content.iter_any():
            share.received += len(chunk)
            await share.add(chunk)
    elif encoding in _ZIPPED:
        try:
            await _unzip(response, share)
        except zlib.error as error:
            broken = f"a compressed body that is broken: {error}"
    else:
        broken = f"a body in the compression {encoding[:20]!r}, which was not asked for"
    if broken is not None:
        raise BadAnswer(share.server, broken)
    share.join()


async def read_start(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Read the beginning of a body, at most ``most`` bytes before and after decompression; b"" if it is broken."""
    start = b""
    while len(start) < most and (piece := await response.content.read(most - len(start))):
        start += piece
    encoding = _encoding(response)
    if encoding in _PLAIN:
        return start
    try:
        return zlib.decompressobj(_GZIP).decompress(start, most) if encoding in _ZIPPED else b""
    except zlib.error:
        return b""


def _encoding(response: aiohttp.ClientResponse) -> str:
    return response.headers.get("Content-Encoding", "").strip().lower()


async def _unzip(response: aiohttp.ClientResponse, share: BodyShare) -> None:
    unzip = zlib.decompressobj(_GZIP)
    async for chunk in response.content.iter_any():
        share.received += len(chunk)
        packed, is_more = chunk, True
        while is_more:
            piece = unzip.decompress(packed, UNPACKED_AT_ONCE)
            await share.add(piece)
            packed, is_more = unzip.unconsumed_tail, len(piece) == UNPACKED_AT_ONCE
            if is_more:
                await asyncio.sleep(0)  # give other tasks a turn
        if unzip.unused_data:
            raise BadAnswer(share.server, "data behind the end of a compressed body")
    if not unzip.eof:
        raise BadAnswer(share.server, "a compressed body that breaks off")
