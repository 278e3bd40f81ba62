"""A library is its uuid: renamed, it stays selected and mapped; what selects nothing is reported."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection

pytestmark = pytest.mark.commands("here")

MAPPED = {"plex_path": "/", "local_path": "/mnt/nas", "library_name": "Movies"}


def _synced(reports) -> list[str]:
    return [done.library for report in reports for done in report.passes]


def _local(rows) -> list[tuple[object, ...]]:
    return rows("SELECT id, file_path FROM media_files ORDER BY id")


@pytest.fixture
async def renamed(plex, config, sync, rows):
    """A server whose library was renamed after its first sync, by a configuration that names it by the old title."""
    settings = config(plex, server={"libraries": ["Movies"], "path_mappings": [MAPPED]})
    await sync(settings)
    before = _local(rows)
    assert before
    assert all(str(path).startswith("/mnt/nas/") for _, path in before)
    plex.changes.rename_library("1", "Films")
    return settings


async def test_a_renamed_library_stays_selected_and_mapped(renamed, sync, rows) -> None:
    """With one warning that names both titles."""
    before = _local(rows)
    with capture_logs() as logs:
        reports = await sync(renamed)
    assert (_synced(reports), [report.unknown for report in reports]) == (["Films"], [()])
    assert _local(rows) == before
    assert rows("SELECT library_name, former_names FROM libraries WHERE library_key = '1'") == [
        ("Films", '["Movies"]')
    ]
    told = [(log["library"], log["former_title"]) for log in logs if log["event"] == "library.renamed"]
    assert told == [("Films", "Movies")]


async def test_a_library_can_be_requested_by_its_former_title(renamed, sync) -> None:
    """As a cron job does that was not updated."""
    asked = SyncOptions(selection=Selection(library="Movies", full=True))
    assert _synced(await sync(renamed, options=asked)) == ["Films"]


async def test_the_library_that_has_a_title_now_comes_before_one_that_had_it(renamed, plex, sync) -> None:
    """Also where it came later."""
    await sync(renamed)
    plex.changes.rename_library("2", "Movies")
    assert _synced(await sync(renamed)) == ["Movies"]


async def test_an_excluded_library_stays_excluded_under_another_title(plex, config, sync) -> None:
    """Until the configuration names it by its new one."""
    await sync(config(plex, server={"exclude_libraries": ["Movies"]}))
    plex.changes.rename_library("1", "Films")
    assert "Films" not in _synced(await sync(config(plex, server={"exclude_libraries": ["Movies"]})))
    named = {"libraries": ["Films"], "exclude_libraries": ["Movies"]}
    assert _synced(await sync(config(plex, server=named))) == ["Films"]


async def test_a_library_without_uuid_is_not_followed(plex, config, sync) -> None:
    """Its key may have been given to another library."""
    settings = config(plex, server={"libraries": ["Movies"]})
    plex.world.libraries["1"].uuid = plex.world.libraries["2"].uuid
    await sync(settings)
    plex.changes.rename_library("1", "Films")
    (report,) = await sync(settings)
    assert (report.passes, report.unknown) == ((), ("Movies",))


async def test_a_library_without_location_keeps_its_last_known_roots(plex, config, sync, rows) -> None:
    """And with them the mapping that names its root."""
    root = plex.world.libraries["1"].locations[0].path
    mapping = {"plex_path": root, "local_path": "/mnt/nas", "library_root": root}
    settings = config(plex, server={"path_mappings": [mapping]})
    await sync(settings)
    before, roots = _local(rows), rows("SELECT library_id, path FROM library_locations")
    assert any(str(path).startswith("/mnt/nas/") for _, path in before)
    plex.quirks.no_locations = True
    film = plex.changes.edit(next(plex.world.movies("1")).id, title="Edited")
    await sync(settings)
    assert _local(rows) == before
    assert rows("SELECT library_id, path FROM library_locations") == roots
    assert rows("SELECT title FROM movies WHERE rating_key = ?", film.rating_key) == [("Edited",)]


async def test_sync_fails_where_an_entry_selects_nothing(commands, plex, config_file) -> None:
    """A title, a key or a pattern; each is named, for people, programs and in the log."""
    file = config_file(plex)
    file.write_text(file.read_text() + 'libraries = ["Movis", "99", "Kids*", "Anime"]\n')
    finished = await commands.run("sync", "--config", file, "--json")
    assert finished.code == 1
    (server,) = json.loads(finished.out)["servers"]
    assert server["unknown_libraries"] == ["Movis", "99", "Kids*"]
    assert [done["library"] for done in server["libraries"]] == ["Anime"]
    assert finished.err.count('"library.not_found"') == 3
    assert "'Kids*' in libraries of server 'home' selects none" in finished.err


async def test_sync_says_that_there_was_nothing_to_do(commands, plex, config_file) -> None:
    """Instead of nothing at all."""
    file = config_file(plex)
    file.write_text(file.read_text() + 'libraries = ["Movis"]\n')
    finished = await commands.run("sync", "--config", file)
    assert finished.code == 1
    assert "there was nothing to sync on server 'home': 'Movies' " in finished.err


async def test_sync_names_each_server_that_has_nothing_to_sync(commands, plex, config_file) -> None:
    """Although another one has; `check` says it before."""
    file, world = config_file(plex), built_in_library()
    world.machine_identifier = "another-machine"
    async with SimulatedPlex(world) as other:
        table = f'[[servers]]\nname = "other"\nurl = "{other.url}"\ntoken = "{other.token}"\n'
        file.write_text(f'{file.read_text()}{table}exclude_libraries = ["*"]\n')
        finished = await commands.run("check", "--config", file)
        assert (finished.code, finished.out.count("no library of this server would be synced")) == (0, 1)
        finished = await commands.run("sync", "--config", file)
    assert finished.code == 0
    assert finished.err.count("there was nothing to sync on server 'other': 'Movies' ") == 1
    assert "on server 'home'" not in finished.err


async def test_commands_know_a_library_by_its_former_title_too(renamed, sync, commands, config_file, plex) -> None:
    """`mappings test` and `libraries list` agree with what a sync stores."""
    await sync(renamed)
    file = config_file(plex)
    file.write_text(file.read_text() + 'libraries = ["Movies"]\n')
    path = plex.world.libraries["1"].locations[0].path + "/a.mkv"
    finished = await commands.run("mappings", "test", path, "--library", "Films", "--config", file, "--json")
    (result,) = json.loads(finished.out)["results"]
    assert result["local_path"] == f"/mnt/nas{path}"
    listed = await commands.run("libraries", "list", "--config", file)
    assert [line for line in listed.out.splitlines() if "Films" in line and " on " in line]


async def test_check_fails_where_an_entry_selects_nothing(commands, plex, config_file) -> None:
    """What excludes or maps nothing is a warning."""
    file = config_file(plex)
    text = file.read_text()
    file.write_text(text + 'libraries = ["Movis", "Anime", "Kids*"]\n')
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, server["unknown_libraries"]) == (1, ["Movis", "Kids*"])

    mapping = '[[servers.path_mappings]]\nplex_path = "/a"\nlocal_path = "/b"\nlibrary_name = "Movis"\n'
    file.write_text(text + f'exclude_libraries = ["Animee"]\n{mapping}')
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert (finished.code, len(server["warnings"])) == (0, 2)


async def test_check_knows_a_renamed_library(renamed, sync, commands, plex, config_file) -> None:
    """It agrees with what a sync does."""
    await sync(renamed)
    file = config_file(plex)
    file.write_text(file.read_text() + 'libraries = ["Movies"]\n')
    finished = await commands.run("check", "--config", file, "--json")
    (server,) = json.loads(finished.out)["servers"]
    assert finished.code == 0
    assert [library["title"] for library in server["libraries"] if library["selected"]] == ["Films"]
    assert server["warnings"] == ["'Movies' is the former title of library 'Films'"]


async def test_nothing_is_suggested_for_files_of_which_only_the_name_is_known(
    plex, sync, commands, config_file
) -> None:
    """No mapping can cover them; the command says why."""
    plex.quirks.hides = "folders"
    await sync(plex)
    finished = await commands.run("mappings", "suggest", "--config", config_file(plex))
    assert "mappings add" not in finished.out
    assert "the token cannot see their paths" in finished.err


async def test_the_configuration_wins_however_it_spells_the_name(plex, config, sync, rows, path) -> None:
    """A server that the database defines under this name is the same one, with the same row."""
    await sync(config(plex))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE plex_servers SET source = 'database', token = 'other', server_url = 'http://x'")
        connection.commit()
    (report,) = await sync(config(plex, server={"name": "Home"}), options=SyncOptions(server="HOME"))
    assert report.error is None
    assert report.server == "Home"
    assert rows("SELECT id, name, source FROM plex_servers") == [(1, "home", "database")]
