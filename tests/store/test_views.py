"""The readers' views."""

from __future__ import annotations

import pytest


@pytest.fixture
async def two_libraries(database) -> None:
    await database.writer.run(
        lambda c: c.execute(
            "INSERT INTO libraries (server_id, library_key, library_name, library_type)"
            " VALUES (1, '3', '4K', 'movie')"
        )
    )


async def _move(database, rating_key: str, library_id: int, height: int) -> None:
    await database.writer.run(
        lambda c: c.execute("UPDATE movies SET library_id = ? WHERE rating_key = ?", (library_id, rating_key))
    )
    await database.writer.run(
        lambda c: c.execute("UPDATE media_files SET height = ? WHERE rating_key = ?", (height, rating_key))
    )


async def test_active_views_hold_what_can_be_played(write, query, make) -> None:
    """Names of library and server, and the primary file's path, stand beside each active item."""
    await write(make.movie("7", make.part(70)), make.movie("8"))
    await write(make.show("1"))
    await write(make.episode("2", "1", None, 1, make.part(20, "/plex/e.mkv"), season_number=None))
    assert await query("SELECT title, file_path, library_name, server_name FROM active_movies") == [
        ("Film 7", "/local/a.mkv", "Movies", "home")
    ]
    assert await query("SELECT title FROM active_shows") == [("Show 1",)]
    assert await query("SELECT show_title, episode_title, file_path FROM active_episodes") == [
        ("Show 1", "Episode 2", "/local/e.mkv")
    ]


async def test_the_higher_picture_is_preferred(write, query, make, database, two_libraries) -> None:
    """Of the same film in two libraries of equal priority the sharper one is chosen; both rows stay."""
    await write(
        make.movie("7", make.part(70), guid="plex://movie/x"), make.movie("8", make.part(80), guid="plex://movie/x")
    )
    await _move(database, "8", 3, 2160)
    assert await query("SELECT rating_key FROM preferred_movies") == [("8",)]
    assert await query("SELECT count(*) FROM active_movies") == [(2,)]


async def test_the_librarys_priority_comes_before_the_picture(write, query, make, database, two_libraries) -> None:
    """A lower number is preferred."""
    await write(
        make.movie("7", make.part(70), guid="plex://movie/x"), make.movie("8", make.part(80), guid="plex://movie/x")
    )
    await _move(database, "8", 3, 2160)
    await database.writer.run(lambda c: c.execute("UPDATE libraries SET priority = 1 WHERE id = 1"))
    assert await query("SELECT rating_key FROM preferred_movies") == [("7",)]


async def test_editions_and_unmatched_items_are_works_of_their_own(write, query, make) -> None:
    """An edition never hides another, and a local guid says nothing about being the same."""
    await write(
        make.movie("1", make.part(1), guid="plex://movie/x"),
        make.movie("2", make.part(2), guid="plex://movie/x", edition_title="Director's Cut"),
        make.movie("3", make.part(3), guid="local://3"),
        make.movie("4", make.part(4), guid="local://3"),
        make.movie("5", make.part(5), guid=None),
        make.movie("6", make.part(6), guid=None),
    )
    rows = await query("SELECT rating_key FROM preferred_movies ORDER BY rating_key")
    assert rows == [("1",), ("2",), ("3",), ("4",), ("5",), ("6",)]


async def test_the_first_of_equal_episodes_is_preferred(write, query, make) -> None:
    """If nothing else distinguishes them, the lowest id wins, so the choice is stable."""
    await write(make.show("1"))
    await write(
        make.episode("2", "1", None, 1, make.part(20), guid="plex://episode/x"),
        make.episode("3", "1", None, 1, make.part(30), guid="plex://episode/x"),
    )
    assert await query("SELECT rating_key FROM preferred_episodes") == [("2",)]


OFF = {
    "server": "UPDATE plex_servers SET is_active = {}",
    "library": "UPDATE libraries SET sync_enabled = {}",
    "selection": "UPDATE libraries SET selected = {}",
}
"""What stops the sync of all items."""


@pytest.mark.parametrize("switch", OFF)
async def test_what_is_not_synced_is_not_shown(write, query, make, database, switch) -> None:
    """By no view, whatever the state of its row says; and it is shown again as it was once it is synced again."""
    await write(make.movie("7", make.part(70)))
    await write(make.show("1"))
    await write(make.episode("2", "1", None, 1, make.part(20)))
    views = ("active_movies", "active_shows", "active_episodes", "preferred_movies", "preferred_episodes")

    async def shown() -> list[int]:
        return [len(await query(f"SELECT * FROM {view}")) for view in views]

    assert await shown() == [1, 1, 1, 1, 1]
    await database.writer.run(lambda c: c.execute(OFF[switch].format(0)))
    assert await shown() == [0, 0, 0, 0, 0]
    assert await query("SELECT state FROM movies UNION ALL SELECT state FROM episodes") == [("active",), ("active",)]
    await database.writer.run(lambda c: c.execute(OFF[switch].format(1)))
    assert await shown() == [1, 1, 1, 1, 1]


@pytest.mark.parametrize("switch", ["sync_enabled", "selected"])
async def test_a_copy_that_is_not_synced_hides_no_other(write, query, make, database, two_libraries, switch) -> None:
    """Otherwise neither would be shown, though one of them can be played."""
    await write(
        make.movie("7", make.part(70), guid="plex://movie/x"), make.movie("8", make.part(80), guid="plex://movie/x")
    )
    await _move(database, "8", 3, 2160)
    await database.writer.run(lambda c: c.execute(f"UPDATE libraries SET {switch} = 0 WHERE id = 3"))
    assert await query("SELECT rating_key FROM preferred_movies") == [("7",)]


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("kind", ["movie", "episode"])
async def test_preferred_rows_are_found_through_the_index(write, make, database, kind, analyzed) -> None:
    """Each row uses the index on the guid; nothing scans or sorts the table for it, with and without statistics."""
    await write(*(make.movie(str(number), make.part(number)) for number in range(1, 50)))
    await write(make.show("100"))
    await write(*(make.episode(str(number), "100", None, number, make.part(number)) for number in range(101, 150)))
    if analyzed:
        await database.writer.run(lambda c: c.execute("ANALYZE"))
    query = f"EXPLAIN QUERY PLAN SELECT * FROM preferred_{kind}s WHERE id = 1"
    steps = [row[3] for row in await database.reader.execute_fetchall(query)]
    assert any(f"SEARCH o USING INDEX {kind}s_source (source_id=?)" in step for step in steps)
    assert not any(step.startswith(("SCAN", "USE TEMP")) for step in steps)
