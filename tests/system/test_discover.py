"""``retrovue-daemon discover``: shows by their title, on all servers, and what the database has of them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library

pytestmark = pytest.mark.commands("here")

TEXT = "The Lighthouse Keepers (2019), TV Shows, 3 seasons, 11 episodes, tvdb://9019002"


async def test_shows_are_found_before_anything_was_synced(commands, plex, config_file, path) -> None:
    """As a table for people and as JSON for programs; nothing is written."""
    file = config_file(plex)
    finished = await commands.run("discover", "lighthouse", "--year", "2019", "--config", file)
    assert (finished.code, finished.err) == (0, "")
    assert TEXT in finished.out
    finished = await commands.run("discover", "lighthouse", "--json", "--config", file)
    told = json.loads(finished.out)
    assert told["errors"] == []
    (show,) = told["shows"]
    assert (show["server"], show["title"], show["year"], show["library"]) == (
        "home",
        "The Lighthouse Keepers",
        2019,
        "TV Shows",
    )
    assert "tvdb://9019002" in show["guids"]
    assert (show["disambiguation"], show["stored"], show["stored_id"]) == (TEXT, False, None)
    assert not path.exists()
    assert plex.token not in finished.out


async def test_stored_shows_are_known(commands, plex, config_file, rows) -> None:
    """By the id of their row."""
    file = config_file(plex)
    assert (await commands.run("sync", "--show", "The Lighthouse Keepers", "--config", file)).code == 0
    finished = await commands.run("discover", "lighthouse", "--json", "--config", file)
    (show,) = json.loads(finished.out)["shows"]
    assert [(show["stored_id"],)] == rows("SELECT id FROM shows")


async def test_nothing_found_is_no_success(commands, plex, config_file) -> None:
    """Exit code 1, as of other commands that search."""
    finished = await commands.run("discover", "lighthouse", "--year", "1961", "--config", config_file(plex))
    assert (finished.code, finished.out) == (1, "")
    assert finished.err == "error: no show from 1961 has 'lighthouse' in its title\n"
    finished = await commands.run("discover", "nobody", "--json", "--config", config_file(plex))
    assert finished.code == 1
    assert json.loads(finished.out) == {"shows": [], "errors": []}


async def test_one_server_that_fails_costs_the_others_nothing(commands, plex, config_file) -> None:
    """What is wrong with it is reported; exit code 1 if some respond, 3 if none does."""
    file = config_file(plex)
    file.write_text(file.read_text() + '[[servers]]\nname = "dead"\nurl = "http://127.0.0.1:1"\ntoken = "x-token"\n')
    finished = await commands.run("discover", "lighthouse", "--config", file)
    assert finished.code == 1
    assert TEXT in finished.out
    assert "server 'dead' cannot be reached" in finished.err
    finished = await commands.run("discover", "lighthouse", "--server", "dead", "--json", "--config", file)
    assert finished.code == 3
    (error,) = json.loads(finished.out)["errors"]
    assert (error["server"], error["type"]) == ("dead", "ServerUnreachable")
    finished = await commands.run("discover", "lighthouse", "--server", "deed", "--config", file)
    assert finished.code == 2
    assert "did you mean 'dead'?" in finished.err


async def test_servers_of_the_database_are_searched_too(commands, plex, config_file, path) -> None:
    """Without any configuration where the database is named.

    Those that are switched off are not, nor those whose tokens only a configuration knows.
    """
    assert (await commands.run("sync", "--config", config_file(plex))).code == 0
    async with SimulatedPlex(built_in_library()) as other:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE plex_servers SET is_active = 0")
            connection.execute(
                "INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', ?, ?)", (other.url, other.token)
            )
            connection.execute("INSERT INTO plex_servers (name, server_url) VALUES ('odd', 'nowhere')")
            connection.execute(
                "INSERT INTO plex_servers (name, server_url, source) VALUES ('far', 'http://127.0.0.1:1', 'config')"
            )
        finished = await commands.run("discover", "lighthouse", "--json", "--database", path)
        told = json.loads(finished.out)
        assert [show["server"] for show in told["shows"]] == ["attic"]
        assert [error["server"] for error in told["errors"]] == ["odd"]
        assert finished.code == 1


async def test_another_machine_is_not_shown_the_token(commands, plex, config_file, path) -> None:
    """It answers at the address of a server that was mirrored."""
    file = config_file(plex)
    assert (await commands.run("sync", "--config", file)).code == 0
    plex.world.machine_identifier = "another-machine"
    plex.requests.clear()
    finished = await commands.run("discover", "lighthouse", "--config", file)
    assert finished.code == 3
    assert "is not the same Plex Media Server as before" in finished.err
    assert {request.path for request in plex.requests} == {"/identity"}
    assert not any("x-plex-token" in request.headers for request in plex.requests)


async def test_bad_input_is_reported_in_a_line(commands, config_file) -> None:
    """And where there is no server, that."""
    finished = await commands.run("discover", " ", "--config", config_file())
    assert finished.code == 2
    finished = await commands.run("discover", "lighthouse", "--config", config_file())
    assert finished.code == 3
    assert "there is no active server" in finished.err
