"""One process per database: an exclusive lock on a file beside it."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from retrovue_daemon.errors import DatabaseHeld, DatabaseOutOfReach, DatabaseUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

LOCK_SUFFIX = ".lock"
"""Ends the name of a lock file, after the name of the database."""

SERVES = " serves"
"""Follows the process id of a holder that answers requests."""

_WIDTH = 32
"""Bytes of the content, which is written at once, so that it needs no more room once the file has it."""

_CONTENT = re.compile(rb"[\s\0]*|\d{1,20}( serves)?\s*")
"""What a lock file of this program contains; one that a power cut hit may hold zeros."""

_LOCKS = Path("/proc/locks")
"""Every lock of every process visible from here, one per line: proc_locks(5)."""

_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link is not followed, and a pipe does not block."""

_SPECIAL = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
"""What opening a link, a directory or a socket ends with."""

INTERRUPT_S = 0.1
"""Seconds between two interrupts: each one only affects what is running at that moment."""

_GLANCE_S = 0.05
"""Seconds after which a check of the lock's holder is certainly over."""


class Holder(NamedTuple):
    """Whether a process holds a database (None if not visible from here), its process id, whether it ``serves``."""

    held: bool | None
    pid: int | None = None
    serves: bool = False


def _nothing() -> None:
    """Interrupt nothing."""


class Lock:
    """A held lock."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def serve(self) -> None:
        """Announce that the holder answers requests from now on: the database exists, with all of its tables."""
        _write(self._descriptor, f"{os.getpid()}{SERVES}")

    def is_in_place(self, database: Path) -> bool:
        """Return whether the lock file of ``database`` is still the one that is locked."""
        return _is_named(self._descriptor, lock_path(database))

    async def during(self, work: Callable[[], T], interrupt: Callable[[], object] = _nothing) -> T:
        """Run blocking work in a thread that keeps the lock until the work ends, even if the caller is cancelled.

        ``interrupt`` is called again and again then, until the work has ended: a process does not end before that.
        """
        import asyncio  # noqa: PLC0415 -- loaded already; the commands that only look do without it

        own = os.dup(self._descriptor)
        with_lock = ThreadPoolExecutor(max_workers=1, thread_name_prefix="with lock")
        future = with_lock.submit(work)
        # Also called if the work is cancelled before it has started.
        future.add_done_callback(lambda _: os.close(own))
        with_lock.shutdown(wait=False)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if interrupt is not _nothing:
                while not future.done():
                    interrupt()
                    await asyncio.sleep(INTERRUPT_S)
            raise


def real_path(path: Path) -> Path:
    """Return the path of the file that a path leads to; a link that leads to itself stays as it is.

    ``Path.resolve`` raises RuntimeError for such a link up to Python 3.12.
    """
    return Path(os.path.realpath(path))


def lock_path(database: Path) -> Path:
    """Return the lock file of a database."""
    return database.with_name(database.name + LOCK_SUFFIX)


@contextmanager
def database_lock(database: Path, *, mode: int = 0o600) -> Iterator[Lock]:
    """Hold the exclusive lock of ``database``; the kernel releases it however the process ends.

    The file stays when the lock is released: removing it would let a third process lock a new file while a second one
    still waits for the old. It contains the process id of the holder, for the error message of other processes, and,
    once announced, that the holder answers requests.

    Raise DatabaseHeld if another process has the lock, DatabaseUnusable if the file cannot be created, or is not a
    lock file: such a file, and one that a link leads to, is left unchanged.
    """
    path = lock_path(database)
    descriptor = _locked(database, path, mode)
    try:
        _refuse_other_file(database, path, descriptor)
        _give_to_owner(descriptor, database)
        try:
            _write(descriptor, f"{os.getpid()}")
        except OSError as error:
            raise DatabaseUnusable(
                database,
                f"cannot write its lock file: {error.strerror}",
                hint=f"check the disk of {path.parent} and its free space",
            ) from error
        yield Lock(descriptor)
    finally:
        os.close(descriptor)


def refuse_unusable_lock(database: Path) -> None:
    """Raise what `database_lock` would raise, but create nothing, and hold nothing.

    A daemon that answers requests is no obstacle: another process asks it.
    """
    path, held = lock_path(database), holder(database)
    if held.held and not held.serves:
        raise DatabaseHeld(database, held.pid)
    try:
        descriptor = os.open(path, os.O_RDWR | _SAFELY)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_opened(database, path, error) from error
    try:
        _refuse_other_file(database, path, descriptor)
    finally:
        os.close(descriptor)


def holder(database: Path) -> Holder:
    """Return who holds a database, without blocking other processes."""
    try:
        descriptor = os.open(lock_path(database), os.O_RDONLY | _SAFELY)
    except FileNotFoundError:
        return Holder(held=False)
    except OSError:
        return Holder(held=None)
    try:
        # No call only queries a lock of this kind, so it is acquired and released at once.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, serving = _holder(descriptor)
        return Holder(held=True, pid=pid, serves=serving)
    except OSError:
        return Holder(held=None)
    else:
        return Holder(held=False)
    finally:
        os.close(descriptor)


def is_held_by(database: Path, pid: int) -> bool:
    """Return whether the kernel confirms that a process holds a database.

    The process id in the file may belong to another container or, for an instant, to the previous holder. Only the
    inode number is compared: on some file systems, this list shows a different device than stat does.
    """
    try:
        number = lock_path(database).lstat().st_ino
        lines = _LOCKS.read_text("ascii").splitlines()
    except OSError:
        return False
    # Such as "5: FLOCK  ADVISORY  WRITE 508 fe:00:2377841 0 EOF"; a waiting process has "->" in the second place.
    wanted = ("FLOCK", "WRITE", str(pid), str(number))
    return any(
        (kind, mode, owner, place.rpartition(":")[2]) == wanted
        for _, kind, _, mode, owner, place, *_ in (line.split() for line in lines)
    )


def _locked(database: Path, path: Path, mode: int) -> int:
    """Open the lock file and lock it. Until it is locked, another process may remove it and make a new one."""
    while True:
        descriptor = _open(database, path, mode)
        try:
            try:
                _take(descriptor)
            except BlockingIOError:
                pid, serving = _holder(descriptor)
                raise DatabaseHeld(database, pid, serves=serving) from None
            except OSError as error:
                raise DatabaseUnusable(
                    database,
                    f"cannot be locked: {error.strerror}",
                    hint="use a local disk: some network file systems cannot lock files",
                ) from error
            if _is_named(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(database: Path, path: Path, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _SAFELY, mode)
    except OSError as error:
        raise _not_opened(database, path, error) from error


def _not_opened(database: Path, path: Path, error: OSError) -> DatabaseUnusable:
    """Return the error for a lock file that cannot be opened."""
    if error.errno in _SPECIAL:
        return _no_lock_file(database, path, "is not a regular file")
    from retrovue_daemon.config.files import owner_hint  # noqa: PLC0415 -- imports msgspec, which --help does not need

    kind = DatabaseOutOfReach if isinstance(error, PermissionError) else DatabaseUnusable
    what = "open" if os.path.lexists(path) else "create"
    hint = f"{owner_hint(path)}, or set [database] path to another place"
    return kind(database, f"cannot {what} its lock file: {error.strerror}", hint=hint)


def _refuse_other_file(database: Path, path: Path, descriptor: int) -> None:
    """Raise DatabaseUnusable if the file is not a lock file, before anything is written to it."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise _no_lock_file(database, path, "is not a regular file")
    if found.st_nlink > 1:
        raise _no_lock_file(database, path, "has another name, too")
    if found.st_size > 2 * _WIDTH or not _CONTENT.fullmatch(os.pread(descriptor, 2 * _WIDTH, 0)):
        raise _no_lock_file(database, path, "has the content of another file")


def _give_to_owner(descriptor: int, database: Path) -> None:
    """Give a lock file that root makes to the owner of the database, or of its directory."""
    if os.geteuid() == 0:
        owner = (database if database.exists() else database.parent).stat()
        if os.fstat(descriptor).st_uid != owner.st_uid:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _no_lock_file(database: Path, path: Path, why: str) -> DatabaseUnusable:
    return DatabaseUnusable(
        database,
        f"cannot be locked: {path} {why}",
        hint="nothing was written to it; move it away, and the next start makes a new lock file",
    )


def _is_named(descriptor: int, path: Path) -> bool:
    """Return whether a path names the open file itself, and not a link to it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write(descriptor: int, text: str) -> None:
    os.pwrite(descriptor, f"{text:<{_WIDTH - 1}}\n".encode(), 0)
    os.ftruncate(descriptor, _WIDTH)


def _take(descriptor: int) -> None:
    """Acquire the lock. A process that checks its holder has it for an instant, so the second refusal counts."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_GLANCE_S)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _holder(descriptor: int) -> tuple[int | None, bool]:
    """Return the process id of the holder, if known, and whether it answers requests."""
    text = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
    number = text.removesuffix(SERVES)
    return int(number) if number.isdecimal() else None, text.endswith(SERVES)
