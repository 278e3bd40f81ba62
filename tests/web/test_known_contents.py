"""The number of rows in each library, as the page keeps it."""

from __future__ import annotations

from contextlib import closing
from sqlite3 import connect

import pytest

from retrovue_daemon.service.selection import EVERYTHING
from retrovue_daemon.store.connection import read_transaction
from retrovue_daemon.store.overview import contents
from retrovue_daemon.web.known_contents import KnownContents

pytestmark = pytest.mark.no_groups


async def test_rows_are_counted_again_only_after_a_change(serve_page, plex) -> None:
    """An item that comes or goes missing; the numbers are always those of a new count."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    known, counted = KnownContents(), []

    def read() -> int:
        with closing(connect(served.database.path)) as connection, read_transaction(connection):
            connection.set_trace_callback(lambda sql: counted.append(sql) if "count(*)" in sql else None)
            found = known.read(connection)
            connection.set_trace_callback(None)
            assert found == contents(connection)
        return len(counted)

    (job,) = served.supervisor.submit(EVERYTHING, "home")
    await job.done
    first = read()
    assert first > 0
    assert read() == first
    for change in (
        lambda: plex.changes.delete(next(plex.world.movies("1")).id),
        lambda: plex.changes.add_movie("1", "The Bat", 1926),
    ):
        before = read()
        change()
        (job,) = served.supervisor.submit(EVERYTHING, "home")
        await job.done
        assert read() > before
