"""Watching the open database: the writer ends as soon as its files or its content are no longer those it knows."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.errors import DatabaseRestored
from retrovue_daemon.store.connection import data_version
from retrovue_daemon.store.file.restore_mark import restore_mark

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from retrovue_daemon.errors import DatabaseReplaced
    from retrovue_daemon.store.connection import Connection
    from retrovue_daemon.store.file.identity import Kind, OpenFiles
    from retrovue_daemon.store.writer import Writer

log = structlog.get_logger()

LOOK_S = 0.5
"""Seconds between two looks at the files; a look takes microseconds."""

AGAIN_S = 0.05
"""Seconds after which a header that looks overwritten is read again."""


@asynccontextmanager
async def watched(files: OpenFiles, reader: Connection, writer: Writer, mark: str | None) -> AsyncIterator[None]:
    """Look at the files and at their content as long as the block runs.

    Abort the writer once the files are lost, or a restore has changed the ``mark``.
    """
    tasks = [
        asyncio.create_task(_watch(files, writer), name="watch of the files"),
        asyncio.create_task(_watch_mark(files.path, reader, writer, mark), name="watch for a restore"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def last_look(files: OpenFiles) -> Iterator[None]:
    """Look at the files once more after the last write; raise DatabaseReplaced if they are lost."""
    try:
        yield
    finally:
        if files.lost is None and (kind := _look(files)) is not None:
            raise _give_up(files, kind)


async def _watch(files: OpenFiles, writer: Writer) -> None:
    linked = False
    while True:
        if files.links > 1 and not linked:
            linked = True
            hint = (
                "under another name, SQLite does not find the log; remove that name, and copy with `database backup`"
            )
            log.warning("store.hard_links", database=str(files.path), links=files.links, hint=hint)
        await asyncio.sleep(LOOK_S)
        kind = _look(files)
        if kind == "overwritten":
            await asyncio.sleep(AGAIN_S)
            kind = _look(files)
        if kind is not None:
            writer.abort(_give_up(files, kind))
            return


async def _watch_mark(path: Path, reader: Connection, writer: Writer, mark: str | None) -> None:
    version = -1
    while True:
        with suppress(sqlite3.Error):  # any other use of the database reports it
            newest = await reader.run(data_version)
            if newest != version and await reader.run(restore_mark) != mark:
                writer.abort(DatabaseRestored(path))
                return
            version = newest
        await asyncio.sleep(LOOK_S)


def _look(files: OpenFiles) -> Kind | None:
    with suppress(OSError):  # such as a directory that is not readable for a moment
        return files.look()
    return None


def _give_up(files: OpenFiles, kind: Kind) -> DatabaseReplaced:
    lost = files.give_up(kind)
    log.error("store.replaced", error=str(lost), moved=[str(path) for path in lost.moved], hint=lost.hint)
    return lost
