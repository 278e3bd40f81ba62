"""Old entries of the feed are deleted, by observed time, in small steps; the floor says so."""

from __future__ import annotations

from retrovue_daemon.store.feed.reading import feed_state
from retrovue_daemon.store.feed.retention import is_purge_due, purge_changes

DAY = 86_400
KEPT = 30 * DAY


async def _tidy(database, observed: int, retention: float = KEPT) -> list[int]:
    """Purge as the daemon does; return the numbers of entries that each transaction deleted."""
    deleted = []
    if await database.reader.run(is_purge_due, observed, retention):
        while entries := await database.writer.run(purge_changes, observed, retention):
            deleted.append(entries)
    assert not await database.reader.run(is_purge_due, observed, retention)
    return deleted


async def test_entries_live_as_long_as_configured(database, write, query, make) -> None:
    """Whatever the system clock says: `at` is not looked at."""
    assert await _tidy(database, 1_000) == []
    first = (await database.reader.run(feed_state)).last_seq
    for number in range(3):
        await write(make.movie(str(number)))
        assert await _tidy(database, 1_000 + (number + 1) * DAY) == []
    assert await _tidy(database, 1_000 + KEPT - 1) == []
    assert await _tidy(database, 1_000 + KEPT) == [first]
    assert (await database.reader.run(feed_state)).floor == first
    assert await query("SELECT count(*) FROM change_batches") == [(3,)]
    assert await _tidy(database, 1_000 + KEPT + 2 * DAY) == [2]
    assert await query("SELECT floor, last_seq FROM feed_state") == [(first + 2, first + 3)]


async def test_nothing_is_written_while_nothing_changes(database) -> None:
    """A mark of a time without new entries would say nothing."""
    await _tidy(database, 1_000)
    for day in range(1, 29):
        assert not await database.reader.run(is_purge_due, 1_000 + day * DAY, KEPT)


async def test_many_entries_are_deleted_in_steps(database, write, make, query) -> None:
    """So that passes are not held up; without a retention to speak of, all go at once."""
    insert = "INSERT INTO change_batches (kind, op, ids) VALUES ('movie', 'updated', '[1]')"
    await database.writer.run(lambda c: c.executemany(insert, [()] * 500).close())
    assert len(await _tidy(database, 5_000, 0)) == 3
    assert await query("SELECT count(*) FROM changes") == [(0,)]
    state = await database.reader.run(feed_state)
    assert state.floor == state.last_seq
    await write(make.movie("1"))
    assert (await database.reader.run(feed_state)).last_seq == state.last_seq + 1


async def test_marks_that_another_program_wrote_are_dropped(database) -> None:
    """Entries then live a little longer."""
    store = "INSERT INTO daemon_state VALUES ('feed_marks', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    for text in ("x", "[1]", '{"a": 2}'):
        await database.writer.run(lambda c, text=text: c.execute(store, (text,)).close())
        assert await _tidy(database, 2_000) == []
