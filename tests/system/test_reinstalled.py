"""A server that was installed anew keeps its rows' ids, once a person says that it is the same one."""

from __future__ import annotations

import json

import pytest

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import DuplicateServer
from retrovue_daemon.store.file.visits import changing
from retrovue_daemon.store.reinstalling import accept_identity
from retrovue_daemon.store.tables.servers import read_servers

pytestmark = pytest.mark.commands("here")

IDS = "SELECT '{0}', id, {1} FROM {0} WHERE state <> 'missing'"
ALL_IDS = " UNION ALL ".join(
    IDS.format(table, title)
    for table, title in (("movies", "title"), ("shows", "title"), ("seasons", "title"), ("episodes", "episode_title"))
)


def _reinstalled():
    """The same libraries on another machine: other uuids, and every rating key belongs to another item."""
    world = built_in_library()
    world.machine_identifier = "reinstalled"
    for library in world.libraries.values():
        library.uuid = library.uuid[::-1]
    plex = SimulatedPlex(world)
    for item in [*world.movies(), *world.shows()]:
        plex.changes.recreate(item.id)
    return plex


@pytest.fixture
async def reinstalled(plex, sync):
    await sync(plex)
    async with _reinstalled() as other:
        yield other


def _accept(path, machine: str) -> int:
    with changing(path) as connection:
        (server, *_) = [each for each in read_servers(connection) if each.name == "home"]
        return accept_identity(connection, server, machine, 0)


async def test_every_item_keeps_its_id(plex, reinstalled, sync, rows, path) -> None:
    """Although every rating key, part id and library is another one."""
    before = set(rows(ALL_IDS))
    (report,) = await sync(reinstalled)
    assert type(report.error).__name__ == "WrongServer"

    assert _accept(path, "reinstalled") == len(before)
    (report,) = await sync(reinstalled)

    assert {done.run.status for done in report.passes} == {"ok"}
    assert set(rows(ALL_IDS)) == before
    assert rows("PRAGMA foreign_key_check") == []
    keys = {key for (key,) in rows("SELECT rating_key FROM movies UNION ALL SELECT rating_key FROM episodes")}
    assert keys == {item.rating_key for item in [*reinstalled.world.movies(), *reinstalled.world.episodes()]}
    (report,) = await sync(reinstalled)
    assert {(each.run.counts.added, each.run.counts.updated, each.run.counts.moved) for each in report.passes} == {
        (0, 0, 0)
    }


async def test_damage_of_the_former_installation_is_forgotten(plex, reinstalled, sync, rows, path) -> None:
    """Its rating keys mean other items now."""
    plex.faults.bad_bytes("/library/sections/1/all", times=1)
    await sync(plex)
    assert rows("SELECT count(*) FROM damaged_items") == [(1,)]

    _accept(path, "reinstalled")

    assert rows("SELECT count(*) FROM damaged_items") == [(0,)]


async def test_what_the_new_installation_lacks_is_held_back(plex, reinstalled, sync, rows, path) -> None:
    """The old libraries are no longer there: what did not turn up elsewhere waits for a person."""
    gone = next(reinstalled.world.movies("1"))
    reinstalled.changes.delete(gone.id)
    _accept(path, "reinstalled")

    (report,) = await sync(reinstalled)

    assert [done.run.error for done in report.passes if done.run.status == "blocked"] == [
        "the server no longer lists this library, which had 1 items"
    ]
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(0,)]


async def test_a_machine_that_is_there_already_is_refused(plex, reinstalled, sync, config, rows, path) -> None:
    """Two rows of one machine would fight for its items."""
    await sync(config(plex, reinstalled))
    assert rows("SELECT count(*) FROM plex_servers") == [(2,)]
    with pytest.raises(DuplicateServer):
        _accept(path, "reinstalled")


async def test_the_command_requests_the_machine_identifier(reinstalled, config_file, commands, rows) -> None:
    """It says what it would do, does it on --yes, and has nothing to do a second time."""
    file = config_file(reinstalled)
    identity = "SELECT machine_identifier FROM plex_servers"
    before = rows(identity)

    for command in (["discover", "lighthouse"], ["sync", "--dry-run"]):
        assert (await commands.run(*command, "--config", file)).code == 3
    asked = await commands.run("servers", "accept-identity", "home", "--config", file)
    tried = await commands.run("servers", "accept-identity", "home", "--dry-run", "--config", file)
    assert (asked.code, tried.code) == (2, 0)
    assert "--yes" in asked.err
    assert "to reinstalled; the next sync would match" in tried.out
    assert rows(identity) == before

    done = await commands.run("servers", "accept-identity", "home", "--yes", "--json", "--config", file)
    again = await commands.run("servers", "accept-identity", "home", "--yes", "--config", file)
    assert json.loads(done.out)["accepted"] is True
    assert rows(identity) == [("reinstalled",)]
    assert "nothing to accept" in again.out


async def test_another_machine_gets_no_token_from_any_command(reinstalled, config_file, commands) -> None:
    """Each command asks who is there first, without the token; those that need more say so."""
    file = config_file(reinstalled)
    shouted = file.with_name("shouted.toml")
    shouted.touch(mode=0o600)
    shouted.write_text(file.read_text().replace('"home"', '"HOME"'))
    reinstalled.requests.clear()

    checks = (["check"], ["servers", "test"], ["servers", "test", "home"])
    for command, config in [*((check, file) for check in checks), (["check"], shouted)]:
        finished = await commands.run(*command, "--json", "--config", config)
        assert finished.code == 3
        (error,) = [server["error"] for server in json.loads(finished.out)["servers"]]
        assert error["type"] == "WrongServer"
        assert "accept-identity" in error["hint"]
    for command in (["discover", "lighthouse"], ["sync", "--dry-run"]):
        assert (await commands.run(*command, "--config", file)).code == 3
    asked = await commands.run("servers", "accept-identity", "home", "--dry-run", "--config", file)
    assert asked.code == 0

    assert {request.path for request in reinstalled.requests} == {"/identity"}
    assert not any("x-plex-token" in request.headers for request in reinstalled.requests)
