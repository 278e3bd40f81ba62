"""The progress of a round of passes: one value, and a board that publishes the newest one.

A slow reader misses intermediate values, never the last one, and does not delay the work.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class LibraryProgress(msgspec.Struct, frozen=True):
    """A library whose pass is running.

    ``number`` distinguishes libraries of the same name; ``listing`` is what is being read, ``title`` the last item.
    ``total`` is None until the first page has arrived, or if the server does not report it.
    """

    number: int
    server: str
    library: str
    listing: str = ""
    done: int = 0
    total: int | None = None
    title: str = ""


class Progress(msgspec.Struct, frozen=True):
    """Progress on both levels: libraries of the round, and items of each library whose pass is running."""

    libraries_done: int = 0
    libraries_total: int = 0
    running: tuple[LibraryProgress, ...] = ()
    closed: bool = False
    details_read: int = 0
    details_total: int = 0
    """Items whose details are read in the background, and how many of them were read; both 0 while none are."""


class Meter:
    """Shows one library's pass on the board under a ``number``, from start to end."""

    def __init__(self, board: ProgressBoard, start: LibraryProgress) -> None:
        self.number = start.number
        self._board = board
        self._latest = start

    def advance(self, listing: str, done: int, total: int | None, title: str = "") -> None:
        """Show how many items of a listing have been read, out of how many, and the title of the last one."""
        self._latest = msgspec.structs.replace(self._latest, listing=listing, done=done, total=total, title=title)
        self._board.show(self, self._latest)

    def finish(self) -> None:
        """Count the library as done, however its pass ended; a second call does nothing."""
        self._board.drop(self)


class ProgressBoard:
    """Holds the newest Progress: passes write it, displays watch it."""

    def __init__(self) -> None:
        self._latest = Progress()
        self._running: dict[Meter, LibraryProgress] = {}
        self._begun = 0
        self._details: dict[str, tuple[int, int]] = {}
        self._changed = asyncio.Event()

    @property
    def latest(self) -> Progress:
        """The newest value."""
        return self._latest

    def new_round(self) -> None:
        """Restart the count unless a pass is running: a service runs for months."""
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
        """End every watcher after the last value."""
        self._publish(msgspec.structs.replace(self._latest, closed=True))

    def show(self, meter: Meter, progress: LibraryProgress) -> None:
        """Show a meter's progress while it is on the board."""
        if meter in self._running:
            self._running[meter] = progress
            self._publish(self._latest)

    def show_details(self, server: str, read: int, total: int) -> None:
        """Show how many items of a server have their details now, out of how many that wanted them."""
        self._details[server] = read, total
        self._publish(self._latest)

    def details_of(self, server: str) -> tuple[int, int]:
        """Return how many items of a server have their details now, out of how many; (0, 0) while none are read."""
        return self._details.get(server, (0, 0))

    def drop_details(self, server: str) -> None:
        """Show no details of a server any more."""
        if self._details.pop(server, None) is not None:
            self._publish(self._latest)

    def drop(self, meter: Meter) -> None:
        """Remove a meter from the board and count its library as done."""
        if self._running.pop(meter, None) is not None:
            self._publish(msgspec.structs.replace(self._latest, libraries_done=self._latest.libraries_done + 1))

    async def watch(self) -> AsyncIterator[Progress]:
        """Yield the newest value each time it changes, until the board is closed."""
        shown: Progress | None = None
        while shown is None or not shown.closed:
            if shown is self._latest:
                await self._changed.wait()
            shown = self._latest
            yield shown

    def _publish(self, latest: Progress) -> None:
        read, total = map(sum, zip(*self._details.values(), strict=True)) if self._details else (0, 0)
        running = tuple(self._running.values())
        self._tell(msgspec.structs.replace(latest, running=running, details_read=read, details_total=total))

    def _tell(self, latest: Progress) -> None:
        self._latest = latest
        self._changed.set()
        self._changed = asyncio.Event()
