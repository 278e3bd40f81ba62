"""How far a round of passes has come: one value, and a board that shows everybody the newest one.

A reader that is slow misses values in between, never the last one, and holds nobody up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class LibraryProgress(msgspec.Struct, frozen=True):
    """A library whose pass is running.

    ``number`` tells it from another one of the same name; ``listing`` says what of it is being read, ``title`` which
    item came last. ``total`` is None until the first page is there, or where the server does not say.
    """

    number: int
    server: str
    library: str
    listing: str = ""
    done: int = 0
    total: int | None = None
    title: str = ""


class Progress(msgspec.Struct, frozen=True):
    """Both levels: libraries of the round, and items of each library whose pass is running."""

    libraries_done: int = 0
    libraries_total: int = 0
    running: tuple[LibraryProgress, ...] = ()
    closed: bool = False


class Meter:
    """Shows one library's pass on the board under a ``number``, from its beginning to its end."""

    def __init__(self, board: ProgressBoard, start: LibraryProgress) -> None:
        self.number = start.number
        self._board = board
        self._latest = start

    def advance(self, listing: str, done: int, total: int | None, title: str = "") -> None:
        """Show how many items of a listing have been looked at, of how many, and which one was the last."""
        self._latest = msgspec.structs.replace(self._latest, listing=listing, done=done, total=total, title=title)
        self._board.show(self, self._latest)

    def finish(self) -> None:
        """Count the library as done, however its pass ended; a second time changes nothing."""
        self._board.drop(self)


class ProgressBoard:
    """Holds the newest Progress; whoever syncs writes it, whoever shows it watches."""

    def __init__(self) -> None:
        self._latest = Progress()
        self._running: dict[Meter, LibraryProgress] = {}
        self._begun = 0
        self._changed = asyncio.Event()

    @property
    def latest(self) -> Progress:
        """The newest value."""
        return self._latest

    def new_round(self) -> None:
        """Count from the beginning again, unless something is under way: a service runs for months."""
        if not self._running and self._latest.libraries_total:
            self._publish(Progress())

    def begin(self, server: str, library: str) -> Meter:
        """Show a library's pass as running, and count it among those to do."""
        self._begun += 1
        start = LibraryProgress(self._begun, server, library)
        meter = Meter(self, start)
        self._running[meter] = start
        self._publish(msgspec.structs.replace(self._latest, libraries_total=self._latest.libraries_total + 1))
        return meter

    def mirror(self, progress: Progress) -> None:
        """Show what another board shows."""
        self._tell(progress)

    def close(self) -> None:
        """Let every watcher end after the last value."""
        self._publish(msgspec.structs.replace(self._latest, closed=True))

    def show(self, meter: Meter, progress: LibraryProgress) -> None:
        """Show where a meter stands, as long as it is on the board."""
        if meter in self._running:
            self._running[meter] = progress
            self._publish(self._latest)

    def drop(self, meter: Meter) -> None:
        """Take a meter off the board and count its library."""
        if self._running.pop(meter, None) is not None:
            self._publish(msgspec.structs.replace(self._latest, libraries_done=self._latest.libraries_done + 1))

    async def watch(self) -> AsyncIterator[Progress]:
        """Yield the newest value whenever it has changed, until the board is closed."""
        shown: Progress | None = None
        while shown is None or not shown.closed:
            if shown is self._latest:
                await self._changed.wait()
            shown = self._latest
            yield shown

    def _publish(self, latest: Progress) -> None:
        self._tell(msgspec.structs.replace(latest, running=tuple(self._running.values())))

    def _tell(self, latest: Progress) -> None:
        self._latest = latest
        self._changed.set()
        self._changed = asyncio.Event()
