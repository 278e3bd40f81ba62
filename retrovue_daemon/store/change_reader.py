"""Following the change feed of a database that other processes write, without keeping it open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeAlias

from retrovue_daemon.errors import ReadAnew
from retrovue_daemon.store.file.companions import log_of
from retrovue_daemon.store.file.visits import reading
from retrovue_daemon.store.named_changes import read_changes

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.store.named_changes import FeedChange

LOOK_S: Final = 0.5
"""Seconds between two looks whether the files of the database were written."""

_Written: TypeAlias = list[tuple[int, int, int, bool] | None]


class ChangeReader:
    """Reads the changes after a position. The database is open only meanwhile, so that a daemon can close its log.

    A connection that stays open would notice each commit (``PRAGMA data_version``), but would also keep the log of a
    daemon that ends, and could read a database without a log only as a file that does not change.
    """

    def __init__(self, path: Path, position: int) -> None:
        self.position = position
        self._path = path
        self._feed_id: str | None = None
        self._read: _Written = []

    def read(self) -> list[FeedChange] | None:
        """Return the next changes, None if there are none now. Raise ReadAnew if the feed does not go on."""
        self._read = self._written()
        with reading(self._path) as connection:
            found = read_changes(connection, self.position)
        state = found.state
        if self._feed_id not in {None, state.feed_id} or not state.floor <= self.position <= state.last_seq:
            raise ReadAnew(state.floor, state.last_seq)
        self._feed_id = state.feed_id
        if found.last == self.position:
            return None
        self.position = found.last
        return found.changes

    def is_written(self) -> bool:
        """Return whether the files differ from what they were before the last look at the feed."""
        return self._written() != self._read

    def _written(self) -> _Written:
        """Return what differs after each commit: sizes and times of the database and of its log.

        Times have steps of some milliseconds, so a file that was written just now will differ a moment later.
        """
        found: _Written = []
        for file in (self._path, log_of(self._path)):
            try:
                state = file.stat()
            except OSError:
                found.append(None)
            else:
                is_fresh = abs(time.time() - state.st_mtime) < LOOK_S
                found.append((state.st_ino, state.st_size, state.st_mtime_ns, is_fresh))
        return found
