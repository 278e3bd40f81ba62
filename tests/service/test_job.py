"""What is requested, on its way through one server: answered once, with everything, or with why not."""

from __future__ import annotations

import asyncio

import pytest

from retrovue_daemon.errors import ServerUnreachable, ServerWithdrawn
from retrovue_daemon.service.job import Job
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.store.tables.libraries import StoredLibrary
from retrovue_daemon.store.tables.runs import Counts, Run, RunStatus
from retrovue_daemon.sync.verdict import PassReport


def _report(library_id: int, status: RunStatus = "ok") -> asyncio.Future[PassReport]:
    run = Run(1, library_id, "full", 0, 0, status, Counts())
    report = asyncio.get_running_loop().create_future()
    report.set_result(PassReport("home", f"library {library_id}", run, None, 0.0))
    return report


@pytest.fixture
async def job() -> Job:
    return Job("home", EVERYTHING)


async def test_it_is_answered_when_everything_has_ended(job) -> None:
    """With the passes in the order in which the server lists the libraries, however they ended."""
    job.set_libraries(("Films", "Shows"), [1, 2])
    for library_id in (2, 1):
        job.begin(library_id)
    job.end(2, [_report(2, "failed")])
    assert not job.done.done()
    job.end(1, [_report(1)])
    report = job.done.result()
    assert [done.run.library_id for done in report.passes] == [1, 2]
    assert (report.server, report.error, report.offers) == ("home", None, ("Films", "Shows"))


async def test_a_pass_that_was_stopped_is_waited_for_until_it_is_recorded(job) -> None:
    """Its report comes later than its end, and is part of the answer."""
    job.set_libraries(("Films",), [1])
    job.begin(1)
    stopped: asyncio.Future[PassReport] = asyncio.get_running_loop().create_future()
    job.end(1, [_report(1), stopped])
    await asyncio.sleep(0)
    assert not job.done.done()
    stopped.set_result(_report(1, "cancelled").result())
    assert [done.run.status for done in (await job.done).passes] == ["ok", "cancelled"]


async def test_what_is_to_be_done_again_is_waited_for_again(job) -> None:
    """The end of the passes that were stopped for that is no answer; what was done before is part of it."""
    job.set_libraries(("Films", "Shows"), [1, 2])
    for library_id in (1, 2):
        job.begin(library_id)
    job.end(1, [_report(1)])
    job.requeue_running()
    job.end(2, [_report(2, "cancelled")])
    assert job.pending == {2}
    job.set_libraries(("Films", "Shows"), [1, 2])
    job.begin(2)
    job.end(2, [_report(2)])
    assert [done.run.status for done in (await job.done).passes] == ["ok", "ok"]


async def test_a_library_that_was_busy_is_waited_for(job) -> None:
    """Its pass began before the job, and may have missed the change that the job is about."""
    job.set_libraries(("Films", "Shows"), [1, 2])
    job.begin(1)
    job.end(1, [_report(1)])
    assert job.pending == {2}
    assert not job.done.done()
    job.set_libraries(("Films", "Shows"), [1, 2])
    job.begin(2)
    job.end(2, [_report(2)])
    assert len(job.done.result().passes) == 2


async def test_a_library_that_vanishes_while_it_is_waited_for_is_not_waited_for_forever(job) -> None:
    """The next poll no longer offers it."""
    job.set_libraries(("Films",), [1])
    job.set_libraries((), [])
    job.finish_if_done()
    assert job.done.result().passes == ()


async def test_a_library_that_appears_meanwhile_is_not_part_of_it(job) -> None:
    """Otherwise a server that is being filled would never be done."""
    job.set_libraries(("Films",), [1])
    job.set_libraries(("Films", "Shows"), [1, 2])
    assert job.pending == {1}


async def test_nothing_is_answered_before_the_server_was_looked_at(job) -> None:
    """Nobody knows yet what it is about."""
    job.finish_if_done()
    assert not job.done.done()


async def test_the_first_answer_counts(job) -> None:
    """A pass that ends after the server was withdrawn changes nothing any more."""
    job.set_libraries(("Films",), [1])
    job.begin(1)
    job.fail(ServerWithdrawn("home"))
    job.end(1, [_report(1)])
    job.fail(ServerUnreachable("home"))
    assert isinstance(job.done.result().error, ServerWithdrawn)


async def test_the_report_needs_no_waiter(job) -> None:
    """The waiting task may have been cancelled."""
    job.done.cancel()
    job.fail(ServerUnreachable("home"))
    job.set_libraries(("Films",), [])
    job.finish_if_done()


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(), "1 2"),
        (Selection(library="Films"), "1"),
        (Selection(library=" Films "), "1"),
        (Selection(library="5"), "2"),
        (Selection(library="Film"), ""),
        (Selection(show=("Any", None)), "2"),
        (Selection(show=("Any", None), library="Films"), ""),
    ],
)
def test_a_library_is_named_by_title_or_key(selection, wanted) -> None:
    """Spaces around a title do not count; a show is looked for in libraries of shows only."""
    libraries = [
        StoredLibrary(1, "4", None, "Films ", "movie", None),
        StoredLibrary(2, "5", None, "Shows", "show", None),
    ]
    assert " ".join(str(row.id) for row in libraries if selection.wants(row)) == wanted
