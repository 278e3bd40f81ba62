"""The entries of the change feed as people look at them."""

from __future__ import annotations

import pytest

from retrovue_daemon.records import Kind
from retrovue_daemon.store.change_list import MOST_NAMED, change_page
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.feed.recording import record


@pytest.fixture
async def database(tmp_path):
    async with open_database(tmp_path / "mirror.db") as database:
        yield database


async def test_pages_join_without_a_gap(database) -> None:
    """Also where entries are of other kinds or operations than those that are looked for."""
    for number in range(1, 8):
        kind, op = (Kind.MOVIE, "added") if number % 2 else (Kind.SHOW, "updated")
        await database.writer.run(record, kind, op, [number])
    found, before = [], None
    while True:
        page = await database.reader.run(change_page, before, 2, kind="movie")
        found += [(entry.seq, entry.kind, [change.id for change in entry.changes]) for entry in page.entries]
        if page.before is None:
            break
        before = page.before
    first = found[-1][0]
    assert found == [(first + number - 1, "movie", [number]) for number in (7, 5, 3, 1)]
    page = await database.reader.run(change_page, None, 10, op="updated", kind="movie")
    assert page.entries == []


async def test_a_large_entry_names_its_first_rows(database) -> None:
    """And counts the others."""
    await database.writer.run(record, Kind.EPISODE, "added", range(1, 501))
    page = await database.reader.run(change_page, None, 10)
    (entry,) = page.entries
    assert [change.id for change in entry.changes] == list(range(1, MOST_NAMED + 1))
    assert (entry.number, entry.others) == (500, 495)
