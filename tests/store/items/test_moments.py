"""A server's own time continues from what its rows remember."""

from __future__ import annotations

import pytest

from retrovue_daemon.store.items.moments import Moments, next_moment


def test_a_moment_is_over_when_something_begins_or_ends() -> None:
    """The call returns the current moment; later events belong to the next one."""
    moments = Moments(7)
    assert (moments.now, moments.advance(), moments.now) == (7, 7, 8)


async def test_time_begins_with_the_first_moment(database) -> None:
    """Nothing is remembered: 0 stands for what was before all moments."""
    assert await database.reader.run(next_moment, 1) == 1
    assert await database.reader.run(next_moment, 99) == 1


@pytest.mark.parametrize("column", ["known_moment", "listed_from", "listed_until"])
async def test_time_continues_after_what_libraries_remember(database, column) -> None:
    """Of any library of the server."""
    await database.writer.run(lambda c: c.execute(f"UPDATE libraries SET {column} = 40 WHERE id = 2"))
    assert await database.reader.run(next_moment, 1) == 41


@pytest.mark.parametrize("kind", ["movie", "show", "season", "episode"])
async def test_time_continues_after_what_items_remember(database, write, make, kind) -> None:
    """A pass that was killed has left rows, and no mark in its library's row."""
    item = {
        "movie": make.movie,
        "show": make.show,
        "season": lambda key: make.season(key, None, 1),
        "episode": lambda key: make.episode(key, None, None, 1),
    }[kind]
    await write(item("1"))
    await write(item("2"))
    await database.writer.run(lambda c: c.execute(f"UPDATE {kind}s SET first_moment = 30 * id"))
    assert await database.reader.run(next_moment, 1) == 61


async def test_another_servers_time_is_another(database, write, make) -> None:
    """Their moments have nothing to do with one another."""
    await write(make.movie("1"))
    await database.writer.run(lambda c: c.execute("UPDATE movies SET first_moment = 30"))
    await database.writer.run(
        lambda c: c.execute("INSERT INTO plex_servers (name, server_url) VALUES ('attic', 'http://a')")
    )
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO libraries (server_id, library_key, library_name, library_type, known_moment)"
            " VALUES (2, '1', 'Movies', 'movie', 5)"
        )
    )
    assert await database.reader.run(next_moment, 2) == 6
