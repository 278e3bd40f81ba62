"""Copies of the database that appear under their name when they are complete, or not at all."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from retrovue_daemon.errors import BadInput, WriteFailed
from retrovue_daemon.store.file.space import AGAIN, as_disk_full

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PARTIAL = ".partial"
"""Ends the name of a copy that is being written. A process that is killed leaves a file of this name."""

_PAGES_AT_ONCE = 1_024
"""Pages copied between two progress reports: 4 MiB."""

_MAGIC = b"SQLite format 3\0"
"""The first bytes of a database: https://sqlite.org/fileformat2.html#the_database_header."""


@contextmanager
def whole_file(target: Path, *, mode: int = 0o600, replaces: bool = False) -> Iterator[Path]:
    """Yield an empty file to be filled, which gets the name ``target`` when the block has ended without an error.

    The content is on the disk before the name is: a crash leaves the complete file or none. ``replaces`` says that
    an existing target is replaced then; it stays unchanged until then, and also if the block raises.

    Raise BadInput if the target must not be replaced and exists, or if another process is writing the same file, and
    OSError if the file cannot be created.
    """
    if not replaces:
        _refuse_existing(target)
    with scratch_file(target, mode=mode) as scratch:
        yield scratch.path
        scratch.become(target, replaces=replaces)


class ScratchFile:
    """A file with a name that says that it is not finished."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def become(self, target: Path, *, replaces: bool) -> None:
        """Give the file, once its content is on the disk, its final name."""
        os.fsync(self._descriptor)
        if replaces:
            self.path.replace(target)
        else:
            name_file(self.path, target)
        _sync_directory(target.parent)


@contextmanager
def scratch_file(beside: Path, *, mode: int = 0o600) -> Iterator[ScratchFile]:
    """Yield an empty file named after ``beside``, which is removed at the end unless it got another name.

    Raise BadInput if another process is writing a file of this name, OSError if it cannot be created.
    """
    path = beside.with_name(beside.name + PARTIAL)
    descriptor = _create(path, mode)
    try:
        yield ScratchFile(path, descriptor)
    finally:
        for name in (path, path.with_name(path.name + "-journal")):
            name.unlink(missing_ok=True)
        # Only now: closing it would also release the locks that SQLite has on the file.
        os.close(descriptor)


@contextmanager
def filled(
    source: sqlite3.Connection, file: Path, *, target: Path, progress: Callable[[int, int], object] | None
) -> Iterator[sqlite3.Connection]:
    """Copy the content of a database into a new file, and yield a connection to the copy, which has no log.

    ``progress`` is called with the pages done and their total. Raise WriteFailed or DiskFull, which name ``target``,
    if writing to the copy fails here or in the block.
    """

    def report(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        # Within a transaction the source does not change: a writing daemon does not make the copy start over.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema")
        with written(target):
            source.backup(copy, pages=_PAGES_AT_ONCE, progress=report)
            copy.execute("PRAGMA journal_mode = DELETE")
            yield copy


@contextmanager
def written(target: Path) -> Iterator[None]:
    """Raise WriteFailed or DiskFull, which name the copy ``target``, for an error of SQLite in the block."""
    try:
        yield
    except sqlite3.Error as error:
        raise as_disk_full(target, error, AGAIN) or WriteFailed(
            target, f"could not be written: {error}", hint="check the disk"
        ) from error


def is_database(file: Path) -> bool:
    """Return whether a file begins as databases of SQLite do; False if it cannot be read."""
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC
    return False


def _create(partial: Path, mode: int) -> int:
    """Create the file, locked while it is written, instead of one that a killed process left."""
    while True:
        try:
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode & 0o600)
        except FileExistsError:
            _remove_abandoned(partial)
            continue
        with suppress(OSError):  # some network file systems cannot lock files
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(descriptor, mode)  # whatever the umask says
        return descriptor


def _remove_abandoned(partial: Path) -> None:
    """Remove a copy that a killed process left; raise BadInput if it is being written, or is no such copy."""
    try:
        descriptor = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError:
        raise _in_the_way(partial) from None
    try:
        with suppress(OSError):
            if os.pread(descriptor, len(_MAGIC), 0).rstrip(b"\0") not in {b"", _MAGIC.rstrip(b"\0")}:
                raise _in_the_way(partial)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in (partial, partial.with_name(partial.name + "-journal")):
                name.unlink(missing_ok=True)
            return
    finally:
        os.close(descriptor)
    raise BadInput(
        f"{partial} exists: another process may be writing the same copy",
        hint="wait until it has ended, or remove the file if there is no such process",
    )


def _in_the_way(partial: Path) -> BadInput:
    return BadInput(
        f"{partial} exists, and is not an unfinished copy of a database", hint="move it away, or specify another file"
    )


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise BadInput(
            f"{target} already exists and was left unchanged", hint="specify a file that does not exist yet"
        )


def name_file(partial: Path, target: Path) -> None:
    """Rename a file, but never over another one. Raise BadInput if there is one, OSError if it cannot be renamed."""
    try:
        # Unlike a rename, a link fails if the name exists.
        os.link(partial, target)
    except FileExistsError:
        _refuse_existing(target)
        raise
    except OSError:
        # A file system without hard links, such as that of a memory stick.
        _refuse_existing(target)
        partial.rename(target)
    else:
        partial.unlink()


def _sync_directory(directory: Path) -> None:
    """Write the directory's entries to the disk, where its file system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
