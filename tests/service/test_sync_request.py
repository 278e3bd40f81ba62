"""Asking a daemon that runs: what its asker sees, however it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.errors import DaemonGone, DatabaseUnusable, IdsUsedUp, Interrupted, UnknownServer
from retrovue_daemon.service import sync_request
from retrovue_daemon.service.selection import EVERYTHING, Selection
from retrovue_daemon.service.signals import Signals
from retrovue_daemon.service.sync_request import request_sync
from retrovue_daemon.store.database import open_database
from retrovue_daemon.store.file.lock import Holder, holder
from retrovue_daemon.store.tables.requests import add_request
from retrovue_daemon.sync.progress import ProgressBoard
from tests.service.conftest import table
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def in_step(serve, config, plex, events):
    """A daemon in this process, whose server is in step."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await service.database.writer.catch_up()
    return service


@pytest.fixture
def ask(in_step, ask):
    """Ask that daemon, which looks at the database at once; the board is the asker's."""
    return ask


async def test_the_result_is_what_a_sync_would_have_brought(ask) -> None:
    """For everything that was requested, and for nothing else."""
    told = await (await ask(Selection(library="Dramas", full=True)))
    assert told["exit_code"] == 0
    (server,) = told["servers"]
    (library,) = server["libraries"]
    assert (server["server"], library["library"], library["kind"], library["listed"]) == ("home", "Dramas", "full", 2)


async def test_progress_reaches_the_asker(ask, plex, clock, events) -> None:
    """As it stands in the daemon, not more than a second old."""
    stuck = plex.faults.hang("/library/sections/2/all")
    board = ProgressBoard()
    asking = await ask(Selection(full=True), board=board)
    await stuck.reached.wait()
    await events.count(2, "sync.finished")
    await clock.tick("progress of requests")
    async with asyncio.timeout(PATIENCE_S):
        async for latest in board.watch():
            if [one.library for one in latest.running] == ["Dramas"]:
                break
    assert (latest.libraries_done, latest.libraries_total) == (2, 3)
    stuck.release.set()
    assert (await asking)["exit_code"] == 0


async def test_what_others_want_is_no_progress(ask, plex, clock, in_step) -> None:
    """The daemon's board shows everything; a request sees only its own libraries, until all are done."""
    others, own = (plex.faults.hang(f"/library/sections/{key}/all") for key in "12")
    other = await ask(Selection(library="Comedies", full=True))
    await others.reached.wait()
    board = ProgressBoard()
    asking = await ask(Selection(library="Dramas", full=True), board=board)
    await own.reached.wait()
    await clock.tick("progress of requests")
    assert in_step.board.latest.libraries_total == 2
    async with asyncio.timeout(PATIENCE_S):
        async for latest in board.watch():
            if latest.libraries_total:
                break
    assert (latest.libraries_done, latest.libraries_total) == (0, 1)
    assert [one.library for one in latest.running] == ["Dramas"]
    own.release.set()
    await asking
    assert (board.latest.libraries_done, board.latest.libraries_total, board.latest.running) == (1, 1, ())
    others.release.set()
    await other


async def test_the_round_before_is_no_progress(ask, plex, clock, in_step, rows) -> None:
    """The board still shows it, done, until the server has answered."""
    stuck = plex.faults.hang("/identity")
    in_step.board.new_round = lambda: None  # another server's worker may be the one that begins it
    asking = await ask(Selection(full=True))
    await stuck.reached.wait()
    await clock.tick("progress of requests")
    await in_step.database.writer.catch_up()
    assert in_step.board.latest.libraries_done == 3
    assert rows("SELECT result FROM sync_requests") == [(None,)]
    stuck.release.set()
    await asking


@pytest.mark.parametrize("name", ["attic", "\udcff"])
async def test_an_unknown_server_is_not_asked_for(ask, path, name) -> None:
    """The error lists the existing names; an argument that is no text is the name of nothing."""
    with pytest.raises(UnknownServer) as error:
        await request_sync(path, EVERYTHING, name, ProgressBoard())
    assert error.value.known == ("home",)


async def test_a_daemon_that_ends_meanwhile_is_reported(ask, in_step, plex, rows) -> None:
    """The request stays, and the next daemon finds it."""
    stuck = plex.faults.hang("/library/sections/2/all")
    asking = await ask(Selection(full=True))
    await stuck.reached.wait()
    await in_step.stop()
    with pytest.raises(DaemonGone) as error:
        await asking
    assert error.value.exit_code == 75
    assert rows("SELECT finished_at FROM sync_requests") == [(None,)]


async def test_an_answer_that_was_the_daemons_last_word_is_heard(path, monkeypatch) -> None:
    """It answered and ended between the look at the row and the look at the lock."""
    async with open_database(path):
        pass

    def answer_and_end(database: Path) -> Holder:
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(
                """UPDATE sync_requests SET result = '{"exit_code": 0, "servers": []}', finished_at = 1"""
            )
        return holder(database)

    monkeypatch.setattr(sync_request, "holder", answer_and_end)
    assert (await request_sync(path, EVERYTHING, None, ProgressBoard()))["exit_code"] == 0


async def test_a_deleted_request_ends_the_wait_with_an_error(ask, plex, edit) -> None:
    """It will never have a result."""
    stuck = plex.faults.hang("/library/sections/2/all")
    asking = await ask(Selection(full=True))
    await stuck.reached.wait()
    await edit("DELETE FROM sync_requests")
    result = await asking
    assert (result["exit_code"], result["error"]["message"]) == (1, "another program deleted the request")
    stuck.release.set()


@pytest.mark.parametrize("result", ["nonsense", "[1]", "{}", '{"exit_code": "x", "servers": 1}', None])
async def test_a_result_from_another_program_is_an_error(ask, plex, edit, result) -> None:
    """Anything that is not a summary is reported, and does not raise."""
    stuck = plex.faults.hang("/library/sections/2/all")
    asking = await ask(Selection(full=True))
    await stuck.reached.wait()
    await edit("UPDATE sync_requests SET result = ?, finished_at = 1", result)
    assert (await asking)["error"]["message"] == "another program wrote a result that is not a summary"
    stuck.release.set()


@pytest.mark.parametrize(
    "progress", ["nonsense", "[]", {"progress": 5}, {"progress": {"running": [{"pages": 1}]}}, {"progress": {}}]
)
async def test_progress_that_is_not_understood_is_passed_over(ask, plex, edit, progress) -> None:
    """The daemon may be of another release; the result is waited for nevertheless."""
    stuck = plex.faults.hang("/library/sections/2/all")
    asking = await ask(Selection(full=True))
    await stuck.reached.wait()
    text = progress if isinstance(progress, str) else json.dumps(progress)
    await edit("UPDATE sync_requests SET result = ?", text)
    stuck.release.set()
    assert (await asking)["exit_code"] == 0


async def test_ctrl_c_ends_the_waiting_and_not_the_work(ask, plex, events) -> None:
    """The daemon continues; its answer is in the row."""
    stuck = plex.faults.hang("/library/sections/2/all")
    with Signals() as signals:
        asking = await ask(Selection(full=True), signals=signals)
        await stuck.reached.wait()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted):
            await asking
    stuck.release.set()
    await events.next("request.finished", exit_code=0)


@pytest.mark.parametrize(
    "change", ["INSERT INTO sync_requests (id) VALUES (?)", "UPDATE sqlite_sequence SET seq = ?"]
)
async def test_used_up_ids_are_reported_with_what_to_run(path, change) -> None:
    """Another program stored the highest possible id; to SQLite, that is a full disk."""
    async with open_database(path) as database:
        await database.writer.run(add_request, None, "quick", {})
        await database.writer.run(lambda connection: connection.execute(change, (2**63 - 1,)))
        with pytest.raises(IdsUsedUp, match=r"no more ids for rows of .*sync_requests"):
            await database.writer.run(add_request, None, "quick", {})
        with pytest.raises(IdsUsedUp) as error:
            await request_sync(path, EVERYTHING, None, ProgressBoard())
        statements = str(error.value.hint).split('"')[1]
        with closing(sqlite3.connect(path)) as other:
            other.executescript(statements)
        assert await database.writer.run(add_request, None, "quick", {}) == 2


async def test_a_database_that_may_not_be_written_to_is_reported(tmp_path) -> None:
    """With what can be done about it."""
    with pytest.raises(DatabaseUnusable) as error:
        await request_sync(tmp_path / "nothing.db", EVERYTHING, None, ProgressBoard())
    assert error.value.hint == "check that this user may write to it"
