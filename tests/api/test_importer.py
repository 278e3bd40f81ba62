"""Asking and syncing a server from within a program: what the daemon does, as awaited calls."""

from __future__ import annotations

import asyncio
import logging
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from retrovue_daemon import Database, create_plex_importer
from retrovue_daemon.api.importer import PlexImporter
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import (
    AmbiguousShow,
    BadInput,
    ConfigError,
    DatabaseHeld,
    RequestRefused,
    ServerUnreachable,
    TokenUnknown,
    Unauthorized,
    UnknownId,
    UnknownLibrary,
    UnknownServer,
    UnknownShow,
    WrongServer,
)
from retrovue_daemon.store.file.lock import database_lock
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.conftest import Calls

    Rows = Callable[..., list[tuple[Any, ...]]]

SEARCH = "/library/sections/all"


# -- making one -----------------------------------------------------------------------------------------------------


async def test_an_importer_is_made_of_a_server_of_the_database(database: Database, server_id: int) -> None:
    """No request is made yet; an unknown id is reported at once."""
    importer = create_plex_importer(server_id, database)
    assert isinstance(importer, PlexImporter)
    with pytest.raises(UnknownId, match="no server has the id 9"):
        create_plex_importer(9, database)


async def test_a_server_that_goes_is_missed_at_the_next_call(database: Database, importer: PlexImporter) -> None:
    """The row is read anew each time."""
    await database.delete_plex_server(importer.server_id)
    with pytest.raises(UnknownId):
        await importer.get_libraries()
    with pytest.raises(UnknownId):
        await importer.sync_all_libraries()


# -- test_connection ------------------------------------------------------------------------------------------------


async def test_the_owners_token_is_connected(
    plex: SimulatedPlex, database: Database, server_id: int, calls: Calls
) -> None:
    """By the sessions, which only an owner may see."""
    importer = create_plex_importer(server_id, database, calls.on_status)
    assert await importer.test_connection()
    assert [request.path for request in plex.requests] == ["/identity", "/status/sessions"]
    assert calls.messages == ["server 'home' is connected"]


async def test_a_shared_token_is_connected(plex: SimulatedPlex, database: Database, server_id: int) -> None:
    """Plex refuses it the sessions, not the libraries."""
    importer = PlexImporter(server_id, database, token=plex.shared_token, retry=IMPATIENT)
    assert await importer.test_connection()
    assert plex.requests[-1].path == "/library/sections"


async def test_a_bad_token_is_not_connected(database: Database, server_id: int, calls: Calls) -> None:
    """The status callback receives the reason and the hint."""
    importer = PlexImporter(server_id, database, calls.on_status, token="wrong-token", retry=IMPATIENT)
    assert not await importer.test_connection()
    (message,) = calls.messages
    assert message.startswith("server 'home' rejected the token: HTTP 401; check the token")


async def test_a_dead_server_is_not_connected(plex: SimulatedPlex, importer: PlexImporter) -> None:
    """Neither is one that is starting."""
    plex.faults.fail("/identity", status=503, times=None)
    assert not await importer.test_connection()
    await plex.stop()
    assert not await importer.test_connection()


async def test_another_machine_is_not_connected_and_not_shown_the_token(
    importer: PlexImporter, database: Database, calls: Calls
) -> None:
    """It only answers at the address of the one that was mirrored."""
    importer.status_callback = calls.on_status
    await importer.sync_show_by_title_and_year("The Lighthouse Keepers")
    async with SimulatedPlex(built_in_library()) as other:
        other.world.machine_identifier = "another-machine"
        await database.update_plex_server(importer.server_id, server_url=other.url)
        assert not await importer.test_connection()
        assert "is not the same Plex Media Server as before" in calls.messages[-1]
        with pytest.raises(WrongServer):
            await importer.get_libraries()
        with pytest.raises(WrongServer):
            await importer.sync_all_libraries()
        assert {request.path for request in other.requests} == {"/identity"}
        assert not any("x-plex-token" in request.headers for request in other.requests)


# -- get_libraries --------------------------------------------------------------------------------------------------


async def test_all_libraries_are_listed(importer: PlexImporter, database: Database) -> None:
    """Also those that cannot be mirrored; the id of the row is there once there is one."""
    before = {library["key"]: library for library in await importer.get_libraries()}
    assert before["3"] == {
        "id": None,
        "key": "3",
        "title": "TV Shows",
        "type": "show",
        "agent": "tv.plex.agents.series",
        "locations": ["/srv/media/tv"],
        "uuid": "645776b5-057a-5bae-ea5a-9535bd26cb77",
        "sync_enabled": True,
    }
    assert (before["8"]["type"], before["8"]["sync_enabled"]) == ("artist", False)
    await importer.sync_library("3")
    ids = {row["library_key"]: row["id"] for row in await database.get_server_libraries()}
    after = {library["key"]: library["id"] for library in await importer.get_libraries()}
    assert after["3"] == ids["3"]
    assert after["8"] is None


# -- syncing --------------------------------------------------------------------------------------------------------


async def test_everything_is_synced(importer: PlexImporter, plex: SimulatedPlex, rows: Rows) -> None:
    """The first time all is new, the second time nothing is; what changed is counted."""
    first = await importer.sync_all_libraries()
    (items,) = rows("SELECT count(*) FROM movies")[0]
    assert items == sum(1 for _ in plex.world.movies())
    assert first["added"] == first["listed"] == 112
    assert first["errors"] == []
    plex.changes.edit(next(plex.world.movies("1")).id, title="Another title")
    plex.changes.delete(list(plex.world.movies("1"))[3].id)
    plex.changes.add_movie("1", "A new one", 2024)
    second = await importer.sync_all_libraries()
    assert (second["added"], second["updated"], second["removed"], second["errors"]) == (1, 1, 1, [])


async def test_one_library_is_synced(importer: PlexImporter, plex: SimulatedPlex, rows: Rows) -> None:
    """By key or title, whatever type the program names; for a wrong one, the hint names similar ones."""
    assert (await importer.sync_library("2", "show"))["added"] == 2
    assert (await importer.sync_library(5, "movie"))["added"] == 4
    assert (await importer.sync_library("Movies 4K", full=True))["unchanged"] == 2
    assert rows("SELECT DISTINCT l.library_key FROM movies AS m JOIN libraries AS l ON l.id = m.library_id") == [
        ("2",),
        ("5",),
    ]
    with pytest.raises(UnknownLibrary) as caught:
        await importer.sync_library("Moviez")
    assert caught.value.hint == "did you mean 'Movies'?"


async def test_one_show_is_synced(importer: PlexImporter, plex: SimulatedPlex, rows: Rows) -> None:
    """With its seasons and episodes, and nothing else."""
    result = await importer.sync_show_by_title_and_year("the lighthouse keepers", 2019)
    assert result["added"] == result["listed"] == 1 + 3 + 11
    assert rows("SELECT title FROM shows") == [("The Lighthouse Keepers",)]
    with pytest.raises(UnknownShow, match="no show is named 'Lighthouse'"):
        await importer.sync_show_by_title_and_year("Lighthouse")
    with pytest.raises(UnknownShow, match=r"'The Lighthouse Keepers' \(1961\)"):
        await importer.sync_show_by_title_and_year("The Lighthouse Keepers", 1961)


async def test_a_title_of_several_shows_needs_a_year(importer: PlexImporter, plex: SimulatedPlex) -> None:
    """The error lists the existing ones."""
    again = plex.changes.add_show("4", "The Lighthouse Keepers", 1961)
    plex.changes.add_episode(again.id, 1, 1, "The Old Light")
    with pytest.raises(AmbiguousShow) as caught:
        await importer.sync_show_by_title_and_year("The Lighthouse Keepers")
    assert caught.value.years == (1961, 2019)
    assert (await importer.sync_show_by_title_and_year("The Lighthouse Keepers", 1961))["added"] == 3


async def test_what_is_held_back_is_an_error_that_can_be_accepted(
    importer: PlexImporter, plex: SimulatedPlex
) -> None:
    """Nothing is removed on doubt."""
    await importer.sync_all_libraries()
    plex.quirks.empty_libraries = {"1"}
    result = await importer.sync_library("1", full=True)
    assert result["removed"] == 0
    (error,) = result["errors"]
    assert error.startswith("Movies: ")
    accepted = await importer.sync_library("1", accept_removals=True)
    assert (accepted["removed"], accepted["errors"]) == (27, [])


async def test_one_librarys_trouble_is_an_error_among_the_others_results(
    importer: PlexImporter, plex: SimulatedPlex
) -> None:
    """What could be read is counted."""
    plex.faults.fail("/library/sections/1/all", status=500, times=None)
    result = await importer.sync_all_libraries()
    assert result["added"] == 112 - 27
    (error,) = result["errors"]
    assert error.startswith("Movies: server 'home' is temporarily unavailable: HTTP 500")


async def test_a_server_that_cannot_be_used_raises(importer: PlexImporter, plex: SimulatedPlex, path: Path) -> None:
    """An empty result would look like a library without changes. The database is free afterwards."""
    importer._token = None
    plex.token = "exchanged"
    with pytest.raises(Unauthorized):
        await importer.sync_all_libraries()
    await plex.stop()
    with pytest.raises(ServerUnreachable):
        await importer.sync_library("1")
    with database_lock(path):
        pass


async def test_an_inactive_server_can_be_queried_but_not_synced(importer: PlexImporter, database: Database) -> None:
    """As the daemon has it."""
    await database.set_plex_server_active(importer.server_id, active=False)
    assert await importer.test_connection()
    with pytest.raises(UnknownServer, match="no active server is named 'home'") as off:
        await importer.sync_all_libraries()
    assert "switched off" in str(off.value.hint)


async def test_other_servers_are_left_alone(importer: PlexImporter, database: Database, rows: Rows) -> None:
    """Also those that a configuration defines which this program does not know."""
    rows("INSERT INTO plex_servers (name, server_url, source) VALUES ('attic', 'http://127.0.0.1:1', 'config')")
    await importer.sync_library("2")
    assert rows("SELECT name, is_active FROM plex_servers ORDER BY name") == [("attic", 1), ("home", 1)]


async def test_importers_of_one_database_take_turns(database: Database, importer: PlexImporter) -> None:
    """Two servers are synced one after the other, without an error."""
    async with SimulatedPlex(built_in_library()) as other:
        other.world.machine_identifier = "attic-machine"
        attic = PlexImporter(
            await database.add_plex_server("attic", other.url, other.token), database, retry=IMPATIENT
        )
        results = await asyncio.gather(importer.sync_library("1"), attic.sync_library("1"))
    assert [result["added"] for result in results] == [27, 27]


async def test_another_process_that_syncs_is_reported(importer: PlexImporter, path: Path) -> None:
    """It is no daemon that could do the work."""
    with database_lock(path), pytest.raises(DatabaseHeld) as caught:
        await importer.sync_all_libraries()
    assert not caught.value.serves


async def test_a_machine_that_was_mirrored_before_keeps_its_row(
    importer: PlexImporter, database: Database, plex: SimulatedPlex
) -> None:
    """Under another name it is still the same server; the importer continues with the older row."""
    await importer.sync_library("2")
    await database.set_plex_server_active(importer.server_id, active=False)
    renamed = PlexImporter(await database.add_plex_server("attic", plex.url, plex.token), database, retry=IMPATIENT)
    assert renamed.server_id != importer.server_id
    assert (await renamed.sync_library("2", full=True))["unchanged"] == 2
    assert renamed.server_id == importer.server_id
    assert len(await renamed.get_libraries()) == 9
    assert [server["name"] for server in await database.get_plex_servers()] == ["attic"]


async def test_a_cancelled_sync_cleans_up(
    importer: PlexImporter, plex: SimulatedPlex, path: Path, rows: Rows
) -> None:
    """What was read stays, the pass is recorded, the database is free, and no task is left."""
    stuck = plex.faults.hang("/library/sections/3/allLeaves")
    sync = asyncio.create_task(importer.sync_library("3"))
    async with asyncio.timeout(20):
        await stuck.reached.wait()
    sync.cancel()
    await asyncio.wait({sync}, timeout=20)
    assert sync.cancelled()
    stuck.release.set()
    with database_lock(path):
        assert rows("SELECT status FROM sync_runs") == [("cancelled",)]
    # What has no name of its own is the simulated server's.
    names = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
    assert [name for name in names if not name.startswith("Task-")] == []


async def test_permissions_are_not_for_a_visitor_to_change(importer: PlexImporter, path) -> None:
    """A mirror that a group may read stays so when another program syncs it."""
    path.chmod(0o640)
    await importer.sync_library("2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# -- discover_shows_by_title ----------------------------------------------------------------------------------------


async def test_shows_are_found_by_a_part_of_their_title(importer: PlexImporter) -> None:
    """With everything that identifies it, and the id of its row if it is stored."""
    (show,) = await importer.discover_shows_by_title("LIGHTHOUSE")
    assert show == {
        "rating_key": "30",
        "title": "The Lighthouse Keepers",
        "year": 2019,
        "library_key": "3",
        "library": "TV Shows",
        "seasons": 3,
        "episodes": 11,
        "guids": [
            ("plex", "show/767419803c0681d12d6f762b"),
            ("imdb", "tt90190001"),
            ("tmdb", "9019001"),
            ("tvdb", "9019002"),
        ],
        "disambiguation": "The Lighthouse Keepers (2019), TV Shows, 3 seasons, 11 episodes, tvdb://9019002",
        "stored": False,
        "stored_id": None,
    }
    assert await importer.discover_shows_by_title("lighthouse", 1961) == []


async def test_a_stored_show_is_known(importer: PlexImporter, rows: Rows) -> None:
    """By its rating key on this server."""
    await importer.sync_show_by_title_and_year("The Lighthouse Keepers")
    (show,) = await importer.discover_shows_by_title("lighthouse", 2019)
    assert show["stored"]
    assert rows("SELECT id, rating_key FROM shows") == [(show["stored_id"], show["rating_key"])]


async def test_equal_titles_come_first_and_are_distinguished(importer: PlexImporter, plex: SimulatedPlex) -> None:
    """Also where all that is known of two is the same."""
    guid = "plex://show/0000000000000000000000aa"
    for _ in range(2):
        show = plex.changes.add_show("4", "Lighthouse", 1961, guid=guid)
        plex.changes.add_episode(show.id, 1, 1, "The Old Light")
    plex.changes.add_show("4", "A Lighthouse")
    shows = await importer.discover_shows_by_title("lighthouse")
    titles = ["Lighthouse", "Lighthouse", "A Lighthouse", "The Lighthouse Keepers"]
    assert [show["title"] for show in shows] == titles
    texts = [show["disambiguation"] for show in shows]
    assert len(set(texts)) == 4
    assert texts[0].startswith("Lighthouse (1961), Anime, 1 season, 1 episode, plex://show/")
    assert all(f"rating key {show['rating_key']}" in show["disambiguation"] for show in shows[:2])
    assert not any("rating key" in text for text in texts[2:])


async def test_what_a_proxy_adds_is_dropped(database: Database) -> None:
    """One that drops the question sends every show; accents and case are no difference."""
    titles = ["Señor Lighthouse", "Kitchen Stories", "The Lighthouse Keepers"]
    shows = [
        {"ratingKey": str(number), "type": "show", "title": title, "year": 2000 + number}
        for number, title in enumerate(titles)
    ]

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/identity":
            return web.json_response({"MediaContainer": {"size": 0, "machineIdentifier": "m-1", "version": "1"}})
        return web.json_response({"MediaContainer": {"size": len(shows), "Metadata": shows}})

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    importer = PlexImporter(await database.add_plex_server("odd", url, "tok-1234567"), database, retry=IMPATIENT)
    try:
        found = [show["title"] for show in await importer.discover_shows_by_title(" senor ")]
        dated = [show["title"] for show in await importer.discover_shows_by_title("lighthouse", 2002)]
    finally:
        await runner.cleanup()
    assert found == ["Señor Lighthouse"]
    assert dated == ["The Lighthouse Keepers"]


async def test_a_search_that_is_refused_raises(importer: PlexImporter, plex: SimulatedPlex) -> None:
    """A failed request is no result."""
    plex.faults.fail(SEARCH, status=400, times=None)
    plex.faults.fail("/library/all", status=400, times=None)
    with pytest.raises(RequestRefused):
        await importer.discover_shows_by_title("lighthouse")


# -- who knows the token --------------------------------------------------------------------------------------------


@pytest.fixture
async def configured(database: Database, rows: Rows, plex: SimulatedPlex) -> int:
    """The id of a server that a configuration defines: no token is in the database."""
    rows("INSERT INTO plex_servers (id, name, server_url, source) VALUES (7, 'home', ?, 'config')", plex.url)
    await database.refresh()
    return 7


async def test_a_configuration_elsewhere_must_be_named(database: Database, configured: int) -> None:
    """Without it, the token is unknown."""
    importer = create_plex_importer(configured, database)
    with pytest.raises(TokenUnknown, match="the token of server 'home' is unknown") as caught:
        await importer.test_connection()
    assert caught.value.hint == "pass the token, or name the configuration that defines it"


async def test_a_token_can_be_given(database: Database, configured: int, plex: SimulatedPlex) -> None:
    """Then the row says the rest; it is not stored."""
    importer = create_plex_importer(configured, database, token=f" {plex.token}\n")
    assert (await importer.sync_library("2"))["added"] == 2
    assert [server["token"] for server in await database.get_plex_servers()] == [None]


async def test_a_token_that_is_given_counts_before_the_configurations(
    database: Database, configured: int, plex: SimulatedPlex, config_file: Callable[..., Path]
) -> None:
    """The rest is as the configuration says."""
    file = config_file(plex, extra='libraries = ["Movies 4K"]\n')
    file.write_text(file.read_text().replace(plex.token, "old-token"))
    assert not await create_plex_importer(configured, database, config=file).test_connection()
    importer = create_plex_importer(configured, database, config=file, token=f" {plex.token}\n")
    assert (await importer.sync_all_libraries())["added"] == 2


async def test_a_configuration_can_be_given(
    database: Database, configured: int, plex: SimulatedPlex, config_file: Callable[..., Path], rows: Rows
) -> None:
    """Its server is used as a whole: also what it says of libraries."""
    file = config_file(plex, extra='libraries = ["Movies 4K"]\n')
    importer = create_plex_importer(configured, database, config=file)
    assert (await importer.sync_all_libraries())["added"] == 2
    enabled = {library["title"]: library["sync_enabled"] for library in await importer.get_libraries()}
    assert [title for title, on in enabled.items() if on] == ["Movies 4K"]
    assert rows("SELECT source, token FROM plex_servers") == [("config", None)]


async def test_the_configuration_of_the_usual_places_is_found(
    database: Database,
    configured: int,
    plex: SimulatedPlex,
    config_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its variable, or in the user's own place."""
    config_file(plex, name="xdg/retrovue-daemon/config.toml")
    assert await create_plex_importer(configured, database).test_connection()
    monkeypatch.setenv("RETROVUE_DAEMON_CONFIG", str(config_file(name="other.toml")))
    with pytest.raises(TokenUnknown):
        await create_plex_importer(configured, database).test_connection()


async def test_a_configuration_of_another_database_is_none_of_ours(
    database: Database,
    configured: int,
    plex: SimulatedPlex,
    config_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may define another server of that name; it is used only if the caller names it."""
    file = config_file(plex)
    file.write_text(file.read_text().replace("mirror.db", "another.db"))
    monkeypatch.setenv("RETROVUE_DAEMON_CONFIG", str(file))
    with pytest.raises(TokenUnknown):
        await create_plex_importer(configured, database).test_connection()
    assert await create_plex_importer(configured, database, config=file).test_connection()


async def test_a_bad_configuration_matters_where_it_is_needed(
    database: Database,
    importer: PlexImporter,
    rows: Rows,
    config_file: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server of the database has its token there; of the others, only the configuration knows."""
    file = config_file(extra="nonsense = 1\n")
    monkeypatch.setenv("RETROVUE_DAEMON_CONFIG", str(file))
    assert await importer.test_connection()
    rows(
        "INSERT INTO plex_servers (id, name, server_url, source) VALUES (7, 'attic', 'http://127.0.0.1:1', 'config')"
    )
    await database.refresh()
    with pytest.raises(ConfigError, match="nonsense"):
        await create_plex_importer(7, database).get_libraries()
    with pytest.raises(ConfigError, match="nonsense"):
        await create_plex_importer(importer.server_id, database, config=file).get_libraries()


async def test_an_invalid_row_of_another_program_is_reported(database: Database, rows: Rows) -> None:
    """As an address that is none."""
    rows("INSERT INTO plex_servers (id, name, server_url, token) VALUES (7, 'odd', 'nowhere', 'tok-1234567')")
    await database.refresh()
    importer = create_plex_importer(7, database)
    with pytest.raises(Exception, match="server 'odd': url must be an address"):
        await importer.sync_all_libraries()


async def test_a_row_without_a_token_is_reported_as_such(database: Database, rows: Rows) -> None:
    """Also with an empty one; with a token from the caller, the server can be used."""
    for token in (None, ""):
        rows("DELETE FROM plex_servers")
        rows(
            "INSERT INTO plex_servers (id, name, server_url, token) VALUES (7, 'odd', 'http://127.0.0.1:1', ?)", token
        )
        await database.refresh()
        with pytest.raises(TokenUnknown, match="its row in plex_servers holds none") as unknown:
            await create_plex_importer(7, database).sync_all_libraries()
        assert "store a token with the server" in (unknown.value.hint or "")


@pytest.mark.parametrize("year", ["2019", -1, 10_000, 2019.0, True])
async def test_what_is_no_year_is_refused(importer: PlexImporter, plex: SimulatedPlex, year: Any) -> None:
    """Before a request: the server would find nothing, or refuse."""
    for work in (importer.sync_show_by_title_and_year, importer.discover_shows_by_title):
        with pytest.raises(BadInput, match="the year must be a number"):
            await work("The Lighthouse Keepers", year)
    assert plex.requests_for("/identity") == []


@pytest.mark.parametrize("name", ["", " ", "\ud800", "x" * 1_001])
async def test_what_nothing_can_be_called_is_refused(importer: PlexImporter, name: str) -> None:
    """In words about the argument."""
    with pytest.raises(BadInput, match="invalid library name"):
        await importer.sync_library(name)
    with pytest.raises(BadInput, match="invalid show title"):
        await importer.sync_show_by_title_and_year(name)


async def test_shows_without_a_year_are_found(importer: PlexImporter, plex: SimulatedPlex) -> None:
    """By a year of 0, which no show has."""
    plex.changes.add_show("4", "The Lighthouse Keepers")
    found = await importer.discover_shows_by_title("lighthouse keepers", 0)
    assert [(show["year"], show["library"]) for show in found] == [(None, "Anime")]
    assert await importer.discover_shows_by_title("\ud800") == []


# -- logs -----------------------------------------------------------------------------------------------------------


async def test_events_go_to_the_standard_librarys_loggers(
    importer: PlexImporter, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed."""
    caplog.set_level(logging.INFO, logger="retrovue_daemon")
    await importer.sync_library("2")
    (finished,) = [record for record in caplog.records if "event=sync.finished" in record.getMessage()]
    assert finished.name == "retrovue_daemon.sync.passes.base"
    assert 'server=home library="Movies 4K"' in finished.getMessage()
    assert capsys.readouterr() == ("", "")


def test_a_program_without_logging_sees_nothing() -> None:
    """Python itself would print warnings on standard error."""
    program = (
        "from retrovue_daemon.errors import ServerUnreachable;"
        "from retrovue_daemon.logs.setup import redactor_in_use; from retrovue_daemon.service.health import Health;"
        "redactor_in_use(); Health('home', None, None).begin(ServerUnreachable('home'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
