"""What systemd shows of the service: what is being synced, and all that is wrong."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.systemd_status import show_status, status_line
from tests.service.conftest import table


class Recorder:
    """Keeps what a Notifier would send."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def status(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


async def test_it_names_what_is_being_synced_and_how_far(serve, config, plex, events) -> None:
    """Server and library, what of it is read, and how much there is."""
    stuck = plex.faults.hang("/library/sections/2/all", after=1)
    service = await serve(config(table(plex), sync={"page_size": 1}))
    await stuck.reached.wait()
    await events.count(2, "sync.finished")
    assert status_line(service.supervisor) == "syncing home/Dramas movies 1 of 2"
    running = service.passes("home", "Dramas")
    stuck.release.set()
    await running
    assert status_line(service.supervisor) == "idle"


async def test_it_names_all_that_is_wrong_until_it_no_longer_is(serve, config, plex, start_plex, events) -> None:
    """A server that cannot be used, and libraries whose passes did not end well."""
    dead = await start_plex("Musicals", name="Bijou")
    await dead.stop()
    plex.faults.fail("/library/sections/3/all", status=500, times=None)
    service = await serve(config(table(plex), table(dead, "attic")))
    await events.next("server.unreachable")
    (job,) = service.supervisor.submit(EVERYTHING, "home")
    await job.done
    line = status_line(service.supervisor)
    assert line.count("; ") == 2, line
    idle, library, server = line.split("; ")
    assert idle == "idle"
    assert library.startswith("home/Westerns failed: server 'home' is temporarily unavailable: HTTP 500")
    assert server.startswith("server 'attic' cannot be reached: Connection refused")

    await dead.start()
    plex.faults.clear()
    for job in service.supervisor.submit(Selection(full=True)):
        await job.done
    assert status_line(service.supervisor) == "idle"


async def test_a_blocked_library_stays_in_it_until_it_is_released(serve, config, plex, clock, edit) -> None:
    """A quick pass that went well does not make it forgotten; a switched off library is."""
    service = await serve(config(table(plex)))

    async def sync(selection: Selection = EVERYTHING) -> str:
        for job in service.supervisor.submit(selection):
            await job.done
        return status_line(service.supervisor)

    assert await sync() == "idle"
    plex.quirks.hidden_libraries.add("2")
    assert (await sync()).startswith("idle; home/Dramas blocked: ")
    assert "home/Dramas blocked" in await sync(Selection(library="Comedies"))
    await edit("UPDATE libraries SET sync_enabled = 0 WHERE library_name = 'Dramas'")
    assert await sync() == "idle"


async def test_a_show_that_is_well_does_not_hide_that_its_library_is_not(serve, config, start_plex, events) -> None:
    """Both were requested at once."""
    plex = await start_plex()
    library = plex.changes.add_library("show", "Serials", "/srv/serials")
    show = plex.changes.add_show(library.key, "Les Vampires", 1915)
    plex.changes.add_episode(show.id, 1, 1, "La Tête coupée")
    service = await serve(config(table(plex)))
    await events.next("sync.finished")
    # The first one is the search for the show.
    plex.faults.fail(f"/library/sections/{library.key}/all", status=503, times=2, after=1)
    jobs = [
        service.supervisor.submit(selection)[0]
        for selection in (Selection(full=True), Selection(show=("Les Vampires", None)))
    ]
    for job in jobs:
        assert [(done.run.kind, done.run.status) for done in (await job.done).passes] == [
            ("full", "failed"),
            ("show", "ok"),
        ]
    assert "home/Serials failed" in status_line(service.supervisor)


async def test_systemd_hears_of_changes_only(serve, config, plex, clock, events, recorder) -> None:
    """The status is looked at every second; said is what is new."""
    service = await serve(config(table(plex)))
    (job,) = service.supervisor.submit(EVERYTHING)
    await job.done
    showing = asyncio.create_task(show_status(recorder, service.supervisor, Redactor(), clock), name="status")
    for _ in range(3):
        await clock.tick("status")
    assert recorder.said == ["idle"]
    stuck = plex.faults.hang("/library/sections/2/all")
    await clock.tick("interval home")
    await stuck.reached.wait()
    async for latest in service.board.watch():
        if [one.library for one in latest.running] == ["Dramas"]:
            break
    await clock.tick("status")
    await clock.tick("status")
    assert recorder.said[-1] == "syncing home/Dramas"
    assert all(one != other for one, other in itertools.pairwise(recorder.said))
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)


async def test_no_secret_is_shown(serve, config, plex, clock, events, recorder) -> None:
    """Titles are the server's, and it has been shown the token."""
    plex.changes.rename_library("2", f"Dramas {plex.token}")
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    redactor = Redactor()
    redactor.learn(plex.token)
    service = await serve(config(table(plex)))
    (job,) = service.supervisor.submit(EVERYTHING)
    await job.done
    showing = asyncio.create_task(show_status(recorder, service.supervisor, redactor, clock), name="status")
    await clock.asleep("status")
    (said,) = recorder.said
    assert said.startswith("idle; home/Dramas *** failed")
    showing.cancel()
    await asyncio.gather(showing, return_exceptions=True)
