"""What would keep a sync from using a database, found without creating or changing anything.

It asks what a sync asks, in the same order and by the same functions where these change nothing.
"""

from __future__ import annotations

import grp
import os
import stat
from typing import TYPE_CHECKING

from retrovue_daemon.config.files import owner_hint
from retrovue_daemon.errors import DatabaseOutOfReach, DatabaseUnusable, StoreError
from retrovue_daemon.store.file.companions import COMPANIONS, INDEX, JOURNAL, companion, has_content, log_of
from retrovue_daemon.store.file.lock import refuse_unusable_lock
from retrovue_daemon.store.file.preparation import check_place, not_in_group, own_version, refuse_newer
from retrovue_daemon.store.file.visits import reading_any_version

if TYPE_CHECKING:
    from pathlib import Path


def obstacle(path: Path, *, group: str | None = None, own_place: bool = False) -> StoreError | None:
    """Return what would keep a sync by this user from using a database, or None; nothing is created or changed.

    ``own_place`` says that a missing directory would be created, ``group`` which one the file would be given to.
    What this user may not see or change, the daemon's user may: such an obstacle is a DatabaseOutOfReach.
    """
    try:
        if own_place and not os.path.lexists(path.parent):
            _refuse_unwritable(path, _nearest(path.parent))
            return None
        path = check_place(path, own=False)
        refuse_unusable_lock(path)
        for place in (path.parent, path):
            _refuse_unwritable(path, place)
        for suffix in COMPANIONS:
            _refuse_unusable(path, companion(path, suffix))
        if group is not None:
            _refuse_foreign_group(path, group)
        if _can_be_read(path):
            with reading_any_version(path) as connection:
                refuse_newer(path, own_version(connection, path))
    except StoreError as error:
        return error
    except OSError as error:
        return DatabaseOutOfReach(path, f"cannot be read: {error.strerror}", hint=owner_hint(path))
    return None


def _can_be_read(path: Path) -> bool:
    """Return whether there is content that can be read without a change.

    A change that is not complete is undone by the next sync. A log without its index would get one.
    """
    if not path.exists() or not path.stat().st_size or has_content(companion(path, JOURNAL)):
        return False
    return not log_of(path).exists() or companion(path, INDEX).exists()


def _nearest(directory: Path) -> Path:
    """Return the nearest directory above one that does not exist."""
    return next(above for above in directory.parents if os.path.lexists(above))


def _refuse_unwritable(path: Path, place: Path) -> None:
    """Raise unless this user can write to a file or directory that exists."""
    wanted = os.R_OK | os.W_OK if place == path else os.W_OK | os.X_OK
    if not os.access(place, os.F_OK) or os.access(place, wanted):
        return
    if os.geteuid() in {0, place.stat().st_uid}:
        hint = f"let this user write to {place}, or set [database] path to another place"
        raise DatabaseUnusable(path, "is not writable", hint=hint)
    raise DatabaseOutOfReach(path, "is not writable for this user", hint=owner_hint(place))


def _refuse_unusable(path: Path, beside: Path) -> None:
    """Raise unless a file that SQLite keeps beside the database is a file that this user can read and write."""
    try:
        mode = beside.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise DatabaseUnusable(
            path, f"cannot be opened: {beside} is not a regular file", hint="move it away: SQLite needs that name"
        )
    if not os.access(beside, os.R_OK | os.W_OK):
        raise DatabaseOutOfReach(path, f"cannot be opened: {beside} is closed to this user", hint=owner_hint(beside))


def _refuse_foreign_group(path: Path, group: str) -> None:
    """Raise if this user owns the file, or would make it, and may not give it to a group."""
    number = grp.getgrnam(group).gr_gid
    if os.geteuid() == 0 or number in {os.getegid(), *os.getgroups()}:
        return
    found = path.stat() if path.exists() else None
    if found is None or (found.st_uid == os.geteuid() and found.st_gid != number):
        raise not_in_group(path, group, "Operation not permitted")
