"""What other programs write into the database is noticed within two looks at it, a second apart."""

from __future__ import annotations

import asyncio
import threading

import pytest

from retrovue_daemon.errors import WriteFailed
from retrovue_daemon.service.report import exit_code
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.supervisor import WATCH_S, Supervisor
from retrovue_daemon.store import writer
from retrovue_daemon.sync.passes.full import FullPass
from tests.service.conftest import table

ADD_SERVER = "INSERT INTO plex_servers (name, server_url, token) VALUES (?, ?, ?)"


@pytest.fixture
async def ticks(clock):
    """Let two looks at the database pass; they take two seconds."""

    async def pass_() -> None:
        before = clock.time
        await clock.tick()
        await clock.tick()
        assert clock.time - before <= 2 * WATCH_S <= 2

    return pass_


async def test_a_server_that_is_added_is_synced(serve, config, start_plex, ticks, events, edit) -> None:
    """Also where there was none before."""
    await serve(config())
    added = await start_plex("Comedies")
    await edit(ADD_SERVER, "attic", added.url, added.token)
    await ticks()
    assert (await events.next("servers.changed"))["added"] == ("attic",)
    assert (await events.next("sync.finished", server="attic"))["status"] == "ok"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE plex_servers SET is_active = 0 WHERE name = 'attic'", "removed"),
        ("DELETE FROM plex_servers WHERE name = 'attic'", "removed"),
        ("UPDATE plex_servers SET token = 'another-token' WHERE name = 'attic'", "changed"),
    ],
)
async def test_an_edited_server_is_followed_and_the_others_are_not_disturbed(
    serve, config, plex, start_plex, ticks, events, statement, kind, edit
) -> None:
    """A pass of another server continues, over the connection that it has."""
    attic = await start_plex("Musicals", name="Bijou")
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished", server="home")
    await edit(ADD_SERVER, "attic", attic.url, attic.token)
    await ticks()
    await events.next("sync.finished", server="attic")
    stuck = plex.faults.hang("/library/sections/2/all")
    (job,) = service.supervisor.submit(EVERYTHING, "home")
    await stuck.reached.wait()
    # The others of its libraries may take a connection of their own meanwhile.
    await events.count(2, "sync.finished", server="home")
    worker = service.supervisor.workers["home"]
    connections = len(plex.connections)

    await edit(statement)
    await ticks()
    assert (await events.next("servers.changed"))[kind] == ("attic",)
    assert ("attic" in service.supervisor.workers) is (kind == "changed")
    if kind == "changed":
        await events.next("server.unauthorized", server="attic")
    stuck.release.set()
    assert {done.run.status for done in (await job.done).passes} == {"ok"}
    assert service.supervisor.workers["home"] is worker
    assert len(plex.connections) == connections


async def test_a_server_that_is_taken_away_stops_and_its_rows_stay(
    serve, config, start_plex, ticks, events, rows, edit
) -> None:
    """What was read of it before is kept; the pass is recorded as cancelled."""
    attic = await start_plex("Comedies", "Dramas")
    service = await serve(config())
    await edit(ADD_SERVER, "attic", attic.url, attic.token)
    stuck = attic.faults.hang("/library/sections/2/all")
    await ticks()
    await events.next("sync.finished", library="Comedies")
    await stuck.reached.wait()
    await edit("UPDATE plex_servers SET is_active = 0")
    await ticks()
    await events.next("servers.changed", removed=("attic",))
    await service.database.writer.catch_up()
    assert rows("SELECT count(*) FROM movies WHERE state = 'active'") == [(2,)]
    assert rows("SELECT count(*) FROM active_movies") == [(0,)]
    recorded = rows(
        "SELECT l.library_name, r.status, r.id FROM sync_runs AS r JOIN libraries AS l ON l.id = r.library_id"
        " ORDER BY 1"
    )
    assert [row[:2] for row in recorded] == [("Comedies", "ok"), ("Dramas", "cancelled")]
    # Before or after the line about the servers: that depends on the database's speed.
    (told,) = events.of("sync.finished", status="cancelled")
    assert (told["library"], told["run_id"], told["level"]) == ("Dramas", recorded[1][2], "info")


async def test_a_switched_off_library_stops_and_a_switched_on_one_is_synced(
    serve, config, plex, start_plex, ticks, events, rows, edit
) -> None:
    """Only its own server is looked at for that; the program that requested the stopped pass receives that result."""
    other = await start_plex("Musicals", name="Bijou")
    stuck = plex.faults.hang("/library/sections/2/all")
    service = await serve(config(table(plex), table(other, "attic")))
    await stuck.reached.wait()
    await events.count(3, "sync.finished")
    broken_off = service.passes("home", "Dramas")
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
    (job,) = service.supervisor.submit(EVERYTHING, "home")
    await ticks()
    report = await job.done
    assert {done.library for done in report.passes} == {"Comedies", "Westerns"}
    await asyncio.wait([broken_off])
    told = await events.next("sync.finished", library="Dramas")
    assert rows("SELECT status, id FROM sync_runs WHERE status <> 'ok'") == [("cancelled", told["run_id"])]
    stuck.release.set()

    for each in (plex, other):
        each.requests.clear()
    await edit("UPDATE libraries SET sync_enabled = 1 WHERE library_name = 'Dramas'")
    await ticks()
    finished = await events.next("sync.finished", library="Dramas")
    assert (finished["kind"], finished["status"], finished["added"]) == ("full", "ok", 2)
    assert not other.requests


async def test_a_server_of_the_configuration_cannot_be_switched_off_in_the_database(
    serve, config, plex, ticks, events, rows, edit
) -> None:
    """The configuration decides, and says so; its server is not disturbed."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    worker = service.supervisor.workers["home"]
    await edit("UPDATE plex_servers SET is_active = 0")
    await ticks()
    assert (await events.next("server.kept_active"))["server"] == "home"
    await ticks()
    assert rows("SELECT is_active FROM plex_servers") == [(1,)]
    assert service.supervisor.workers["home"] is worker
    assert len(events.of("server.kept_active")) == 1


@pytest.mark.parametrize("has_begun", [True, False])
async def test_the_requester_of_a_stopped_pass_learns_that_it_was_stopped(
    serve, config, plex, ticks, events, edit, has_begun, monkeypatch
) -> None:
    """Also where it had not had its first turn: that all went well would not be true."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    home = service.supervisor.workers["home"]
    stuck = plex.faults.hang("/library/sections/2/all")
    if not has_begun:
        begin = service.board.begin

        def stop_first(server: str, library: str):
            if library == "Dramas":
                asyncio.get_running_loop().call_soon(home.stop_library, 2)
            return begin(server, library)

        monkeypatch.setattr(service.board, "begin", stop_first)
    (job,) = service.supervisor.submit(Selection(full=True), "home")
    if has_begun:
        await stuck.reached.wait()
        await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
        await ticks()
    report = await job.done
    assert {done.library: done.run.status for done in report.passes} == {
        "Comedies": "ok",
        "Dramas": "cancelled",
        "Westerns": "ok",
    }
    assert exit_code([report]) == 1
    if has_begun:
        told = await events.next("sync.finished", status="cancelled")
        assert [done.run_id for done in report.passes if done.library == "Dramas"] == [told["run_id"]]


async def test_a_pass_that_is_stopped_while_it_is_concluded_is_reported_as_it_ended(
    serve, config, plex, events, rows, monkeypatch
) -> None:
    """The transaction can no longer be stopped: its result is recorded and reported."""
    service = await serve(config(table(plex, libraries=["Dramas"])))
    await events.next("sync.finished")
    plex.changes.add_movie("2", "Pandora's Box", 1929)
    loop, finishing, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    finish = FullPass.finish

    def finish_slowly(*arguments):
        loop.call_soon_threadsafe(finishing.set)
        assert go_on.wait(30)
        return finish(*arguments)

    monkeypatch.setattr(FullPass, "finish", finish_slowly)
    (job,) = service.supervisor.submit(Selection(full=True))
    await finishing.wait()
    service.supervisor.workers["home"].stop_library(2)
    go_on.set()
    (done,) = (await job.done).passes
    told = await events.next("sync.finished")
    assert (
        (told["status"], told["added"], told["run_id"]) == (done.run.status, 1, done.run_id) == ("ok", 1, done.run_id)
    )
    assert rows("SELECT status, added FROM sync_runs WHERE id = ?", told["run_id"]) == [("ok", 1)]


async def test_a_library_that_is_switched_on_during_a_poll_is_not_forgotten(
    serve, config, plex, ticks, clock, events, edit
) -> None:
    """The look has read the switches before."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
    await ticks()
    chosen = asyncio.Event()
    home = service.supervisor.workers["home"]
    contact = home._discovery.contact

    async def contact_and_wait(*arguments):
        found = await contact(*arguments)
        await chosen.wait()
        return found

    home._discovery.contact = contact_and_wait
    await clock.wake("interval home")
    await edit("UPDATE libraries SET sync_enabled = 1 WHERE library_name = 'Dramas'")
    await ticks()
    home._discovery.contact = contact
    chosen.set()
    assert (await events.next("sync.finished", library="Dramas"))["status"] == "ok"


async def test_what_is_written_while_an_edit_is_followed_is_followed_next(
    serve, config, start_plex, ticks, events, monkeypatch, rows, edit
) -> None:
    """Between reading the tables and starting the workers there is time for another edit."""
    attic, cellar = await start_plex("Comedies", name="Attic"), await start_plex("Dramas", name="Cellar")
    service = await serve(config())
    read = service.supervisor._read_roster

    async def read_and_add(*arguments):
        found = await read(*arguments)
        if not rows("SELECT 1 FROM plex_servers WHERE name = 'cellar'"):
            await edit(ADD_SERVER, "cellar", cellar.url, cellar.token)
        return found

    monkeypatch.setattr(service.supervisor, "_read_roster", read_and_add)
    await edit(ADD_SERVER, "attic", attic.url, attic.token)
    await ticks()
    await events.next("sync.finished", server="cellar")


async def test_what_is_written_while_the_service_starts_is_not_missed(
    serve, config, start_plex, ticks, events, rows, edit, monkeypatch
) -> None:
    """Between reading the tables and watching them."""
    attic = await start_plex("Comedies", name="Attic")
    read = Supervisor._read_roster

    async def read_and_add(*arguments):
        found = await read(*arguments)
        if not rows("SELECT 1 FROM plex_servers"):
            await edit(ADD_SERVER, "attic", attic.url, attic.token)
        return found

    monkeypatch.setattr(Supervisor, "_read_roster", read_and_add)
    await serve(config())
    await ticks()
    await events.next("sync.finished", server="attic")


async def test_a_row_that_is_inserted_again_during_a_poll_is_used_from_then_on(
    serve, config, plex, ticks, clock, events, rows, edit
) -> None:
    """The look comes back with what it has found of the old one."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    home = service.supervisor.workers["home"]
    contact, contacted, go_on = home._discovery.contact, asyncio.Event(), asyncio.Event()

    async def contact_slowly(*arguments):
        found = await contact(*arguments)
        contacted.set()
        await go_on.wait()
        return found

    home._discovery.contact = contact_slowly
    await clock.wake("interval home")
    await contacted.wait()
    home._discovery.contact = contact
    await edit("DELETE FROM plex_servers")
    await edit(
        "INSERT INTO plex_servers (id, name, server_url, is_active) VALUES (7, 'other', 'http://127.0.0.1', 0)"
    )
    await ticks()
    go_on.set()
    for _ in range(2):
        await clock.tick("interval home")
    await events.count(3, "sync.finished", status="ok")
    assert rows("SELECT DISTINCT server_id FROM movies") == [(8,)]


async def test_an_edit_that_cannot_be_followed_ends_nothing_and_is_followed_later(
    serve, config, plex, start_plex, ticks, clock, events, edit, locked, monkeypatch
) -> None:
    """Another program edits and then keeps the database locked for longer than the writer waits."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    attic = await start_plex("Comedies", name="Attic")
    service = await serve(config(table(plex)))
    await service.lose_patience()
    await events.next("round.finished")
    await edit(ADD_SERVER, "attic", attic.url, attic.token)
    async with locked():
        for _ in range(3):
            await clock.tick()
    told = await events.next("store.failed")
    assert told["error"].endswith("database is locked")
    assert service.supervisor.wrong == [told["error"]]
    assert not service.task.done()
    await ticks()
    assert service.supervisor.wrong == []
    await events.next("sync.finished", server="attic")
    assert len(events.of("store.failed")) == len(events.of("store.recovered")) == 1


async def test_a_bug_while_others_are_watched_is_reported_and_ends_nothing(
    serve, config, ticks, events, edit, monkeypatch
) -> None:
    """Once, however often it is met; and what was missed is followed when it is met no more."""
    service = await serve(config())

    async def fail() -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(service.supervisor._requests, "take_requests", fail)
        await edit("INSERT INTO sync_requests DEFAULT VALUES")
        await ticks()
    assert "ZeroDivisionError" in (await events.next("watch.crashed"))["exception"]
    assert service.supervisor.wrong == ["internal error: ZeroDivisionError"]
    await ticks()
    await events.next("request.taken")
    assert len(events.of("watch.crashed")) == 1
    assert service.supervisor.wrong == []


async def test_a_row_that_cannot_be_used_is_reported_once_and_costs_the_others_nothing(
    serve, config, plex, start_plex, ticks, events, edit
) -> None:
    """Until it is mended."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await edit(ADD_SERVER, "broken", "nonsense", None)
    await ticks()
    await edit("UPDATE libraries SET priority = 1")
    await ticks()
    (told,) = events.of("server.invalid", server="broken")
    assert service.supervisor.wrong == [f"server 'broken': {told['error']}"]
    other = await start_plex("Musicals", name="Bijou")
    await edit("UPDATE plex_servers SET server_url = ?, token = ? WHERE name = 'broken'", other.url, other.token)
    await ticks()
    await events.next("servers.changed", added=("broken",))
    assert service.supervisor.wrong == []


@pytest.mark.parametrize("under_its_old_id", [True, False])
async def test_a_servers_row_that_another_program_deletes_is_made_anew(
    serve, config, plex, ticks, events, rows, edit, under_its_old_id
) -> None:
    """The configuration wants it: everything is read again."""
    await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await edit("DELETE FROM plex_servers")
    if not under_its_old_id:
        await edit("INSERT INTO plex_servers (name, server_url, is_active) VALUES ('other', 'http://127.0.0.1', 0)")
    assert rows("SELECT count(*) FROM movies") == [(0,)]
    await ticks()
    await events.count(3, "sync.finished", status="ok")
    assert rows("SELECT count(*) FROM movies") == [(6,)]


async def test_a_reload_at_the_same_moment_as_an_edit_is_not_undone(
    serve, config, plex, start_plex, clock, events, edit
) -> None:
    """What follows the edit works by the newest configuration, whatever it was when the edit was seen."""
    attic = await start_plex("Musicals", name="Attic")
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await edit("INSERT INTO plex_path_mappings (server_id, plex_path, local_path) VALUES (1, '/srv', '/mnt')")
    async with service.supervisor._applying:
        await clock.wake("supervisor")
        reload = asyncio.create_task(service.supervisor.apply(config(table(plex), table(attic, "attic"))))
        await asyncio.sleep(0)
    await reload
    await clock.tick()
    await clock.tick()
    assert list(service.supervisor.workers) == ["home", "attic"]


async def test_a_reload_that_cannot_be_written_changes_nothing(serve, config, locked, monkeypatch) -> None:
    """Another program keeps the database locked; once it no longer does, the same reload succeeds."""
    monkeypatch.setattr(writer, "BUSY_TRIES", 1)
    service = await serve(config())
    await service.lose_patience()
    before = service.supervisor.config
    async with locked():
        with pytest.raises(WriteFailed):
            await service.supervisor.apply(config(sync={"interval": "1m"}))
    assert service.supervisor.config is before
    await service.supervisor.apply(config(sync={"interval": "1m"}))
    assert service.supervisor.config.sync.interval == 60
