"""Requests that wait for details: a `sync` beside the daemon, and other programs that want it so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.demo.timeline import Chapter
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.progress import ProgressBoard
from tests.service.conftest import table
from tests.support.details import details_of, stored_details
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.service.conftest import Service

DETAILS = "/library/metadata/*"


@pytest.fixture
def rich(config, plex):
    return config(table(plex, details=True))


@pytest.fixture
async def in_step(serve, rich, events):
    """A service that has read all details."""
    service = await serve(rich)
    await events.count(3, "details.finished")
    await service.clock.asleep("next details home")
    return service


def counts(result: dict[str, Any]) -> dict[str, tuple[int | None, int | None]]:
    """Return what was read and what waits, by library."""
    (server,) = result["servers"]
    return {each["library"]: (each["details_read"], each["details_pending"]) for each in server["libraries"]}


async def called(service: Service, calls: int) -> None:
    """Wait until so many requests wait for details."""
    async with asyncio.timeout(PATIENCE_S):
        while len(service.supervisor.workers["home"].details._calls) < calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_sync_waits_for_details_and_counts_them(in_step, ask, plex, path, clock, events) -> None:
    """With progress; only the libraries of the request are read before it is answered."""
    for key in "123":
        plex.changes.add_movie(key, f"Just Arrived {key}", 1931)
    held = plex.faults.hang(DETAILS)
    board = ProgressBoard()
    asking = await ask(Selection(library="Dramas"), board)
    await held.reached.wait()
    await events.next("sync.finished")
    await clock.tick("progress of requests")
    async with asyncio.timeout(PATIENCE_S):
        async for latest in board.watch():
            if latest.details_total:
                break
    assert (latest.details_read, latest.details_total, latest.libraries_done) == (0, 1, 1)
    assert not asking.done()
    held.release.set()
    result = await asking
    assert counts(result) == {"Dramas": (1, 0)}
    assert (board.latest.details_read, board.latest.details_total) == (0, 0)
    assert stored_details(path).items() <= details_of(plex.world).items()
    everything = await (await ask())
    assert counts(everything) == {"Comedies": (1, 0), "Dramas": (0, 0), "Westerns": (1, 0)}
    assert stored_details(path) == details_of(plex.world)


async def test_a_sync_without_details_does_not_wait_for_them(in_step, ask, plex, events) -> None:
    """Nor does a row of another program that does not say so."""
    plex.changes.add_movie("2", "Just Arrived", 1931)
    held = plex.faults.hang(DETAILS)
    assert counts(await (await ask(Selection(library="Dramas", details=False)))) == {"Dramas": (None, None)}
    await held.reached.wait()
    held.release.set()


async def test_single_requests_give_way(serve, rich, ask, plex, events) -> None:
    """Chapters and markers that are read one by one follow when the request is answered."""
    plex.quirks.plain_batches = True
    films = list(plex.world.movies())
    plex.changes.edit(films[0].id, chapters=(Chapter(0, None),), chapter_source="media")
    singles = [plex.faults.hang(f"/library/metadata/{film.rating_key}") for film in films[-2:]]
    service = await serve(rich)
    reached = [asyncio.create_task(single.reached.wait()) for single in singles]
    await asyncio.wait(reached, return_when=asyncio.FIRST_COMPLETED)
    plex.changes.add_movie("2", "Just Arrived", 1931)
    asking = await ask(Selection(library="Dramas"))
    await called(service, 1)
    first, second = sorted(singles, key=lambda single: not single.reached.is_set())
    first.release.set()
    assert counts(await asking) == {"Dramas": (1, 0)}
    await second.reached.wait()
    second.release.set()
    await service.clock.asleep("next details home")


async def test_a_request_does_not_cut_another_short(in_step, ask, plex) -> None:
    """It waits until the details of the first one are read, then for what has come since."""
    for key in "123":
        plex.changes.add_movie(key, f"Just Arrived {key}", 1931)
    held = plex.faults.hang(DETAILS)
    first = await ask()
    await held.reached.wait()
    second = await ask(Selection(library="Dramas"))
    await called(in_step, 2)
    held.release.set()
    assert counts(await first) == dict.fromkeys(("Comedies", "Dramas", "Westerns"), (1, 0))
    assert counts(await second) == {"Dramas": (1, 0)}


async def test_what_the_server_cannot_send_is_counted_as_waiting(in_step, ask, plex, clock) -> None:
    """A failure ends the wait, and one before it does not delay a new try."""
    plex.changes.add_movie("2", "Just Arrived", 1931)
    plex.faults.fail(DETAILS, status=503, times=None)
    assert counts(await (await ask(Selection(library="Dramas")))) == {"Dramas": (0, 1)}
    plex.faults.clear()
    assert counts(await (await ask(Selection(library="Dramas")))) == {"Dramas": (1, 0)}


async def test_a_wait_outlasts_the_restart_of_its_server(in_step, ask, plex, config, path) -> None:
    """A reload that changes its server reads on with a new session."""
    plex.changes.add_movie("2", "Just Arrived", 1931)
    held = plex.faults.hang(DETAILS)
    asking = await ask(Selection(library="Dramas"))
    await held.reached.wait()
    following = plex.faults.hang(DETAILS)
    await in_step.supervisor.apply(config(table(plex, details=True, libraries=["Dramas", "Comedies"])))
    held.release.set()
    await following.reached.wait()
    assert not asking.done()
    following.release.set()
    assert counts(await asking) == {"Dramas": (1, 0)}


@pytest.mark.parametrize("end", ["removed", "details off"])
async def test_a_wait_ends_with_its_server_or_with_details(in_step, ask, plex, config, end) -> None:
    plex.changes.add_movie("2", "Just Arrived", 1931)
    held = plex.faults.hang(DETAILS)
    asking = await ask(Selection(library="Dramas"))
    await held.reached.wait()
    await in_step.supervisor.apply(config() if end == "removed" else config(table(plex, details=False)))
    held.release.set()
    read, _ = counts(await asking)["Dramas"]
    assert read in ({None} if end == "removed" else {None, 1})


async def test_a_failure_of_the_database_ends_the_wait(in_step, ask, plex, monkeypatch) -> None:
    """The failure is reported; the request is answered without counts."""
    plex.changes.add_movie("2", "Just Arrived", 1931)

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(in_step.supervisor.workers["home"].details, "_round", fail)
    assert counts(await (await ask(Selection(library="Dramas")))) == {"Dramas": (None, None)}


async def test_details_begin_at_once_when_a_reload_turns_them_on(serve, config, plex, path, events) -> None:
    """Not with the next look or poll."""
    service: Service = await serve(config(table(plex)))
    await events.next("round.finished")
    await service.clock.asleep("next details home")
    assert stored_details(path) == {}
    await service.supervisor.apply(config(table(plex, details=True)))
    await events.count(3, "details.finished")
    assert stored_details(path) == details_of(plex.world)
