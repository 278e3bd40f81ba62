"""Requesting a reload from the daemon that holds a database, and waiting for the result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from retrovue_daemon.errors import DaemonGone, DaemonOutOfReach, DatabaseHeld, NoDaemon, ReloadUnanswered, StoreError
from retrovue_daemon.service.signals import OtherProcess
from retrovue_daemon.store.file.lock import holder, is_held_by, real_path
from retrovue_daemon.store.tables.reloads import reloads_of

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.store.tables.reloads import Reload

POLL_S = 0.1


def request_reload(path: Path, timeout: float) -> tuple[int, Reload]:
    """Have the daemon that holds the database at ``path`` reload; return its process id and its verdict; blocks.

    SIGHUP ends most programs, so it is only sent to the process that has the lock and says that it is a daemon.
    ``timeout`` is in seconds. The database is only read.

    Raises NoDaemon, DaemonOutOfReach, or DatabaseHeld if another command has the database, and what reading the
    database raises: then nothing was sent. After the signal: DaemonGone or ReloadUnanswered.
    """
    path = real_path(path)
    pid = _daemon(path)
    try:
        daemon = OtherProcess(pid)
    except OSError as error:
        raise _out_of_reach(path, pid, error) from None
    with daemon:
        if not is_held_by(path, pid):
            raise DaemonOutOfReach(path, pid, "no process of that number has the lock here")
        # A number of the monotonic clock means nothing after a reboot, so older reloads are known by themselves.
        before = {(done.at, done.began_ns) for done in reloads_of(path)}
        requested_ns = time.monotonic_ns()
        try:
            daemon.hang_up()
        except OSError as error:
            raise _out_of_reach(path, pid, error) from None
        deadline = time.monotonic() + timeout
        while True:
            has_ended = daemon.ends_within(max(0.0, min(POLL_S, deadline - time.monotonic())))
            # The first reload that began after the request has read the file as it was then. Later ones are others'.
            for done in _reloads(path):
                if done.began_ns >= requested_ns and (done.at, done.began_ns) not in before:
                    return pid, done
            if has_ended:
                raise DaemonGone(path, hint="the next daemon reads the configuration when it starts")
            if time.monotonic() >= deadline:
                raise ReloadUnanswered(path, pid, timeout)


def _reloads(path: Path) -> list[Reload]:
    """Return the stored reloads; none if they cannot be read just now, as while the daemon closes the database."""
    try:
        return reloads_of(path)
    except StoreError:
        return []


def _out_of_reach(path: Path, pid: int, error: OSError) -> DaemonOutOfReach:
    return DaemonOutOfReach(path, pid, error.strerror or str(error))


def _daemon(path: Path) -> int:
    """Return the process id of the daemon that holds the database."""
    held, pid, serves = holder(path)
    if held is False:
        raise NoDaemon(path)
    if held is None:
        raise DaemonOutOfReach(path, None, "its lock file cannot be read")
    if pid is None or not serves:
        raise DatabaseHeld(
            path, pid, hint="that is no daemon, so there is nothing to reload; wait until it has ended"
        )
    return pid
