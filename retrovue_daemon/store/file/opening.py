"""A database made ready for a program that is not the daemon: made, or brought up to date, unless somebody has it."""

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
"""Seconds that whoever is making or upgrading the database just now is waited for."""

_LOOK_S = 0.05
_PRIVATE = 0o600


def make_ready(path: Path) -> Path:
    """Make the database where there is none, upgrade an older one, and return its own path, behind links; blocks.

    One that is up to date is only looked at, so that it does not matter who has it. Nothing is changed while somebody
    holds it: the schema stays below a daemon that runs.

    Raises DatabaseHeld where that keeps it from being made ready, DatabasePlaceMissing or DatabaseUnusable.
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
    """Return the permissions that a database has or is to get: whoever may read it now is not for visitors to say."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return _PRIVATE
    return found.st_mode & 0o777 if found.st_size else _PRIVATE


def _flaw(path: Path) -> StoreError | None:
    """Return what keeps the database from being used as it is; raise what this user could not mend anyway."""
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
    hint = f"it {flaw.detail}, and no schema is changed below a daemon: restart that one with this release"
    return DatabaseHeld(held.path, held.pid, serves=held.serves, hint=hint)
