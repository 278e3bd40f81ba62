"""The lines of a server's rounds: one per round that did something, one per hour that nothing changed."""

from __future__ import annotations

import asyncio

from retrovue_daemon.service.round_log import IDLE_S
from retrovue_daemon.service.selection import EVERYTHING
from tests.service.conftest import table


async def _passes_over(*, but: str = "") -> None:
    """Wait until the passes of all libraries are over, but one that hangs."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("passes home/")]
    await asyncio.gather(*(task for task in tasks if task.get_name() != f"passes home/{but}"))


async def _poll(service) -> None:
    """Let the interval pass, and wait until the passes of that poll are over."""
    await service.clock.tick("interval home")
    await service.events.next("round.finished")
    await _passes_over()


async def test_a_round_has_one_line_with_the_sums_of_its_passes(serve, config, plex, clock, events) -> None:
    """Its duration begins with the poll: what a person waits for."""
    identity = plex.faults.hang("/identity")
    await serve(config(table(plex)))
    await identity.reached.wait()
    clock.time += 30
    identity.release.set()
    line = await events.next("round.finished")
    passes = events.of("sync.finished")
    assert (line["level"], line["server"], line["libraries"], line["passes"], line["failed"]) == (
        "info", "home", 3, 3, 0,
    )  # fmt: skip
    assert line["duration_s"] == 30
    for key in ("listed", "added", "pages", "bytes"):
        assert line[key] == sum(one[key] for one in passes) > 0
    assert line["removed"] == 0


async def test_a_round_counts_the_passes_that_failed(serve, config, plex, events) -> None:
    """The reasons are in the lines of the passes."""
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    await serve(config(table(plex)))
    line = await events.next("round.finished")
    assert (line["level"], line["passes"], line["failed"]) == ("info", 3, 1)


async def test_rounds_without_a_change_are_silent_but_once_per_hour(serve, config, plex, clock, events) -> None:
    """Hundreds of lines a day that say nothing would hide the few that do."""
    began = clock.time
    service = await serve(config(table(plex), sync={"interval": "5m"}))
    first = await events.next("round.finished")
    assert first["level"] == "info"
    for _ in range(3):
        await _poll(service)
    quiet = events.lines[events.lines.index(first) + 1 :]
    assert {line["event"] for line in quiet} == {"sync.finished", "collections.finished", "round.finished"}
    assert {line["level"] for line in quiet} == {"debug"}
    clock.advance(IDLE_S - 600)
    idle = await events.next("sync.idle")
    seconds = round(clock.time - began)
    assert idle == {
        "level": "info", "event": "sync.idle", "server": "home", "looks": 4, "libraries": 3,
        "last_change": "2027-01-15T08:00:00Z", "duration_s": seconds,
    }  # fmt: skip
    await _poll(service)
    assert events.of("sync.idle") == [idle]


async def test_a_change_and_a_failure_are_no_idle_look(serve, config, plex, clock, events) -> None:
    """They have lines of their own, at their own level."""
    await serve(config(table(plex), sync={"interval": "5m"}))
    await events.next("round.finished")
    plex.changes.add_movie("1", "Nosferatu", 1922)
    await clock.tick("interval home")
    assert (await events.next("round.finished"))["added"] == 1
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    await clock.tick("interval home")
    assert (await events.next("round.finished"))["failed"] == 1
    plex.faults.clear()
    clock.advance(IDLE_S)
    idle = await events.next("sync.idle")
    assert idle["looks"] == 1


async def test_a_requested_round_is_answered_although_nothing_changed(serve, config, plex, events) -> None:
    """SIGUSR1 and requests of programs: somebody watches the log for the end."""
    service = await serve(config(table(plex)))
    await events.next("round.finished")
    (job,) = service.supervisor.submit(EVERYTHING)
    await job.done
    line = await events.next("round.finished")
    assert (line["level"], line["passes"], line["added"]) == ("info", 3, 0)
    assert {one["level"] for one in events.of("sync.finished", kind="quick")} == {"debug"}


async def test_the_first_round_is_answered_although_nothing_changed(serve, config, plex, events) -> None:
    """After a restart, the log shows that the daemon works."""
    first = await serve(config(table(plex)))
    await events.next("round.finished")
    await first.stop()
    await serve(config(table(plex)))
    line = await events.next("round.finished")
    assert (line["level"], line["passes"], line["added"]) == ("info", 3, 0)


async def test_only_one_round_counts_as_the_first(serve, config, plex, clock, events) -> None:
    """Not those, too, that begin before it has ended."""
    first = await serve(config(table(plex)))
    await events.next("round.finished")
    await first.stop()
    hang = plex.faults.hang("/library/sections/2/all")
    await serve(config(table(plex), sync={"interval": "5m"}))
    await hang.reached.wait()
    await _passes_over(but="Dramas")
    await clock.tick("interval home")
    second = await events.next("round.finished")
    hang.release.set()
    third = await events.next("round.finished")
    assert [(line["level"], line["libraries"]) for line in (second, third)] == [("info", 2), ("debug", 3)]


async def test_a_round_that_is_stopped_has_no_line(serve, config, plex, events) -> None:
    """Its sums would be those of a part."""
    hang = plex.faults.hang("/library/sections/2/all")
    service = await serve(config(table(plex)))
    await hang.reached.wait()
    await events.count(2, "sync.finished")
    await service.stop()
    assert events.of("sync.finished", library="Dramas", status="cancelled")
    assert not events.of("round.finished")
