"""What is wrong stands in the database: since when, what to do, and when the next try is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from retrovue_daemon.clock import Clock
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.service.health import Health
from retrovue_daemon.service.selection import EVERYTHING
from retrovue_daemon.service.status import read_condition
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.sources.plex.client import PlexClient
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.space import disk_full
from retrovue_daemon.store.tables.outages import read_outages
from retrovue_daemon.sync.progress import ProgressBoard
from tests.service.conftest import table
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from retrovue_daemon.store.database import Database

PROBLEM = "SELECT last_error_type, last_error, last_error_hint, failing_since, next_try_at FROM plex_servers"
LIBRARY = (
    "SELECT last_error, last_error_hint, failing_since, next_try_at FROM libraries WHERE library_name = 'Dramas'"
)


async def test_a_server_that_fails_says_so_in_its_row_until_it_is_reached(
    serve, config, plex, clock, events, rows
) -> None:
    """With the time of the first failure of that kind, whatever the number of tries, and the time of the next."""
    began = clock.wall
    await plex.stop()
    service = await serve(config(table(plex)))
    await events.next("server.unreachable")
    for _ in range(3):
        wakes_at = await clock.asleep("interval home")
        await service.database.writer.catch_up()
        ((kind, error, hint, since, next_try_at),) = rows(PROBLEM)
        assert (kind, since, next_try_at) == ("ServerUnreachable", began, clock.wall + round(wakes_at - clock.time))
        assert "cannot be reached" in error
        assert "check that the server is running" in hint
        clock.wall += 60
        await clock.tick("interval home")
    token, plex.token = plex.token, "another-token"
    await plex.start()
    await clock.tick("interval home")
    await service.database.writer.catch_up()
    assert rows(PROBLEM)[0][0] == "Unauthorized"
    assert rows(PROBLEM)[0][3] == clock.wall
    plex.token = token
    await clock.tick("interval home")
    assert rows(PROBLEM) == [(None,) * 5]
    await events.count(3, "sync.finished", status="ok")


async def test_a_server_without_its_token_file_keeps_no_other_from_its_sync(
    serve, config, plex, start_plex, clock, events, rows, tmp_path
) -> None:
    """It goes on at the next try after the file is there, without a reload."""
    attic = await start_plex("Comedies", name="Attic")
    file = tmp_path / "home.token"
    without = {key: value for key, value in table(plex).items() if key != "token"} | {"token_file": str(file)}
    service = await serve(config(without, table(attic, "attic")))
    line = await events.next("server.unauthorized", server="home")
    await events.count(1, "sync.finished", server="attic", status="ok")
    why = f"token_file cannot be read: no such file or directory (looked in {tmp_path})"
    assert line["error"] == f"server 'home' has no token: {why}"
    await service.database.writer.catch_up()
    kind, error, hint, *_ = rows(PROBLEM + " WHERE name = 'home'")[0]
    assert (kind, error, "put the file back" in hint) == ("Unauthorized", line["error"], True)
    assert not [request for request in plex.requests if "X-Plex-Token" in request.headers]
    file.write_text(plex.token)
    await clock.tick("interval home")
    await events.next("sync.finished", server="home", status="ok")
    assert rows(PROBLEM + " WHERE name = 'home'") == [(None,) * 5]


async def test_a_server_that_closes_connections_and_then_refuses_them_has_one_problem(
    serve, config, plex, clock, events, rows
) -> None:
    """As when it stops: one line in the log, one kind of problem, and the time when that began."""
    began = clock.wall
    plex.faults.drop("/identity", times=None)
    service = await serve(config(table(plex)))
    await events.next("server.unreachable")
    await clock.asleep("interval home")
    await plex.stop()
    clock.wall += 60
    await clock.tick("interval home")
    await service.database.writer.catch_up()
    ((kind, error, _hint, since, _next_try_at),) = rows(PROBLEM)
    assert "Connection refused" in error
    assert (kind, since) == ("ServerUnreachable", began)
    assert len(events.of("server.unreachable")) == 1
    assert not events.of("server.failed")


async def test_of_two_names_of_one_server_the_second_says_so(serve, config, plex, events, rows) -> None:
    """It has never been synced, and will not be."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    again = table(plex, "again", url=plex.url.replace("127.0.0.1", "localhost"))
    await service.supervisor.apply(config(table(plex), again))
    await events.next("server.duplicate")
    await service.database.writer.catch_up()
    (home, again) = rows(f"{PROBLEM} ORDER BY name = 'again'")
    assert home == (None,) * 5
    assert again[:3] == (
        "DuplicateServer",
        "server 'again' is already defined under another name: 'home' has the same machineIdentifier",
        "remove one of the two entries",
    )


@pytest.fixture
def late(monkeypatch):
    """Let the first server's identity wait for this event."""
    answers = asyncio.Event()
    ask = PlexClient.confirm_machine

    async def confirm_machine(client, known):
        if client.name == "first":
            await answers.wait()
        return await ask(client, known)

    monkeypatch.setattr(PlexClient, "confirm_machine", confirm_machine)
    return answers


async def test_of_two_new_names_of_one_server_the_first_of_the_configuration_wins(
    serve, config, plex, clock, events, rows, late
) -> None:
    """However late it answers."""
    again = table(plex, "again", url=plex.url.replace("127.0.0.1", "localhost"))
    service = await serve(config(table(plex, "first"), again))
    await clock.asleep("first contact")
    late.set()
    await events.next("server.duplicate", server="again")
    await events.count(3, "sync.finished", server="first", status="ok")
    await service.database.writer.catch_up()
    assert rows("SELECT name, last_error_type FROM plex_servers ORDER BY id") == [
        ("first", None), ("again", "DuplicateServer")
    ]  # fmt: skip


async def test_a_name_before_it_that_is_silent_keeps_no_server_waiting(
    serve, config, plex, start_plex, clock, events, late
) -> None:
    """Not for longer than a moment: the first name may be wrong."""
    await serve(config(table(await start_plex("Musicals"), "first"), table(plex)))
    await clock.wake("first contact")
    await events.count(3, "sync.finished", server="home", status="ok")
    late.set()


async def test_an_entry_that_selects_nothing_says_so_until_it_does(serve, config, plex, clock, events, rows) -> None:
    """The other entries are synced; a library of that title ends it, and so does another configuration."""
    service = await serve(config(table(plex, libraries=["Dramas", "Musicals", "Silents"])))
    await events.next("sync.finished", library="Dramas")
    of_one = "{!r} in libraries of server 'home' selects none of its libraries".format
    of_both = f"{of_one('Musicals')}; {of_one('Silents')}"
    hint = "it has 'Comedies', 'Dramas', 'Westerns'"
    assert rows(PROBLEM) == [("LibraryNotFound", of_both, hint, clock.wall, None)]
    plex.changes.add_library("movie", "Musicals", "/srv/musicals")
    await clock.tick("interval home")
    await events.next("sync.finished", library="Dramas")
    assert rows(PROBLEM)[0][1] == of_one("Silents")
    await service.supervisor.apply(config(table(plex, libraries=["Dramas"])))
    await events.next("sync.finished", library="Dramas")
    assert rows(PROBLEM) == [(None,) * 5]


@pytest.mark.parametrize("is_owner", [True, False])
async def test_a_removal_that_is_held_back_says_what_to_run(
    serve, config, start_plex, clock, events, rows, is_owner
) -> None:
    """For this server and library only; a token that is not the owner's may only not see the items any more."""
    plex = await start_plex("Comedies", "Dramas & more")
    service = await serve(config(table(plex)))
    await events.count(2, "sync.finished", status="ok")
    if not is_owner:
        await service.supervisor.apply(config(table(plex, token=plex.shared_token)))
        await events.count(2, "sync.finished")
    plex.quirks.hidden_libraries.add("2")
    await clock.tick("interval home")
    line = await events.next("sync.blocked")
    command = "retrovue-daemon sync -s home -l 'Dramas & more' --accept-removals"
    assert line["hint"].endswith(f"if {'these items' if is_owner else 'they'} are really gone, run: {command}")
    assert ("set the owner's token" in line["hint"]) is not is_owner
    await service.database.writer.catch_up()
    assert rows("SELECT last_error_hint FROM libraries WHERE state = 'blocked'") == [(line["hint"],)]


async def test_of_two_libraries_of_one_title_the_key_is_named(serve, config, start_plex, clock, events) -> None:
    """Removals of the other one are not accepted by accident."""
    plex = await start_plex("Dramas", "Dramas")
    await serve(config(table(plex)))
    await events.count(2, "sync.finished", status="ok")
    plex.quirks.hidden_libraries.add("2")
    await clock.tick("interval home")
    line = await events.next("sync.blocked")
    assert line["hint"].endswith("sync -s home -l 2 --accept-removals")


async def test_a_row_that_defines_no_server_says_why(serve, config, edit, clock, events, rows) -> None:
    """Another program wrote it."""
    service = await serve(config())
    await edit("INSERT INTO plex_servers (name, server_url, token) VALUES ('attic', 'nonsense', 'its-token')")
    await service.noticed()
    await events.next("server.invalid")
    ((kind, error, _, since, next_try_at),) = rows(PROBLEM)
    assert (kind, since, next_try_at) == ("ConfigError", clock.wall, None)
    assert error.startswith("plex_servers[attic].url: must be an address")


async def test_a_library_that_fails_says_so_in_its_row_until_it_is_listed(
    serve, config, plex, clock, events, rows
) -> None:
    """A quick pass in between ends nothing: the listing is still due."""
    began = clock.wall
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    service = await serve(config(table(plex)))
    for number in range(3):
        if number:
            await clock.tick("interval home")
        await events.next("sync.finished", library="Dramas")
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name().startswith("passes ")))
        await service.database.writer.catch_up()
        ((error, hint, since, next_try_at),) = rows(LIBRARY)
        assert "HTTP 500" in error
        assert (hint, since) == (None, began)
        assert next_try_at >= clock.wall
        clock.wall += 300
    plex.faults.clear()
    for _ in range(3):
        await clock.tick("interval home")
    await events.next("sync.finished", library="Dramas", kind="full", status="ok")
    assert rows(LIBRARY) == [(None,) * 4]


async def test_what_to_do_for_a_library_is_beside_its_error(serve, config, plex, events, rows) -> None:
    """As it is logged."""
    plex.faults.fail("/library/sections/2/all", status=401, times=None)
    await serve(config(table(plex)))
    await events.next("sync.finished", library="Dramas", status="failed")
    assert "check the token" in rows(LIBRARY)[0][1]


async def test_a_pause_that_the_server_demands_in_a_pass_is_its_next_try(
    serve, config, plex, clock, events, path, rows
) -> None:
    """`status` would else promise a poll after an interval; a requested sync in between changes nothing."""
    plex.faults.fail("/library/sections/2/all", status=503, retry_after="240")
    service = await serve(config(table(plex), sync={"interval": "10s"}))
    await events.count(3, "sync.finished")
    for selection in (None, EVERYTHING):
        if selection is not None:
            (job,) = service.supervisor.submit(selection)
            await job.done
        wakes_at = await clock.asleep("interval home")
        await service.database.writer.catch_up()
        ((kind, _, _, _, next_try_at),) = rows(PROBLEM)
        assert (kind, next_try_at) == (None, clock.wall + round(wakes_at - clock.time))
        assert wakes_at - clock.time == pytest.approx(240)
        (server,) = read_condition(path).servers
        assert server.next_try_at == next_try_at
    await clock.tick("interval home")
    await service.database.writer.catch_up()
    assert rows(PROBLEM) == [(None,) * 5]


async def test_an_outage_that_ended_is_kept_with_its_beginning_and_end(serve, config, plex, clock, events) -> None:
    """Once, however often the server was tried; another reason is another outage."""
    began = clock.wall
    await plex.stop()
    service = await serve(config(table(plex)))
    await events.next("server.unreachable")
    for _ in range(2):
        clock.wall += 60
        await clock.tick("interval home")
    token, plex.token = plex.token, "another-token"
    await plex.start()
    clock.wall += 60
    await clock.tick("interval home")
    await events.next("server.unauthorized")
    plex.token = token
    clock.wall += 600
    await clock.tick("interval home")
    await events.count(3, "sync.finished", status="ok")
    first, second = await service.database.reader.run(read_outages)
    assert (first.server, first.type, first.since, first.until) == ("home", "ServerUnreachable", began, began + 180)
    assert (second.type, second.since, second.until) == ("Unauthorized", began + 180, began + 780)
    assert "cannot be reached" in first.message


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_single_sync_stores_the_failure_without_a_next_try(config, plex, path, rows, is_known) -> None:
    """Nothing is scheduled after it."""
    if is_known:
        assert (await _sync_once(path, config(table(plex)))).error is None
    await plex.stop()
    assert (await _sync_once(path, config(table(plex)))).error is not None
    ((kind, _, _, since, next_try_at),) = rows(PROBLEM)
    assert (kind, next_try_at) == ("ServerUnreachable", None)
    assert since


async def _sync_once(path, config):
    async with open_database(path) as database:
        supervisor = Supervisor(database, config, ProgressBoard(), Redactor(), retry=IMPATIENT)
        (report,) = await supervisor.sync_once(EVERYTHING)
    return report


def test_a_full_disk_is_over_once_there_is_space_again(events, tmp_path, monkeypatch) -> None:
    """Not as soon as the server responds: that would be logged, and so would the next failure, at every poll."""
    path = tmp_path / "mirror.db"
    health = Health("home", cast("Database", SimpleNamespace(path=path)), Clock())
    monkeypatch.setattr("retrovue_daemon.store.file.space.free_space", lambda _path: 1024)
    for _ in range(2):
        health.begin(disk_full(path, "the disk is full"))
        health.end()
        assert not health.is_usable
    assert [len(events.of(name)) for name in ("store.failed", "server.recovered")] == [1, 0]
    monkeypatch.setattr("retrovue_daemon.store.file.space.free_space", lambda _path: 2**30)
    health.end()
    assert health.is_usable
    assert len(events.of("server.recovered")) == 1
