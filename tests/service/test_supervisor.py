"""All servers side by side: how much at once, and what the trouble of one costs the others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from retrovue_daemon.demo.changes import Changes
from retrovue_daemon.errors import ServerTimeout, ServerWithdrawn
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.records import Kind
from retrovue_daemon.service import worker
from retrovue_daemon.service.schedule import LONGEST_BACKOFF_S
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.slots import STALL_S
from retrovue_daemon.service.supervisor import Supervisor
from retrovue_daemon.store.database import open_database
from retrovue_daemon.sync.discovery import Discovery
from retrovue_daemon.sync.passes.base import log_report
from retrovue_daemon.sync.passes.full import FullPass
from retrovue_daemon.sync.progress import ProgressBoard
from tests.service.conftest import table
from tests.support.patience import IMPATIENT, PATIENCE_S

if TYPE_CHECKING:
    from retrovue_daemon.sync.verdict import PassReport

INTERVAL = 300.0
CERTIFICATE = Path(__file__).parents[1] / "sources" / "plex" / "fixtures" / "certificate-of-plex-direct.pem"


async def test_never_more_looks_than_configured_over_all_servers(serve, config, start_plex, gauge, events) -> None:
    """And as many as that, where there is so much to do."""
    plexes = [await start_plex("A", "B", "C", name=name) for name in ("one", "two", "three")]
    for plex in plexes:
        plex.quirks.latency = 0.01
    servers = [table(plex, str(number)) for number, plex in enumerate(plexes)]
    await serve(config(*servers, sync={"concurrency": 2}))
    assert {line["status"] for line in await events.count(9, "sync.finished")} == {"ok"}
    assert gauge.libraries == 2


async def test_rows_that_took_over_others_are_forgotten_once_no_pass_runs(serve, config, plex, clock, events) -> None:
    """They matter to the passes beside it; a daemon that runs for years must not remember them all."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    merged_rows = service.supervisor.workers["home"]._discovery.merged_rows
    dramas = plex.faults.hang("/library/sections/2/all")
    Changes(plex.world).recreate(next(iter(plex.world.movies())).id)
    await clock.tick("interval home")
    await events.next("sync.finished", library="Comedies")
    await dramas.reached.wait()
    assert merged_rows._younger.keys() == {Kind.MOVIE}
    running = [task for task in asyncio.all_tasks() if task.get_name().startswith("passes home/")]
    dramas.release.set()
    await asyncio.gather(*running)
    assert merged_rows._younger == {}


@pytest.mark.parametrize("concurrency", [1, 2])
async def test_never_more_requests_to_a_server_than_configured(
    serve, config, plex, gauge, events, concurrency
) -> None:
    """However many of its libraries are synced at once."""
    plex.quirks.latency = 0.01
    await serve(config(table(plex, concurrency=concurrency)))
    await events.count(3, "sync.finished")
    assert gauge.libraries > 1 or concurrency == 1
    assert gauge.requests[plex.url] == concurrency


async def test_dead_slow_and_fickle_servers_cost_a_healthy_one_nothing(
    serve, config, start_plex, clock, events
) -> None:
    """It is looked at at its interval, with the same requests, and it finds a free place.

    One hangs in more libraries than there are places, one refuses connections, one comes and goes.
    """
    healthy = await start_plex("A", "B", "C", name="healthy")
    hanging = await start_plex(*"ABCDEFGH", name="hanging")
    refusing = await start_plex("A", name="refusing")
    flapping = await start_plex("A", name="flapping")
    stuck = hanging.faults.hang("/library/sections/*/all", times=None)
    await refusing.stop()
    plexes = {"hanging": hanging, "refusing": refusing, "flapping": flapping, "healthy": healthy}
    servers = [table(plex, name) for name, plex in plexes.items()]
    service = await serve(config(*servers, sync={"interval": "5m", "concurrency": 4}))

    await stuck.reached.wait()
    first = await events.count(3, "sync.finished", server="healthy")
    assert {line["kind"] for line in first} == {"full"}
    await events.next("round.finished", server="healthy")
    expected = [
        "/identity",
        "/library/sections",
        "/library/all",
        *(f"/library/sections/{key}/all" for key in healthy.world.libraries),
    ]
    for _ in range(4):
        healthy.requests.clear()
        flapping.faults.fail("/identity", status=503, times=2)
        planned = await clock.asleep("interval healthy") - clock.time
        assert INTERVAL * 0.9 <= planned <= INTERVAL * 1.1
        await clock.tick("interval healthy")
        again = await events.count(3, "sync.finished", server="healthy")
        assert {(line["kind"], line["status"]) for line in again} == {("quick", "ok")}
        await events.next("round.finished", server="healthy")
        assert sorted(request.path for request in healthy.requests) == sorted(expected)

    assert len(events.of("server.unreachable", server="refusing")) == 1
    assert service.supervisor.workers["refusing"].health.error is not None
    assert not events.of("sync.finished", server="hanging")
    assert {line["status"] for line in events.of("sync.finished", server="flapping")} == {"ok"}


async def test_servers_that_fail_keep_no_places_from_a_healthy_one(serve, config, start_plex, events, gauge) -> None:
    """It is read in as many libraries at once as if it were alone."""
    healthy, refusing, busy = [await start_plex(*"ABCD", name=name) for name in ("healthy", "refusing", "busy")]
    await refusing.stop()
    busy.faults.fail("/identity", status=503, times=None)
    stuck = [healthy.faults.hang(f"/library/sections/{key}/all") for key in healthy.world.libraries]
    plexes = {"refusing": refusing, "busy": busy, "healthy": healthy}
    servers = [table(plex, name, concurrency=4) for name, plex in plexes.items()]
    await serve(config(*servers, sync={"concurrency": 4}))
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(each.reached.wait() for each in stuck))
    assert gauge.libraries == 4


async def test_a_server_that_is_silent_from_the_start_keeps_no_place_for_longer_than_a_moment(
    serve, config, start_plex, clock, events, gauge
) -> None:
    """Long before it is given up."""
    healthy, silent = await start_plex(*"ABCD", name="healthy"), await start_plex("A", name="silent")
    silence = silent.faults.hang("/identity", times=None)
    stuck = [healthy.faults.hang(f"/library/sections/{key}/all") for key in healthy.world.libraries]
    servers = [table(plex, name, concurrency=4) for name, plex in {"healthy": healthy, "silent": silent}.items()]
    service = await serve(config(*servers, sync={"concurrency": 4}))
    await silence.reached.wait()
    async for latest in service.board.watch():
        if len(latest.running) == 4:
            break
    await asyncio.sleep(0)  # each of their tasks has its first turn, and asks for a place
    assert service.supervisor._slots.held == 3
    await clock.tick()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(each.reached.wait() for each in stuck))
    assert gauge.libraries == 4
    assert not events.of("server.unreachable")


async def test_a_hanging_server_does_not_go_before_a_healthy_one(serve, config, start_plex, events) -> None:
    """With one place only they take turns, however many libraries the one that hangs has."""
    hanging = await start_plex("A", "B", "C", name="hanging")
    healthy = await start_plex("A", name="healthy")
    stuck = [hanging.faults.hang(f"/library/sections/{key}/all") for key in hanging.world.libraries]
    servers = [table(hanging, "hanging"), table(healthy, "healthy")]
    service = await serve(config(*servers, sync={"concurrency": 1}))
    await asyncio.wait([asyncio.create_task(each.reached.wait()) for each in stuck], return_when="FIRST_COMPLETED")
    await service.has_begun("healthy", 1)
    next(each for each in stuck if each.reached.is_set()).release.set()
    finished = [line["server"] for line in await events.count(2, "sync.finished")]
    assert "healthy" in finished
    for each in stuck:
        each.release.set()


async def test_servers_whose_listings_hang_do_not_keep_a_good_one_waiting(
    serve, config, start_plex, clock, events
) -> None:
    """Their identities arrive, so they look well; five of them fill all places, with what the defaults allow."""
    bad = [await start_plex("A", "B", name=f"bad {number}") for number in range(5)]
    stuck = [plex.faults.hang("/library/sections/*/all", times=None) for plex in bad]
    good = await start_plex("A", "B", name="good")
    servers = [table(plex, f"bad {number}") for number, plex in enumerate(bad)]
    service = await serve(config(*servers, table(good, "good")))
    reached = asyncio.as_completed([each.reached.wait() for each in stuck], timeout=PATIENCE_S)
    for _ in range(4):
        await next(reached)
    await service.has_begun("good", 2)
    assert service.supervisor._slots.held == 4
    assert not good.requests_for("/library/sections/*/all")
    for library in "AB":
        clock.advance(STALL_S)
        await events.next("sync.finished", server="good", library=library, status="ok")


@pytest.mark.parametrize(
    ("asked", "requests_before"),
    [("/library/sections/1/all", 0), ("/library/sections", 1), ("/library/metadata/*", 0)],
)
async def test_whatever_a_pass_waits_for_its_place_is_lent(
    serve, config, start_plex, clock, events, asked, requests_before
) -> None:
    """A page, the library's marks before anything is removed, or a single item."""
    hanging, good = await start_plex("A", name="hanging"), await start_plex("A", name="good")
    hanging.quirks.no_totals = True
    servers = [table(hanging, "hanging"), table(good, "good")]
    service = await serve(config(*servers, sync={"concurrency": 1, "retention": "never"}))
    await events.count(2, "sync.finished", status="ok")
    Changes(hanging.world).delete(next(hanging.world.movies()).id)
    stuck = hanging.faults.hang(asked, after=requests_before)
    service.supervisor.workers["hanging"].sync_now()
    async with asyncio.timeout(PATIENCE_S):
        await stuck.reached.wait()
    service.supervisor.workers["good"].sync_now()
    clock.advance(STALL_S)
    await events.next("sync.finished", server="good", status="ok")
    stuck.release.set()
    await events.next("sync.finished", server="hanging", status="ok", removed=1)


async def test_the_place_is_lent_while_an_unlisted_show_is_awaited(serve, config, start_plex, clock, events) -> None:
    """As for whatever else a pass waits."""
    hanging, good = await start_plex(name="hanging"), await start_plex("A", name="good")
    changes = Changes(hanging.world)
    show = changes.add_show(changes.add_library("show", "Shows", "/srv/shows").key, "Hidden", 1960)
    changes.add_episode(show.id, 1, 1, "Pilot")
    hanging.quirks.unlisted.add(show.id)
    stuck = hanging.faults.hang("/library/metadata/*")
    await serve(config(table(hanging, "hanging"), table(good, "good"), sync={"concurrency": 1}))
    async with asyncio.timeout(PATIENCE_S):
        await stuck.reached.wait()
    clock.advance(STALL_S)
    await events.next("sync.finished", server="good", status="ok")
    stuck.release.set()
    await events.next("sync.finished", server="hanging", status="ok")


async def test_a_pass_that_times_out_makes_its_server_a_suspect_until_one_does_not(
    serve, config, plex, events, monkeypatch
) -> None:
    """Then the server gets a smaller share of the places."""

    async def time_out(_: object) -> NoReturn:
        raise ServerTimeout("home")

    with monkeypatch.context() as patch:
        patch.setattr(FullPass, "read", time_out)
        service = await serve(config(table(plex)))
        await events.count(3, "sync.finished", status="failed")
        server = service.supervisor._slots._servers["home"]
        assert server.timed_out
    service.supervisor.sync_now()
    await events.count(3, "sync.finished", status="ok")
    assert not server.timed_out


async def test_a_failure_is_reported_when_it_starts_and_when_it_ends(serve, config, plex, clock, events) -> None:
    """And the server is looked at ever more rarely meanwhile, but at least every quarter of an hour."""
    await plex.stop()
    await serve(config(table(plex)))
    await events.next("server.unreachable")
    for _ in range(8):
        await clock.tick("interval home")
    assert LONGEST_BACKOFF_S / 2 <= await clock.asleep("interval home") - clock.time <= LONGEST_BACKOFF_S
    await plex.start()
    await clock.tick("interval home")
    await events.count(3, "sync.finished", status="ok")
    assert len(events.of("server.unreachable")) == len(events.of("server.recovered")) == 1


async def test_a_library_that_fails_has_a_backoff_of_its_own(serve, config, plex, clock, events) -> None:
    """Between its complete listings, which come ever more rarely, it is looked at like the others, which go on."""
    plex.faults.fail("/library/sections/2/all", status=500, times=None)
    await serve(config(table(plex)))
    kinds = ""
    for _ in range(7):
        finished = {line["library"]: line for line in await events.count(3, "sync.finished")}
        kinds += finished["Dramas"]["kind"][0]
        assert {finished[library]["status"] for library in ("Comedies", "Westerns")} == {"ok"}
        await clock.tick("interval home")
    assert kinds == "ffqfqqq"
    plex.faults.clear()
    for _ in range(9):
        await clock.tick("interval home")
    await events.next("sync.finished", library="Dramas", kind="full", status="ok")


async def test_retry_after_during_a_pass_is_respected(serve, config, plex, clock, events) -> None:
    """Its next look waits, however short the interval is; no place is held meanwhile."""
    plex.faults.fail("/library/sections/2/all", status=503, retry_after="240")
    service = await serve(config(table(plex), sync={"interval": "10s"}))
    await events.next("sync.finished", library="Dramas", status="failed")
    async for latest in service.board.watch():
        if not latest.running:
            break
    clock.advance(100)
    assert await clock.asleep("interval home") == pytest.approx(clock.time + 140)
    assert len(plex.requests_for("/identity")) == 1
    await clock.wake("interval home")
    await events.next("sync.finished", library="Dramas", status="ok")


async def test_passes_end_without_the_token_if_another_machine_is_at_the_address(
    serve, config, plex, clock, events
) -> None:
    """Neither their next pages nor what follows them, collections and labels, are requested from it."""
    held = plex.faults.hang("/library/sections/1/all")
    service = await serve(config(table(plex)))
    await held.reached.wait()
    machine, plex.world.machine_identifier = plex.world.machine_identifier, "another machine"
    await clock.tick("interval home")
    await events.next("server.replaced")
    running = service.passes("home", "Comedies")
    plex.requests.clear()
    held.release.set()
    await asyncio.wait([running])
    assert [each.path for each in plex.requests if "x-plex-token" in each.headers] == []
    assert events.of("collections.failed") == []
    plex.world.machine_identifier = machine
    await clock.wake("interval home")
    await events.next("sync.finished", library="Comedies", status="ok")


async def test_a_failed_job_gets_the_reason_and_a_later_one_ends_the_backoff(serve, config, plex, events) -> None:
    """The server is known to be back then: all of its libraries are polled, not only the requested one."""
    await plex.stop()
    service = await serve(config(table(plex)))
    await events.next("server.unreachable")
    (job,) = service.supervisor.submit(Selection(library="Dramas"))
    assert "cannot be reached" in str((await job.done).error)
    await plex.start()
    (job,) = service.supervisor.submit(Selection(library="Dramas"))
    assert [done.library for done in (await job.done).passes] == ["Dramas"]
    await events.count(3, "sync.finished")
    assert {line["library"] for line in events.of("sync.finished")} == {"Comedies", "Dramas", "Westerns"}


async def test_a_new_library_is_found_by_itself(serve, config, plex, clock, events, rows) -> None:
    """At the next look."""
    await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    library = plex.changes.add_library("movie", "Musicals", "/srv/musicals")
    plex.changes.add_movie(library.key, "Sunny", 1930)
    await clock.tick("interval home")
    assert (await events.next("sync.finished", library="Musicals"))["added"] == 1
    assert rows("SELECT title FROM active_movies WHERE library_name = 'Musicals'") == [("Sunny",)]


async def test_a_library_has_one_pass_at_a_time_and_later_jobs_share_the_next(
    serve, config, plex, clock, events, gauge
) -> None:
    """With any number of jobs, and of polls during a long pass."""
    stuck = plex.faults.hang("/library/sections/2/all")
    service = await serve(config(table(plex)))
    await stuck.reached.wait()
    jobs = [service.supervisor.submit(Selection(library="Dramas"))[0] for _ in range(3)]
    jobs += service.supervisor.submit(EVERYTHING)
    for _ in range(3):
        await clock.tick("interval home")
    assert len(plex.requests_for("/library/sections/2/all")) == 1
    stuck.release.set()
    reports = [await job.done for job in jobs]
    passes = {id(done) for report in reports for done in report.passes if done.library == "Dramas"}
    assert len(passes) == 1
    assert len(events.of("sync.finished", library="Dramas")) == 2
    assert [done.library for done in reports[-1].passes] == ["Comedies", "Dramas", "Westerns"]


async def test_a_mistake_in_one_library_costs_its_neighbours_nothing(
    serve, config, plex, events, monkeypatch
) -> None:
    """Its requester is informed; the passes of other servers continue."""

    def stumble(report: PassReport) -> None:
        if report.library == "Dramas":
            raise ZeroDivisionError
        log_report(report)

    monkeypatch.setattr(worker, "log_report", stumble)
    stuck = plex.faults.hang("/library/sections/1/all")
    service = await serve(config(table(plex)))
    await events.next("server.crashed")
    stuck.release.set()
    await events.next("sync.finished", library="Comedies", status="ok")
    monkeypatch.undo()
    (job,) = service.supervisor.submit(EVERYTHING)
    assert {done.run.status for done in (await job.done).passes} == {"ok"}
    monkeypatch.setattr(worker, "log_report", stumble)
    (job,) = service.supervisor.submit(EVERYTHING)
    assert str((await job.done).error) == "internal error: ZeroDivisionError"


async def test_a_pass_that_is_stopped_before_its_first_step_blocks_nothing(
    serve, config, plex, clock, events, monkeypatch, rows
) -> None:
    """Its library is free for the next one, and no display shows it as running."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    ((library_id,),) = rows("SELECT id FROM libraries WHERE library_name = 'Dramas'")
    begin = service.board.begin
    home = service.supervisor.workers["home"]

    def stop_first(server: str, library: str):
        if library == "Dramas":
            # Before the task that is about to be made gets its first turn.
            asyncio.get_running_loop().call_soon(home.stop_library, library_id)
        return begin(server, library)

    monkeypatch.setattr(service.board, "begin", stop_first)
    await clock.tick("interval home")
    await events.count(2, "sync.finished")
    assert service.board.latest.running == ()
    monkeypatch.undo()
    await clock.tick("interval home")
    await events.next("sync.finished", library="Dramas", status="ok")


async def test_a_job_that_the_end_of_the_daemon_stops_gets_that_result(serve, config, plex, events) -> None:
    """A report without its passes would look as if all had gone well."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    stuck = plex.faults.hang("/library/sections/2/all")
    (under_way,) = service.supervisor.submit(Selection(full=True))
    await stuck.reached.wait()
    (waiting,) = service.supervisor.submit(EVERYTHING)
    await service.stop()
    for job in (under_way, waiting):
        assert isinstance((await job.done).error, ServerWithdrawn)


@pytest.mark.parametrize("is_seen_during_contact", [True, False])
async def test_a_server_that_takes_over_its_old_row_is_not_disturbed(
    serve, config, plex, clock, events, rows, monkeypatch, is_seen_during_contact
) -> None:
    """It was renamed in the configuration: its machine identifies it as the former one."""
    service = await serve(config(table(plex, "before")))
    await events.count(3, "sync.finished")
    await service.stop()
    contact, contacted, seen = Discovery.contact, asyncio.Event(), asyncio.Event()

    async def contact_slowly(*arguments: Any):
        found = await contact(*arguments)
        contacted.set()
        await seen.wait()
        return found

    monkeypatch.setattr(Discovery, "contact", contact_slowly)
    stuck = plex.faults.hang("/library/sections/2/all")
    service = await serve(config(table(plex, "after")))
    await contacted.wait()
    if is_seen_during_contact:
        await clock.tick()
        await clock.tick()
    seen.set()
    await stuck.reached.wait()
    assert service.supervisor.workers["after"].server.server_id == 1
    await clock.tick()
    await clock.tick()
    stuck.release.set()
    assert (await events.next("sync.finished", library="Dramas"))["status"] == "ok"
    assert not events.of("servers.changed")
    assert rows("SELECT name FROM plex_servers") == [("after",)]


# -- "sync now", as SIGUSR1 says it ----------------------------------------------------------------------------------


async def test_sync_now_reaches_a_library_that_is_busy(serve, config, plex, events, rows) -> None:
    """Its pass may have read already what has just changed: there is another one after it."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    stuck = plex.faults.hang("/library/sections/2/all")
    service.supervisor.submit(Selection(full=True))
    await stuck.reached.wait()
    await events.count(2, "sync.finished")
    for _ in range(20):
        service.supervisor.sync_now()
    await events.count(2, "sync.finished")
    plex.changes.add_movie("2", "Pandora's Box", 1929)
    stuck.release.set()
    passes = await events.count(2, "sync.finished", library="Dramas", status="ok")
    assert [line["added"] for line in passes] in ([0, 1], [1, 0])
    assert rows("SELECT count(*) FROM active_movies WHERE title = 'Pandora''s Box'") == [(1,)]


async def test_sync_now_retries_a_library_that_waits_after_a_failure(serve, config, plex, events) -> None:
    """Somebody has mended the cause, and says so."""
    plex.faults.fail("/library/sections/2/all", status=503, times=2)
    service = await serve(config(table(plex)))
    await events.next("sync.finished", library="Dramas", status="failed")
    for _ in range(2):
        service.supervisor.sync_now()
        finished = await events.next("sync.finished", library="Dramas")
    assert (finished["status"], events.of("sync.finished", library="Dramas")[1]["kind"]) == ("ok", "full")


async def test_sync_now_is_not_lost_where_the_look_that_runs_fails(serve, config, plex, events) -> None:
    """It was said after that one had begun: one more try follows at once, whatever the backoff."""
    stuck = plex.faults.hang("/identity")
    plex.faults.fail("/library/sections", status=503, retry_after="240")
    service = await serve(config(table(plex)))
    await stuck.reached.wait()
    service.supervisor.sync_now()
    stuck.release.set()
    await events.next("server.busy")
    assert {line["status"] for line in await events.count(3, "sync.finished")} == {"ok"}


async def test_a_wish_that_a_failure_has_answered_does_not_stand_in_the_way_of_the_next(
    serve, config, plex, events, tmp_path
) -> None:
    """The authorities of a server go away before its session opens, and come back."""
    authorities = tmp_path / "ca.pem"
    authorities.write_text(CERTIFICATE.read_text())
    settings = config(table(plex, ca_file=str(authorities)))
    authorities.unlink()
    service = await serve(settings)
    await events.next("server.unreachable")
    worker = service.supervisor.workers["home"]
    for _ in range(2):
        service.supervisor.sync_now()
        (job,) = worker._jobs
        await job.done
    authorities.write_text(CERTIFICATE.read_text())
    service.supervisor.sync_now()
    await events.count(3, "sync.finished", status="ok")


async def test_a_single_sync_waits_for_no_place_that_a_silent_server_does_not_use(
    config, plex, start_plex, path, clock, events
) -> None:
    """After a second the places of those that were not reached are everybody's."""
    silent = await start_plex("Comedies", name="Silent")
    stuck = silent.faults.hang("/identity")
    held = [plex.faults.hang(f"/library/sections/{key}/all") for key in ("1", "2")]
    async with open_database(path) as database:
        settings = config(table(plex), table(silent, "silent"), sync={"concurrency": 2})
        supervisor = Supervisor(database, settings, ProgressBoard(), Redactor(), retry=IMPATIENT, clock=clock)
        syncing = asyncio.create_task(supervisor.sync_once(EVERYTHING))
        await held[0].reached.wait()
        await clock.wake("slots")
        await held[1].reached.wait()
        for fault in (*held, stuck):
            fault.release.set()
        reports = await syncing
    assert [report.server for report in reports] == ["home", "silent"]
