"""What Litestream does to a database, in small: it takes over the checkpoints and copies the frames of the log.

The steps are those of Litestream's ``db.go`` (0.5): ``init`` (tables, read lock), ``verifyAndSync`` (is the log where
it was read last, or is a snapshot of everything needed), ``checkpoint`` (copy the rest, release the read lock,
checkpoint, take it again, write to ``_litestream_seq``, copy what came between under a write lock). Its connection
keeps the log when it is closed, which Python cannot ask SQLite for: this one stays open as long as it replicates.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = 32
_FRAME_HEADER = 24
_SEQ = "INSERT INTO _litestream_seq (id, seq) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seq = seq + 1"


class Litestream:
    """A replicator of one database; ``snapshots`` counts how often it lost its place and had to copy everything."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshots = 0
        self._log = path.with_name(f"{path.name}-wal")
        self._pages: dict[int, bytes] = {}
        self._count = 0
        self._salts = b""
        self._offset = 0
        self._last = b""
        self._before = b""

    def __enter__(self) -> Self:
        self._reader, self._other = (
            sqlite3.connect(self.path, isolation_level=None, timeout=1, check_same_thread=False) for _ in range(2)
        )
        for connection in (self._reader, self._other):
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        assert self._other.execute("PRAGMA journal_mode = wal").fetchone() == ("wal",)
        self._other.execute("CREATE TABLE IF NOT EXISTS _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
        self._other.execute("CREATE TABLE IF NOT EXISTS _litestream_lock (id INTEGER)")
        self._acquire()
        if not self._log.exists() or self._log.stat().st_size < _HEADER:
            self._other.execute(_SEQ)
        (self._size,) = self._other.execute("PRAGMA page_size").fetchone()
        self.sync()
        return self

    def __exit__(self, *_: object) -> None:
        self.sync()
        self._reader.execute("ROLLBACK")
        # Each is closed while the other still has the log: closing the last one would merge it.
        self._reader.close()
        self._other.close()

    def sync(self) -> None:
        """Copy the committed frames that are new since the last time, or everything if the place is lost."""
        log = self._log.read_bytes()
        salts = log[16:24]
        frame = self._size + _FRAME_HEADER
        offset = self._offset
        if offset > len(log) or (offset > _HEADER and log[offset - frame : offset] != self._last):
            offset = 0
        elif salts != self._salts:
            # The frames up to the old place are still there, but belong to an earlier log: read from the start.
            offset = _HEADER if offset else 0
        if not offset:
            self._snapshot()
            offset = _HEADER
        self._read(log, salts, offset, frame)

    def checkpoint(self, mode: str = "PASSIVE") -> tuple[int, int, int]:
        """Do what only Litestream is to do, and return SQLite's result."""
        self.release()
        return self.finish(mode)

    def release(self) -> None:
        """Begin a checkpoint: for a moment, the read lock keeps others from theirs no more."""
        self._before = self._log.read_bytes()[:_HEADER]
        self.sync()
        self._reader.execute("ROLLBACK")

    def finish(self, mode: str = "PASSIVE") -> tuple[int, int, int]:
        """End a checkpoint, and return SQLite's result."""
        result: tuple[int, int, int] = self._other.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        self._acquire()
        self._other.execute(_SEQ)
        if self._log.read_bytes()[:_HEADER] != self._before:
            self._other.execute("BEGIN")
            self._other.execute("INSERT INTO _litestream_lock (id) VALUES (1)")
            self.sync()
            self._other.execute("ROLLBACK")
        return result

    def restore(self, path: Path) -> None:
        """Write what was replicated to a new file."""
        with path.open("wb") as file:
            for number in range(1, self._count + 1):
                file.write(self._pages[number])
            file.flush()
            os.fsync(file.fileno())

    def _acquire(self) -> None:
        self._reader.execute("BEGIN")
        self._reader.execute("SELECT count(1) FROM _litestream_seq").fetchone()

    def _snapshot(self) -> None:
        self.snapshots += 1
        content = self.path.read_bytes()
        self._pages = {
            number + 1: content[number * self._size : (number + 1) * self._size]
            for number in range(len(content) // self._size)
        }
        self._count = len(self._pages)

    def _read(self, log: bytes, salts: bytes, offset: int, frame: int) -> None:
        """Apply the frames of this log that belong to committed transactions."""
        pending: dict[int, bytes] = {}
        end = offset
        for start in range(offset, len(log) - frame + 1, frame):
            number, commit = struct.unpack(">II", log[start : start + 8])
            if log[start + 8 : start + 16] != salts:
                break  # left over from before the log was restarted
            pending[number] = log[start + _FRAME_HEADER : start + frame]
            if commit:
                self._pages |= pending
                self._count = commit
                pending = {}
                end = start + frame
        self._salts, self._offset = salts, end
        self._last = log[end - frame : end] if end > _HEADER else b""
