"""Servers, mappings and switches of a database, read and changed from another program."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon import Database, PathMapping, PlexPathMappingService, Secret
from retrovue_daemon.errors import BadInput, DatabaseHeld, UnknownId
from retrovue_daemon.store.file import visits

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.api.importer import PlexImporter
    from retrovue_daemon.demo import SimulatedPlex

    Rows = Callable[..., list[tuple[Any, ...]]]

URL = "http://192.168.1.10:32400"


# -- servers --------------------------------------------------------------------------------------------------------


async def test_a_server_is_added_as_the_daemon_reads_it(database: Database, rows: Rows) -> None:
    """Active, of the database, with its token and an address without a slash at its end."""
    server_id = await database.add_plex_server(" home ", URL + "/", "tok-1234567")
    assert rows("SELECT id, name, server_url, token, is_active, source FROM plex_servers") == [
        (server_id, "home", URL, "tok-1234567", 1, "database")
    ]
    (server,) = await database.get_plex_servers()
    assert server == {
        "id": server_id,
        "name": "home",
        "server_url": URL,
        "token": Secret("tok-1234567"),
        "is_active": True,
        "source": "database",
        "machine_identifier": None,
        "version": None,
    }


@pytest.mark.parametrize(
    ("name", "url", "token", "words"),
    [
        ("home", "192.168.1.10:32400", "tok-1234567", "url must be an address"),
        ("home", URL, "", "token must be a token"),
        ("home", URL, "tok 1234567", "token must be a single token"),
        ("  ", URL, "tok-1234567", "name must be a name"),
        ("home", URL + "/?X-Plex-Token=tok-1234567", "tok-7654321", "url must not contain ? or #"),
    ],
)
async def test_what_a_configuration_could_not_hold_is_refused(
    database: Database, rows: Rows, name: str, url: str, token: str, words: str
) -> None:
    """With the key that is wrong, and without what may be a secret."""
    with pytest.raises(BadInput) as caught:
        await database.add_plex_server(name, url, token)
    assert words in str(caught.value)
    assert "1234567" not in str(caught.value) + repr(caught.value)
    assert rows("SELECT count(*) FROM plex_servers") == [(0,)]


async def test_a_name_or_an_address_is_one_servers(database: Database, rows: Rows) -> None:
    """However they are spelled."""
    await database.add_plex_server("home", URL, "tok-1234567")
    with pytest.raises(BadInput, match="'home' already exists"):
        await database.add_plex_server("HOME", "http://192.168.1.11:32400", "tok-1234567")
    with pytest.raises(BadInput, match="'home' already has the url"):
        await database.add_plex_server("attic", "HTTP://192.168.1.10:32400/", "tok-1234567")
    assert rows("SELECT count(*) FROM plex_servers") == [(1,)]


async def test_rows_of_other_programs_are_no_stumbling_block(database: Database, rows: Rows) -> None:
    """An address that is none is compared as it is, one that is spelled another way is the same."""
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('odd', '192.168.1.9:32400')")
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('plain', 'http://PLEX.example:80')")
    await database.add_plex_server("home", URL, "tok-1234567")
    with pytest.raises(BadInput, match="'plain' already has the url"):
        await database.add_plex_server("other", "http://plex.example", "tok-1234567")
    assert [server["name"] for server in await database.get_plex_servers()] == ["home", "odd", "plain"]


async def test_a_secret_in_an_address_is_not_given_out(database: Database, rows: Rows) -> None:
    """Another program may have stored one there."""
    rows("INSERT INTO plex_servers (name, server_url) VALUES ('odd', 'http://me:secret@h:1/p?X-Plex-Token=secret')")
    (server,) = await database.get_plex_servers()
    assert server["server_url"] == "http://***@h:1/p"


async def test_a_database_that_is_closed_knows_no_paths(path: Path) -> None:
    """That it is not open is what is wrong, not the id."""
    async with Database(path) as database:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        database.get_local_path(1, "/a")


async def test_a_server_that_a_configuration_left_behind_is_taken_over(database: Database, rows: Rows) -> None:
    """With its row, so that all that was mirrored stays."""
    rows(
        "INSERT INTO plex_servers (id, name, server_url, source, is_active)"
        " VALUES (7, 'home', 'http://x', 'config', 0)"
    )
    with pytest.raises(BadInput, match="removed from the configuration") as caught:
        await database.set_plex_server_active(7, active=True)
    assert "add_plex_server" in (caught.value.hint or "")
    assert await database.add_plex_server("home", URL, "tok-1234567") == 7
    assert rows("SELECT source, is_active, token FROM plex_servers") == [("database", 1, "tok-1234567")]


async def test_a_server_is_changed(database: Database, rows: Rows) -> None:
    """Only what is named, and the return value says whether anything was."""
    server_id = await database.add_plex_server("home", URL, "tok-1234567")
    assert await database.update_plex_server(server_id, server_url="http://192.168.1.12:32400")
    assert await database.update_plex_server(server_id, "attic", token=Secret("tok-7654321"), is_active=False)
    assert rows("SELECT name, server_url, token, is_active FROM plex_servers") == [
        ("attic", "http://192.168.1.12:32400", "tok-7654321", 0)
    ]
    rows("UPDATE plex_servers SET updated_at = 5")
    assert not await database.update_plex_server(server_id, "attic", is_active=False)
    assert not await database.update_plex_server(server_id)
    assert rows("SELECT updated_at FROM plex_servers") == [(5,)]
    assert await database.set_plex_server_active(server_id, active=True)
    assert not await database.set_plex_server_active(server_id, active=True)
    assert rows("SELECT is_active FROM plex_servers") == [(1,)]


async def test_a_change_is_held_to_the_same_rules(database: Database, rows: Rows) -> None:
    """And is whole or not at all."""
    first = await database.add_plex_server("home", URL, "tok-1234567")
    await database.add_plex_server("attic", "http://192.168.1.11:32400", "tok-1234567")
    for wrong in ({"name": "Attic"}, {"server_url": "http://192.168.1.11:32400"}, {"token": ""}):
        with pytest.raises(BadInput):
            await database.update_plex_server(first, is_active=False, **wrong)
    assert rows("SELECT name, server_url, is_active FROM plex_servers WHERE id = ?", first) == [("home", URL, 1)]


async def test_what_the_configuration_defines_is_changed_there(database: Database, rows: Rows) -> None:
    """The daemon would undo anything else."""
    rows("INSERT INTO plex_servers (id, name, server_url, source) VALUES (7, 'home', 'http://x', 'config')")
    rows("INSERT INTO plex_path_mappings VALUES (1, 7, NULL, NULL, '/srv', '/mnt', 'config', 0)")
    changes = (
        database.update_plex_server(7, name="other"),
        database.set_plex_server_active(7, active=False),
        database.delete_plex_server(7),
        database.delete_plex_path_mapping(1),
    )
    for change in changes:
        with pytest.raises(BadInput, match="defined in the daemon's configuration"):
            await change
    assert rows("SELECT name, is_active FROM plex_servers") == [("home", 1)]
    assert rows("SELECT count(*) FROM plex_path_mappings") == [(1,)]


async def test_an_unknown_server_is_reported_with_those_that_there_are(database: Database) -> None:
    """Every call raises the same error, except a deletion, which returns False."""
    await database.add_plex_server("home", URL, "tok-1234567")
    with pytest.raises(UnknownId, match="no server has the id 9") as caught:
        await database.update_plex_server(9, name="x")
    assert caught.value.hint == "known: 1 (home)"
    for ask in (
        database.set_plex_server_active(9, active=True),
        database.get_server_libraries(9),
        database.get_plex_path_mappings(9),
        database.add_plex_path_mapping("/srv", "/mnt", 9),
    ):
        with pytest.raises(UnknownId):
            await ask
    with pytest.raises(UnknownId):
        database.get_local_path(9, "/srv/x")
    assert not await database.delete_plex_server(9)


async def test_a_server_goes_with_all_that_is_its_own(
    database: Database, importer: PlexImporter, rows: Rows, server_id: int
) -> None:
    """And nothing of another one."""
    await importer.sync_all_libraries()
    other = await database.add_plex_server("attic", URL, "tok-1234567")
    await database.add_plex_path_mapping("/srv", "/mnt", other)
    assert await database.delete_plex_server(server_id)
    assert [server["id"] for server in await database.get_plex_servers()] == [other]
    for table in ("libraries", "movies", "shows", "seasons", "episodes", "media_files", "sync_runs", "movie_guids"):
        assert rows(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert rows("SELECT count(*) FROM plex_path_mappings") == [(1,)]


# -- libraries ------------------------------------------------------------------------------------------------------


async def test_libraries_are_those_of_the_last_sync(
    database: Database, importer: PlexImporter, plex: SimulatedPlex, server_id: int
) -> None:
    """With all their roots, and when they were synced."""
    assert await database.get_server_libraries(server_id) == []
    await importer.sync_all_libraries()
    libraries = await database.get_server_libraries(server_id)
    assert await database.get_server_libraries() == libraries
    movies = next(library for library in libraries if library["library_key"] == "1")
    assert (movies["library_name"], movies["library_type"], movies["sync_enabled"]) == ("Movies", "movie", True)
    assert movies["locations"] == ["/srv/media/movies", "/srv/archive/films"]
    assert movies["library_root"] == "/srv/media/movies"
    assert movies["last_full_sync_at"] is not None
    assert movies["state"] == "active"


async def test_a_library_that_is_switched_off_is_not_synced(
    database: Database, importer: PlexImporter, plex: SimulatedPlex, rows: Rows
) -> None:
    """Its rows stay, and it is known to be off."""
    await importer.sync_all_libraries()
    libraries = {library["library_key"]: library["id"] for library in await database.get_server_libraries()}
    assert await database.set_library_sync_enabled(libraries["1"], enabled=False)
    assert not await database.set_library_sync_enabled(libraries["1"], enabled=False)
    plex.changes.delete(next(iter(plex.world.movies("1"))).id)
    result = await importer.sync_all_libraries(full=True)
    assert result["removed"] == 0
    assert rows("SELECT count(*) FROM movies WHERE library_id = ? AND state <> 'missing'", libraries["1"]) == [(27,)]
    listed = {library["key"]: library for library in await importer.get_libraries()}
    assert (listed["1"]["sync_enabled"], listed["2"]["sync_enabled"]) == (False, True)
    with pytest.raises(UnknownId, match="no library has the id 99"):
        await database.set_library_sync_enabled(99, enabled=True)


# -- path mappings --------------------------------------------------------------------------------------------------


async def test_mappings_are_added_once(database: Database, server_id: int) -> None:
    """The same one again is the one that is there; another local side for it is a mistake."""
    first = await database.add_plex_path_mapping("/media/movies", "/mnt/movies", server_id)
    assert await database.add_plex_path_mapping("/media/movies/", "/mnt/movies", server_id) == first
    with pytest.raises(BadInput, match="mapped to '/mnt/movies' already") as caught:
        await database.add_plex_path_mapping("/media/movies", "/elsewhere", server_id)
    assert caught.value.hint == f"delete mapping {first} first"
    second = await database.add_plex_path_mapping(
        "/media/movies", "D:\\Movies", server_id, library_root="/media/movies", library_name="Movies"
    )
    assert await database.get_plex_path_mappings(server_id) == [
        {
            "id": first,
            "server_id": server_id,
            "plex_path": "/media/movies",
            "local_path": "/mnt/movies",
            "library_root": None,
            "library_name": None,
            "source": "database",
        },
        {
            "id": second,
            "server_id": server_id,
            "plex_path": "/media/movies",
            "local_path": "D:\\Movies",
            "library_root": "/media/movies",
            "library_name": "Movies",
            "source": "database",
        },
    ]
    assert await database.delete_plex_path_mapping(first)
    assert not await database.delete_plex_path_mapping(first)
    assert [row["id"] for row in await database.get_plex_path_mappings()] == [second]


async def test_a_mapping_needs_absolute_paths(database: Database, server_id: int) -> None:
    """As in the configuration."""
    with pytest.raises(BadInput, match="plex_path must be an absolute path"):
        await database.add_plex_path_mapping("media/movies", "/mnt/movies", server_id)


async def test_local_paths_follow_each_change(database: Database, server_id: int) -> None:
    """The plain method goes by what the last awaited call has read."""
    path = "/media/tv/a/b.mkv"
    assert database.get_local_path(server_id, path) == path
    mapping = await database.add_plex_path_mapping("/media", "/mnt", server_id)
    await database.add_plex_path_mapping("/media/tv", "\\\\nas\\tv", server_id)
    assert database.get_local_path(server_id, path) == "\\\\nas\\tv\\a\\b.mkv"
    assert database.get_local_path(server_id, "/media/tvx") == "/mnt/tvx"
    await database.delete_plex_path_mapping(mapping)
    assert database.get_local_path(server_id, "/media/tvx") == "/media/tvx"


async def test_changes_of_others_are_seen_at_the_next_call(database: Database, rows: Rows, server_id: int) -> None:
    """Or when the program says so."""
    rows("INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (?, '/media', '/mnt')", server_id)
    assert database.get_local_path(server_id, "/media/x") == "/media/x"
    await database.refresh()
    assert database.get_local_path(server_id, "/media/x") == "/mnt/x"


async def test_local_paths_are_those_that_a_sync_stores(
    database: Database, importer: PlexImporter, rows: Rows, server_id: int
) -> None:
    """Also where a mapping is for one library, by its title or by its root, and whether the root is named or not."""
    await database.add_plex_path_mapping("/srv", "/mnt/srv", server_id)
    await database.add_plex_path_mapping("/srv/media", "/mnt/four-k", server_id, library_name="Movies 4K")
    await database.add_plex_path_mapping("/srv/media", "M:\\", server_id, library_root="/srv/archive/films")
    await importer.sync_all_libraries()
    stored = rows(
        "SELECT f.plex_path, f.file_path, p.path FROM media_files AS f"
        " JOIN library_locations AS p ON p.library_id = f.library_id AND f.plex_path LIKE p.path || '/%'"
    )
    assert len({file_path[:4] for _, file_path, _ in stored}) == 2
    assert {file_path[:9] for _, file_path, _ in stored} >= {"/mnt/srv/", "/mnt/four"}
    for plex_path, file_path, root in stored:
        assert importer.get_local_path(plex_path) == file_path
        assert importer.get_local_path(plex_path, root) == file_path


async def test_a_root_that_is_no_known_librarys_still_selects_mappings(database: Database, server_id: int) -> None:
    """Before the first sync, no library is known."""
    await database.add_plex_path_mapping("/media", "/mnt/one", server_id, library_root="/media/one")
    await database.add_plex_path_mapping("/media", "/mnt/any", server_id)
    assert database.get_local_path(server_id, "/media/one/x", "/media/one") == "/mnt/one/one/x"
    assert database.get_local_path(server_id, "/media/one/x") == "/mnt/any/one/x"


async def test_mappings_as_they_are_returned_make_a_service(database: Database, server_id: int) -> None:
    """As programs are used to make one; values of the package's own do as well."""
    await database.add_plex_path_mapping("/media", "/mnt", server_id)
    await database.add_plex_path_mapping("/media", "/tv", server_id, library_root="/media/tv")
    service = PlexPathMappingService(await database.get_plex_path_mappings(server_id))
    assert service.get_local_path("/media/tv/x", "/media/tv") == "/tv/tv/x"
    assert service.get_local_path("/media/tv/x") == "/mnt/tv/x"
    assert PlexPathMappingService([PathMapping("/media", "/mnt")]).get_local_path("/media/x") == "/mnt/x"


# -- beside others --------------------------------------------------------------------------------------------------


async def test_reading_continues_while_another_program_writes(database: Database, path: Path, server_id: int) -> None:
    """What is committed is what is seen."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE plex_servers SET name = 'other'")
        assert [server["name"] for server in await database.get_plex_servers()] == ["home"]
        connection.execute("COMMIT")
    assert [server["name"] for server in await database.get_plex_servers()] == ["other"]


async def test_a_database_that_stays_locked_is_reported(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writers wait for each other, but not forever."""
    monkeypatch.setattr(visits, "BUSY_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseHeld):
            await database.add_plex_server("home", URL, "tok-1234567")


@pytest.mark.parametrize("odd", ["/a\0b", "/a\ud800b", "/a\udcff", None, Path("/a")], ids=repr)
async def test_a_path_that_nothing_can_be_opened_by_is_no_mapping(
    database: Database, server_id: int, odd: Any
) -> None:
    """What the system or the database cannot hold is refused as any other bad input, in words that fit."""
    for plex_path, local_path in ((odd, "/b"), ("/b", odd)):
        with pytest.raises(BadInput) as refused:
            await database.add_plex_path_mapping(plex_path, local_path, server_id)
        assert "date or time" not in str(refused.value)
    with pytest.raises(BadInput):
        await database.add_plex_path_mapping("/a", "/b", server_id, library_root="/a\0")
    assert await database.get_plex_path_mappings() == []
