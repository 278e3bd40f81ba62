"""Whether the files that SQLite has open are still the ones at their paths, and what happens to them if not.

SQLite keeps files open and never looks at their names again. If the database is deleted or replaced, it goes on
writing to a file that no reader finds, and its log, which kept its name, is applied to the new file by the next
program that opens it. So the daemon looks itself.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from retrovue_daemon.errors import DatabaseReplaced
from retrovue_daemon.store.file.companions import INDEX, LOG, companion
from retrovue_daemon.store.migrations import APPLICATION_ID, migrations

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.store.file.lock import Lock

Kind: TypeAlias = Literal["deleted", "replaced", "relinked", "overwritten", "log", "lock"]

_HEADER = 100
"""Bytes: https://sqlite.org/fileformat2.html#the_database_header."""

_SHARED = struct.pack("hhqqi", fcntl.F_RDLCK, os.SEEK_SET, 0x40000002, 510, 0)
"""What a reader of a database locks: https://sqlite.org/src/file/src/os_unix.c (SHARED_FIRST, SHARED_SIZE)."""


_RESTORE = "`retrovue-daemon database restore FILE` replaces the content safely, also while the daemon runs"


class Header(NamedTuple):
    """What only certain changes of a database's header are the work of SQLite in WAL mode."""

    magic: bytes
    page_size: bytes
    versions: bytes
    user_version: int
    application_id: int
    counter: int
    schema: int

    def may_become(self, later: Header) -> bool:
        """Return whether SQLite could have written ``later`` after this: the numbers never decrease.

        If a reader has the database open while this release makes or upgrades the schema, that stays in the log for
        now, and the file has the header of before.
        """
        return (
            self[:3] == later[:3]
            and later.application_id in {self.application_id, APPLICATION_ID}
            and self.user_version <= later.user_version <= migrations()[-1].version
            and self.counter <= later.counter
            and self.schema <= later.schema
        )


class OpenFiles:
    """The database file, its log and the log's index, as they were when they were opened.

    ``path`` is the file itself, ``given`` a path that may be a link to it. This keeps a descriptor of the file open:
    no other code of the process may open and close it while SQLite has it open, because closing would release the
    locks of SQLite, too (https://sqlite.org/howtocorrupt.html, 2.2).
    """

    def __init__(self, given: Path, path: Path, lock: Lock) -> None:
        self.path = path
        self.lost: DatabaseReplaced | None = None
        self._given = given
        self._lock = lock
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._header = self._read_header()
        self._leaves_log = False
        self._logs: dict[Path, os.stat_result] = {}

    def close(self) -> None:
        """Close the descriptor; call this after SQLite has closed the file."""
        os.close(self._descriptor)

    def know_logs(self) -> None:
        """Remember the log and its index, which SQLite has just opened."""
        for suffix in (LOG, INDEX):
            path = companion(self.path, suffix)
            if (found := _stat(path)) is not None:
                self._logs[path] = found

    @property
    def links(self) -> int:
        """How many names the file has."""
        return os.fstat(self._descriptor).st_nlink

    def look(self) -> Kind | None:
        """Return what has happened to the files, or None while all are in place."""
        own = os.fstat(self._descriptor)
        found = _stat(self.path)
        if found is None:
            return "deleted"
        if not os.path.samestat(own, found):
            return "replaced"
        if (target := _stat(self._given)) is not None and not os.path.samestat(own, target):
            return "relinked"
        header = self._read_header()
        if header != self._header:
            if not self._header.may_become(header):
                return "overwritten"
            self._header = header
        if any(
            (found := _stat(path)) is None or not os.path.samestat(known, found) for path, known in self._logs.items()
        ):
            return "log"
        return None if self._lock.is_in_place(self.path) else "lock"

    def give_up(self, kind: Kind) -> DatabaseReplaced:
        """Keep the log from being applied to the file that is there now; return the error that ends the work."""
        moved: tuple[Path, ...] = ()
        hint = _HINTS.get(kind)
        if kind in {"deleted", "replaced", "overwritten"}:
            moved, aside = self._move_logs()
            hint = f"{aside}start the daemon again to use what is there then; {_RESTORE}"
        is_foreign = kind == "log" and self._has_foreign_log()
        if is_foreign:
            hint = _FOREIGN_LOG
        if kind == "overwritten" or is_foreign:
            prevent_merge(self._descriptor)
        self.lost = DatabaseReplaced(self.path, _WORDS[kind], moved=moved, hint=hint)
        return self.lost

    def leave_log(self) -> None:
        """Keep SQLite from merging the log when it closes the file."""
        prevent_merge(self._descriptor)
        self._leaves_log = True

    @property
    def last_statement(self) -> str:
        """What to execute before closing: refresh the statistics, or merge the log into a file that was moved."""
        if self.lost is None:
            return "SELECT 1" if self._leaves_log else "PRAGMA optimize"
        # SQLite itself does not merge the log of a file that lost its name. If it has another one, nothing is lost.
        return "PRAGMA wal_checkpoint(FULL)" if self.lost.moved and self.links and self._is_gone() else "SELECT 1"

    def _is_gone(self) -> bool:
        found = _stat(self.path)
        return found is None or not os.path.samestat(os.fstat(self._descriptor), found)

    def _move_logs(self) -> tuple[tuple[Path, ...], str]:
        """Rename the log, then its index: in the other order, a program could apply the log to the new file.

        Return the new names, and what to say about them.
        """
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        moved: list[Path] = []
        for path, known in self._logs.items():
            found = _stat(path)
            if found is None or not os.path.samestat(known, found):
                continue
            suffix = path.name.removeprefix(self.path.name)
            try:
                moved.append(path.rename(path.with_name(f"{self.path.name}.replaced-{stamp}{suffix}")))
            except OSError as error:
                return tuple(moved), f"delete {path}, which could not be moved ({error.strerror}), before you "
        return tuple(moved), f"the log of the old file is now {moved[0]}; " if moved else ""

    def _has_foreign_log(self) -> bool:
        """Return whether another program has written to a log of its own, which fits the file without ours only."""
        log, known = next(iter(self._logs.items()))
        found = _stat(log)
        return found is not None and found.st_size > 0 and not os.path.samestat(known, found)

    def _read_header(self) -> Header:
        raw = os.pread(self._descriptor, _HEADER, 0)
        version, application, counter, schema = (int.from_bytes(raw[at : at + 4], "big") for at in (60, 68, 24, 40))
        return Header(raw[:16], raw[16:18], raw[18:20], version, application, counter, schema)


_WORDS: dict[Kind, str] = {
    "deleted": "was deleted or moved away while it was open",
    "replaced": "was replaced by another file while it was open",
    "relinked": "is no longer the file to which its link leads",
    "overwritten": "was overwritten by another program while it was open",
    "log": "its -wal or -shm file was deleted or replaced while it was open",
    "lock": "its lock file was deleted or replaced while it was open",
}


_HINTS: dict[Kind, str] = {
    "relinked": "start the daemon again to use the other file",
    "log": "the log was merged into the database; never delete these files while the daemon runs; start it again",
    "lock": "another process may have started meanwhile; never delete this file; start the daemon again",
}

_FOREIGN_LOG = (
    "another program has begun a log of its own, so the last changes were dropped, and the next sync reads them"
    " again; never delete these files while the daemon runs; start it again"
)


def prevent_merge(descriptor: int) -> None:
    """Lock an open database as a reader does: SQLite then does not merge the log when it closes the file."""
    with suppress(AttributeError, OSError):  # only Linux has such locks, which count within a process, too
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _SHARED)


def _stat(path: Path) -> os.stat_result | None:
    """Return what a path leads to, or None if there is nothing. Any other error raises OSError."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
