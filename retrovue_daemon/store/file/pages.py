"""Checking the pages of a database that is in use."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final

from retrovue_daemon.store.connection import connected
from retrovue_daemon.store.file.preparation import in_one_line

if TYPE_CHECKING:
    from pathlib import Path

_CHECK: Final = "PRAGMA quick_check(1)"


async def first_damage(path: Path, check: str = _CHECK) -> str | None:
    """Return the first problem of a database's pages, or None. If cancelled, end within a moment.

    The connection is a separate one, whose thread reads the whole file: about a second per gigabyte, more on a slow
    disk. Other connections read and write meanwhile.
    """
    async with connected(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA query_only = ON")
        try:
            ((answer,),) = await connection.execute_fetchall(check)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            answer = str(error)
        finally:
            await connection.end_queries()
    return None if answer == "ok" else in_one_line(str(answer))
