"""After a sync the database holds what the server has: every title, id, number, file and duration."""

from __future__ import annotations

import pytest

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.sources.plex.guid import GUIDParser

TYPES_SYNCED = {"movie", "show"}


def _expected_guids(item) -> set[tuple[str, tuple[str, str]]]:
    return {(item.rating_key, pair) for pair in GUIDParser.external_ids(item.guid, item.external_guids)}


def _stored_guids(rows, table: str, items: str, column: str) -> set[tuple[str, tuple[str, str]]]:
    query = f"SELECT i.rating_key, g.provider, g.external_id FROM {table} g JOIN {items} i ON i.id = g.{column}"
    return {(key, (provider, external_id)) for key, provider, external_id in rows(query)}


def _duration(media, part) -> int | None:
    """A version of a single part lasts as long as that part, also where Plex has not analysed the file."""
    return media.duration if part.duration is None and len(media.parts) == 1 else part.duration


def assert_mirrors(world, rows) -> None:
    """Compare the database with the model of the truth, field by field."""
    libraries = {library.key: library for library in world.libraries.values() if library.type in TYPES_SYNCED}
    assert {(key, name) for key, name in rows("SELECT library_key, library_name FROM libraries")} == {
        (library.key, library.title) for library in libraries.values()
    }
    movies = {item.rating_key: item for item in world.movies()}
    assert set(
        rows("SELECT rating_key, title, year, source_id, edition_title, duration, updated_at FROM movies")
    ) == {(i.rating_key, i.title, i.year, i.guid, i.edition_title, i.duration, i.updated_at) for i in movies.values()}
    shows = {item.rating_key: item for item in world.shows()}
    assert set(rows("SELECT rating_key, title, year, source_id FROM shows")) == {
        (item.rating_key, item.title, item.year, item.guid) for item in shows.values()
    }
    assert set(
        rows("SELECT s.rating_key, s.season_number, w.rating_key FROM seasons s JOIN shows w ON w.id = s.show_id")
    ) == {(item.rating_key, item.index, str(item.show_id)) for item in world.seasons()}
    assert set(
        rows(
            "SELECT e.rating_key, e.episode_title, e.season_number, e.episode_number, e.duration, e.source_id,"
            " w.rating_key, s.rating_key FROM episodes e JOIN shows w ON w.id = e.show_id"
            " LEFT JOIN seasons s ON s.id = e.season_id"
        )
    ) == {
        (i.rating_key, i.title, i.season_index, i.index, i.duration, i.guid, str(i.show_id), str(i.season_id))
        for i in world.episodes()
    }
    assert set(rows("SELECT rating_key, part_id, plex_path, size, duration, change_stamp FROM media_files")) == {
        (item.rating_key, part.id, part.file, part.size, _duration(media, part), part.stamp)
        for item, media, part in world.parts()
    }
    for items, table, column, kind in (
        (movies.values(), "movie_guids", "movie_id", "movies"),
        (shows.values(), "show_guids", "show_id", "shows"),
        (world.episodes(), "episode_guids", "episode_id", "episodes"),
    ):
        expected = set().union(*map(_expected_guids, items))
        assert _stored_guids(rows, table, kind, column) == expected
    assert set(
        rows("SELECT l.library_key, p.path FROM library_locations p JOIN libraries l ON l.id = p.library_id")
    ) == {(library.key, location.path) for library in libraries.values() for location in library.locations}


async def test_the_built_in_library_is_mirrored(plex, sync, rows) -> None:
    """Specials, editions, versions, shared files, many scripts, unmatched and legacy items: everything."""
    (report,) = await sync(plex)
    assert {done.run.status for done in report.passes} == {"ok"}
    assert_mirrors(plex.world, rows)
    assert rows("PRAGMA foreign_key_check") == []
    assert rows("PRAGMA integrity_check") == [("ok",)]


async def test_a_library_of_many_pages_is_mirrored(config, sync, rows) -> None:
    """140 films, 12 shows and 1,080 episodes, in pages of 100: with every guid, number, file and duration."""
    async with SimulatedPlex(generated_library(movies=140, shows=12, episodes=90)) as plex:
        await sync(config(plex, sync={"page_size": 100}))
        assert rows("SELECT count(*) FROM episodes") == [(1_080,)]
        assert_mirrors(plex.world, rows)


async def test_xml_gives_the_same_rows_as_json(plex, config, sync, rows, path) -> None:
    """A server that ignores Accept is mirrored just as well."""
    one_by_one = config(plex, sync={"concurrency": 1})  # so that the ids do not depend on which library is faster
    query = "SELECT * FROM {} ORDER BY id"
    tables = ("movies", "shows", "seasons", "episodes", "media_files")
    ignored = "created_at", "synced_at"

    def content() -> dict[str, list[tuple[object, ...]]]:
        result = {}
        for table in tables:
            columns = [
                name for (name,) in rows("SELECT name FROM pragma_table_info(?)", table) if name not in ignored
            ]
            result[table] = rows(query.format(table).replace("*", ", ".join(columns)))
        return result

    await sync(one_by_one)
    by_json = content()
    path.unlink()
    plex.quirks.always_xml = True
    await sync(one_by_one)
    assert content() == by_json


async def test_an_unchanged_library_is_not_written_again(plex, sync, rows) -> None:
    """The second pass sees every item, and none of their rows changes."""
    await sync(plex)
    before = rows("SELECT id, digest, synced_at FROM movies UNION ALL SELECT id, digest, synced_at FROM episodes")
    (report,) = await sync(plex)
    for done in report.passes:
        assert (
            done.run.counts.added,
            done.run.counts.updated,
            done.run.counts.restored,
            done.run.counts.removed,
        ) == (0, 0, 0, 0)
        assert done.run.counts.unchanged == done.run.counts.listed
    after = rows("SELECT id, digest, synced_at FROM movies UNION ALL SELECT id, digest, synced_at FROM episodes")
    assert after == before


async def test_a_changed_item_is_written_and_nothing_else(plex, sync, rows) -> None:
    """An edit, and a file that was replaced without any mark of the server's moving."""
    await sync(plex)
    edited, replaced, *_ = plex.world.movies("1")
    plex.changes.edit(edited.id, title="Another Title")
    updated_at = replaced.updated_at
    plex.changes.replace_file(replaced.id, size=123_456_789, duration=replaced.duration)
    assert plex.world.item(replaced.id).updated_at == updated_at

    (report,) = await sync(plex)

    assert {done.library: done.run.counts.updated for done in report.passes if done.run.counts.updated} == {
        "Movies": 2
    }
    assert rows("SELECT title FROM movies WHERE rating_key = ?", edited.rating_key) == [("Another Title",)]
    assert rows("SELECT size FROM media_files WHERE rating_key = ? LIMIT 1", replaced.rating_key) == [(123_456_789,)]
    assert_mirrors(plex.world, rows)


async def test_paths_are_those_of_the_readers(plex, config, sync, rows) -> None:
    """Mappings are applied to every file; a path that none fits stays as the server says it."""
    mapping = {"plex_path": "/srv/media/movies", "local_path": "D:\\Films", "library_name": "Movies"}
    await sync(config(plex, server={"path_mappings": [mapping]}))
    pairs = rows(
        "SELECT f.plex_path, f.file_path FROM media_files f JOIN libraries l ON l.id = f.library_id"
        " WHERE l.library_name = 'Movies' AND f.plex_path LIKE '/srv/media/movies/%'"
    )
    assert pairs
    for plex_path, file_path in pairs:
        assert file_path == plex_path.replace("/srv/media/movies", "D:\\Films").replace("/", "\\")
    assert rows("SELECT count(*) FROM media_files WHERE library_name = 'TV Shows' AND file_path <> plex_path") == [
        (0,)
    ]


async def test_titles_are_values_and_never_sql(plex, sync, rows) -> None:
    """Quotes, comments and wildcards arrive as they are, in titles of libraries and items and in names of files."""
    text = "x'); DROP TABLE movies; -- \"%_"
    library = plex.changes.add_library("movie", text, f"/srv/{text}")
    plex.changes.add_movie(library.key, text)
    show = plex.changes.add_show(plex.changes.add_library("show", f"{text} 2", f"/srv/{text} 2").key, text)
    plex.changes.add_episode(show.id, 1, 1, text)
    for _ in range(2):
        (report,) = await sync(plex)
        assert {done.run.status for done in report.passes} == {"ok"}
        assert_mirrors(plex.world, rows)
        plex.changes.edit(show.id, title=f"{text} again")


async def test_music_and_photos_are_omitted(plex, sync, rows) -> None:
    """Only films and shows are mirrored."""
    await sync(plex)
    assert {kind for (kind,) in rows("SELECT DISTINCT library_type FROM libraries")} == TYPES_SYNCED


async def test_runs_are_recorded(plex, sync, rows) -> None:
    """One row a pass, with the counts that the report has."""
    (report,) = await sync(plex)
    recorded = rows(
        "SELECT id, kind, status, listed, added, updated, unchanged, removed, restored, skipped, pages, bytes"
        " FROM sync_runs ORDER BY id"
    )
    assert recorded == sorted(
        (
            p.run_id,
            "full",
            "ok",
            p.run.counts.listed,
            p.run.counts.added,
            0,
            0,
            0,
            0,
            p.run.counts.skipped,
            p.run.counts.pages,
            p.run.counts.bytes,
        )
        for p in report.passes
    )
    assert rows("SELECT count(*) FROM libraries WHERE last_full_sync_at IS NULL OR last_error IS NOT NULL") == [(0,)]


async def test_two_servers_stand_side_by_side(plex, sync, rows) -> None:
    """Equal rating keys of two servers are different items."""
    async with SimulatedPlex(generated_library(movies=30, shows=2, episodes=5)) as other:
        reports = await sync(plex, other)
        assert [report.error for report in reports] == [None, None]
    counts = dict(rows("SELECT s.name, count(*) FROM movies m JOIN plex_servers s ON s.id = m.server_id GROUP BY 1"))
    assert counts == {"home": len(list(plex.world.movies())), "server1": 30}


async def test_only_selected_libraries_are_synced(plex, config, sync, rows) -> None:
    """The configuration's order becomes the priority."""
    await sync(config(plex, server={"libraries": ["Movies 4K", "Movies"]}))
    synced = rows("SELECT library_name, priority FROM libraries WHERE last_sync_at IS NOT NULL ORDER BY priority")
    assert synced == [("Movies 4K", 0), ("Movies", 1)]


@pytest.mark.parametrize("status", [400, 404, 501])
async def test_servers_without_all_leaves_are_mirrored(plex, sync, rows, status) -> None:
    """`all?type=4` serves where `allLeaves` is refused."""
    plex.quirks.refuses_all_leaves = status
    (report,) = await sync(plex)
    assert {done.run.status for done in report.passes} == {"ok"}
    assert_mirrors(plex.world, rows)


async def test_a_token_of_the_configuration_is_never_stored(plex, sync, path) -> None:
    """Not in any table, and so not in any byte of the file."""
    await sync(plex)
    assert plex.token.encode() not in path.read_bytes()
