"""Preparing a database for a program other than the daemon: creating or upgrading it, unless a process holds it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from retrovue_daemon.errors import DatabaseHeld, DatabaseMissing, DatabaseUnusable
from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.file.preparation import check_place, prepare
from retrovue_daemon.store.file.visits import reading

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.errors import StoreError

PATIENCE_S = 3.0
"""Seconds to wait for a process that is creating or upgrading the database."""

_LOOK_S = 0.05
_PRIVATE = 0o600


def make_ready(path: Path) -> Path:
    """Create the database if missing, upgrade an older one, and return its resolved path; blocks.

    An up-to-date database is only inspected, so its holder does not matter. Nothing is changed while a process holds
    the database: the schema stays the same under a running daemon.

    Raise DatabaseHeld if a holder prevents this, DatabasePlaceMissing or DatabaseUnusable.
    """
    path = check_place(path, own=False)
    deadline = time.monotonic() + PATIENCE_S
    while (flaw := _flaw(path)) is not None:
        try:
            with database_lock(path, mode=mode_of(path)):
                prepare(path, mode=mode_of(path))
        except DatabaseHeld as held:
            if time.monotonic() > deadline:
                raise _in_the_way(held, flaw) from None
            time.sleep(_LOOK_S)
        else:
            break
    return path


def mode_of(path: Path) -> int:
    """Return the permissions that a database has or should get: other programs must not change who can read it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return _PRIVATE
    return found.st_mode & 0o777 if found.st_size else _PRIVATE


def _flaw(path: Path) -> StoreError | None:
    """Return what prevents the database from being used as it is; raise what this user could not fix anyway."""
    try:
        with reading(path):
            return None
    except DatabaseMissing as missing:
        return missing
    except DatabaseUnusable as unusable:
        if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
            raise
        return unusable


def _in_the_way(held: DatabaseHeld, flaw: StoreError) -> DatabaseHeld:
    if isinstance(flaw, DatabaseMissing):
        return held
    hint = f"it {flaw.detail}, and the schema cannot change while a daemon runs: restart it with this release"
    return DatabaseHeld(held.path, held.pid, serves=held.serves, hint=hint)
