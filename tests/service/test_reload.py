"""A new configuration: wholly or not at all, and nothing for those of whom it says nothing new."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, TextIO

import pytest

from retrovue_daemon.config import read_config
from retrovue_daemon.errors import DatabaseUnusable, ReloadUnanswered, ServerWithdrawn
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.logs.subscriptions import Subscriptions
from retrovue_daemon.service import reload
from retrovue_daemon.service.reload import Process, Reloader
from retrovue_daemon.service.reload_request import request_reload
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.service.systemd import Notifier
from retrovue_daemon.service.systemd_status import status_line
from retrovue_daemon.store.tables.reloads import KEPT, Reload, reloads_of, store_reload
from tests.service.conftest import Service, table
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from retrovue_daemon.config import Config

MINUTE = 60.0

RELOAD = ["RELOADING=1", "EXTEND_TIMEOUT_USEC=30000000", "READY=1"]
"""What systemd hears of a reload that is over within seconds."""


async def test_an_unchanged_server_keeps_its_session_and_its_schedule(serve, config, plex, clock, events) -> None:
    """The same connection, and the next look at the very second that was planned."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    worker, connections = service.supervisor.workers["home"], len(plex.connections)
    planned = await clock.asleep("interval home")
    clock.advance(30)
    changed = await service.supervisor.apply(config(table(plex), sync={"max_removed": "50%"}))
    assert not changed
    assert service.supervisor.workers["home"] is worker
    assert await clock.asleep("interval home") == pytest.approx(planned)
    await clock.tick("interval home")
    await events.count(3, "sync.finished")
    assert len(plex.connections) == connections


async def test_an_unchanged_server_keeps_its_backoff(serve, config, plex, clock, events) -> None:
    """A reload is no reason to contact a dead server again, nor one that sent Retry-After."""
    plex.faults.fail("/identity", status=503, retry_after="300", times=None)
    service = await serve(config(table(plex)))
    await events.next("server.busy")
    planned = await clock.asleep("interval home")
    assert planned == pytest.approx(clock.time + 300)
    clock.advance(100)
    await service.supervisor.apply(config(table(plex), sync={"interval": "10s"}))
    assert await clock.asleep("interval home") == pytest.approx(planned)
    assert len(plex.requests_for("/identity")) == 1


async def test_a_pass_of_an_unchanged_server_continues_and_one_of_a_removed_server_stops(
    serve, config, start_plex, events, rows
) -> None:
    """The latter is recorded as cancelled, its requester receives that, and its rows stay."""
    kept, removed = await start_plex("A", "B", name="kept"), await start_plex("C", "D", name="removed")
    service = await serve(config(table(kept, "kept"), table(removed, "removed")))
    await events.count(4, "sync.finished")
    stuck = [kept.faults.hang("/library/sections/2/all"), removed.faults.hang("/library/sections/2/all")]
    jobs = service.supervisor.submit(Selection(full=True))
    await asyncio.gather(*(each.reached.wait() for each in stuck))
    await events.count(2, "sync.finished")
    changed = await service.supervisor.apply(config(table(kept, "kept")))
    assert changed.removed == ("removed",)
    stuck[0].release.set()
    reports = [await job.done for job in jobs]
    assert [done.run.status for done in reports[0].passes] == ["ok", "ok"]
    assert isinstance(reports[1].error, ServerWithdrawn)
    assert rows("SELECT name, is_active FROM plex_servers ORDER BY id") == [("kept", 1), ("removed", 0)]
    assert rows("SELECT status, count(*) FROM sync_runs GROUP BY 1 ORDER BY 1")[0] == ("cancelled", 1)
    assert rows("SELECT count(*) FROM movies WHERE server_id = 2") == [(4,)]


async def test_a_changed_server_starts_anew(serve, config, plex, events) -> None:
    """At once, with a session of its own."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    connections = len(plex.connections)
    changed = await service.supervisor.apply(config(table(plex, libraries=["Dramas"])))
    assert changed.changed == ("home",)
    await events.next("sync.finished", library="Dramas")
    assert len(plex.connections) == connections + 1


async def test_a_changed_server_completes_earlier_jobs(serve, config, plex, events) -> None:
    """Finished passes stay done, running ones are repeated, waiting ones follow: no job has to be submitted again."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    stuck = plex.faults.hang("/library/sections/2/all")
    (under_way,) = service.supervisor.submit(Selection(full=True))
    await stuck.reached.wait()
    await events.count(2, "sync.finished", status="ok")
    (waiting,) = service.supervisor.submit(Selection(library="Dramas"), "home")
    asked_meanwhile, stop = [], service.supervisor._stop

    async def ask_meanwhile(*names: str) -> None:
        asked_meanwhile.extend(service.supervisor.submit(Selection(library="Westerns"), "home"))
        await stop(*names)

    service.supervisor._stop = ask_meanwhile
    changed = await service.supervisor.apply(config(table(plex, concurrency=1)))
    assert changed.changed == ("home",)
    libraries = []
    for job in (under_way, waiting, *asked_meanwhile):
        report = await job.done
        assert report.error is None
        assert {done.run.status for done in report.passes} == {"ok"}
        libraries.append([done.library for done in report.passes])
    assert libraries == [["Comedies", "Dramas", "Westerns"], ["Dramas"], ["Westerns"]]


async def test_the_failure_of_a_changed_server_ends_in_the_log(serve, config, plex, events) -> None:
    """A rejected token is replaced: the log has both the failure and the recovery."""
    service = await serve(config(table(plex, token="another-token")))
    await events.next("server.unauthorized")
    await service.supervisor.apply(config(table(plex)))
    await events.count(3, "sync.finished", status="ok")
    assert len(events.of("server.unauthorized")) == len(events.of("server.recovered")) == 1
    assert service.supervisor.wrong == []


async def test_a_server_that_is_added_starts_at_once(serve, config, plex, start_plex, events) -> None:
    """And the one that was there before is not looked at for that."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await events.next("round.finished")
    plex.requests.clear()
    added = await start_plex("Musicals", name="Bijou")
    changed = await service.supervisor.apply(config(table(plex), table(added, "attic")))
    assert changed.added == ("attic",)
    await events.next("sync.finished", server="attic")
    assert not plex.requests


async def test_what_the_configuration_selects_is_shown_from_the_reload_on(serve, config, plex, events, rows) -> None:
    """Readers know it from the database, also while the server is down."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    await plex.stop()
    shown = "SELECT DISTINCT library_name FROM active_movies ORDER BY 1"
    await service.supervisor.apply(config(table(plex, exclude_libraries=["D*"])))
    assert rows("SELECT library_name, selected FROM libraries ORDER BY 1") == [
        ("Comedies", 1), ("Dramas", 0), ("Westerns", 1)
    ]  # fmt: skip
    assert rows(shown) == [("Comedies",), ("Westerns",)]
    await service.supervisor.apply(config(table(plex, libraries=["Dramas"])))
    assert rows(shown) == [("Dramas",)]
    await service.supervisor.apply(config())
    assert rows(shown) == []
    await service.supervisor.apply(config(table(plex)))
    assert rows(shown) == [("Comedies",), ("Dramas",), ("Westerns",)]


async def test_a_new_library_is_deselected_when_it_is_found(serve, config, plex, clock, events, rows) -> None:
    """And a renamed one stays what it was, although its title matches nothing any more."""
    await serve(config(table(plex, libraries=["Comedies", "Dramas"])))
    await events.count(2, "sync.finished")
    plex.changes.add_library("movie", "Musicals", "/srv/musicals")
    plex.changes.rename_library("1", "Funny ones")
    await clock.tick("interval home")
    assert rows("SELECT library_name, selected FROM libraries ORDER BY 1") == [
        ("Dramas", 1), ("Funny ones", 1), ("Musicals", 0), ("Westerns", 0)
    ]  # fmt: skip


async def test_mappings_are_followed_before_the_reload_is_over(serve, config, plex, events, rows) -> None:
    """Without the network, and without disturbing the server whose mappings they are."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    worker = service.supervisor.workers["home"]
    await plex.stop()
    mapped = config(table(plex, path_mappings=[{"plex_path": "/srv", "local_path": "/mnt"}]))
    assert (await service.supervisor.apply(mapped)).changed == ("home",)
    assert rows("SELECT count(*) FROM media_files WHERE file_path LIKE '/mnt/%'") == [(6,)]
    assert service.supervisor.workers["home"] is worker


async def test_a_shorter_interval_holds_at_once_and_a_longer_one_from_the_next_poll_on(
    serve, config, plex, clock, events
) -> None:
    """A week that was planned before does not have to pass first."""
    service = await serve(config(table(plex), sync={"interval": "7d"}))
    await events.count(3, "sync.finished")
    await service.supervisor.apply(config(table(plex), sync={"interval": "1m"}))
    clock.advance(MINUTE)
    await events.count(3, "sync.finished")
    planned = await clock.asleep("interval home")
    assert planned - clock.time <= MINUTE * 1.1
    await service.supervisor.apply(config(table(plex), sync={"interval": "1h"}))
    assert await clock.asleep("interval home") == pytest.approx(planned)


async def test_more_places_are_there_at_once(serve, config, plex, events, gauge) -> None:
    """Passes that wait for one need not wait for those that run."""
    stuck = [plex.faults.hang(f"/library/sections/{key}/all") for key in "123"]
    service = await serve(config(table(plex, concurrency=3), sync={"concurrency": 1}))
    await stuck[0].reached.wait()
    assert gauge.libraries == 1
    await service.supervisor.apply(config(table(plex, concurrency=3), sync={"concurrency": 3}))
    await asyncio.gather(*(each.reached.wait() for each in stuck))
    assert gauge.libraries == 3


async def test_no_row_is_deleted_by_a_reload(serve, config, plex, start_plex, events, rows) -> None:
    """Whatever leaves the file: servers, libraries, mappings. Missing rows stay as long as retention says."""
    other = await start_plex("Musicals", name="Bijou")
    mapping = {"plex_path": "/srv", "local_path": "/mnt"}
    service = await serve(config(table(plex, path_mappings=[mapping]), table(other, "attic")))
    await events.count(4, "sync.finished")
    tables = ("plex_servers", "libraries", "movies", "media_files", "sync_runs")

    def counts() -> list[int]:
        return [rows(f"SELECT count(*) FROM {name}")[0][0] for name in tables]

    before = counts()
    for tables_left in ([table(plex, libraries=["Dramas"])], [], [table(plex, "renamed")]):
        await service.supervisor.apply(config(*tables_left))
        assert all(now >= then for now, then in zip(counts(), before, strict=True))


# -- what SIGHUP sets off -------------------------------------------------------------------------------------------


class File:
    """A configuration file, and what reloading it does."""

    def __init__(self, path: Path, database: Path) -> None:
        self.path = path
        self.reads = 0
        self.levels: list[str] = []
        self.redactor = Redactor()
        self.read_on = threading.Event()
        """Cleared where the disk is slow."""
        self.read_on.set()
        self._database = database

    def write(self, *tables: dict[str, object], extra: str = "") -> None:
        servers = "".join(
            "[[servers]]\n" + "".join(f'{key} = "{value}"\n' for key, value in each.items()) for each in tables
        )
        quiet = "" if "[sync]" in extra else "[sync]\nnotifications = false\n"
        self.path.write_text(f'[database]\npath = "{self._database}"\n{quiet}{extra}\n{servers}')

    def read(self, path: Path, database: Path | None) -> Config:
        found = read_config(path, database)
        self.reads += 1
        self.read_on.wait()
        return found

    def log_as(
        self,
        *,
        level: str,
        format: str,  # noqa: A002 -- its name
        stream: TextIO,
        redactor: Redactor,
        subscriptions: Subscriptions,
    ) -> None:
        assert (format, type(subscriptions)) == ("auto", Subscriptions)
        assert (stream, redactor) == (sys.stdout, self.redactor)
        self.levels.append(level)


@pytest.fixture
def file(tmp_path: Path, path: Path) -> File:
    return File(tmp_path / "config.toml", path)


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """The messages to systemd since the last call; the first words only."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(str(tmp_path / "notify"))

        def read() -> list[str]:
            messages = []
            while True:
                try:
                    messages.append(listener.recv(4096).decode().split("\n")[0])
                except BlockingIOError:
                    return messages

        yield read


@pytest.fixture
async def reloading(serve, file, tmp_path, heard, plex, monkeypatch):
    """A service that reloads its file when the event is set."""
    monkeypatch.setattr(reload, "read_config", file.read)
    monkeypatch.setattr(reload, "configure_logging", file.log_as)
    tasks = []

    async def begin() -> tuple[Service, asyncio.Event]:
        service = await serve(read_config(file.path))
        wanted = asyncio.Event()
        file.redactor = service.supervisor._redactor
        notifier = Notifier(str(tmp_path / "notify").encode())
        process = Process(file.path, None, sys.stdout, file.redactor, notifier)
        tasks.append(asyncio.create_task(Reloader(process, service.supervisor, service.clock).serve(wanted)))
        return service, wanted

    yield begin
    file.read_on.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_file_with_mistakes_changes_nothing_and_reports_all_of_them(
    reloading, file, plex, events, heard
) -> None:
    """By the paths of their keys; systemd hears that the reload is over nevertheless."""
    file.write(table(plex))
    service, wanted = await reloading()
    await events.count(3, "sync.finished")
    before, worker = service.supervisor.config, service.supervisor.workers["home"]
    file.write(table(plex) | {"url": "nonsense", "colour": "blue"}, extra='[sync]\ninterval = "soon"\n')
    wanted.set()
    failed = await events.next("config.reload_failed")
    assert {problem.split(":")[0] for problem in failed["problems"]} == {
        "servers[0].url",
        "servers[0].colour",
        "sync.interval",
    }
    assert service.supervisor.config is before
    assert service.supervisor.workers["home"] is worker
    assert status_line(service.supervisor) == f"idle; reload refused: {', '.join(failed['problems'])}"
    await asyncio.sleep(0)
    assert heard() == RELOAD


async def test_the_same_file_again_is_no_change(reloading, file, plex, events, heard) -> None:
    """Nothing is applied, and systemd hears that the reload is over."""
    file.write(table(plex))
    service, wanted = await reloading()
    before = service.supervisor.config
    wanted.set()
    await events.next("config.unchanged")
    assert service.supervisor.config is before
    assert heard() == RELOAD
    assert file.levels == []


async def test_a_storm_is_two_reloads_at_most(reloading, file, plex, events, heard) -> None:
    """The one that runs when it comes, and one for all that was said meanwhile."""
    file.write(table(plex))
    _, wanted = await reloading()
    file.reads = 0
    file.read_on.clear()
    wanted.set()
    while not file.reads:  # noqa: ASYNC110 -- another thread counts
        await asyncio.sleep(0)
    for _ in range(50):
        wanted.set()
        await asyncio.sleep(0)
    file.read_on.set()
    await events.count(2, "config.unchanged")
    await asyncio.sleep(0)
    assert file.reads == 2
    assert heard() == RELOAD * 2


async def test_a_long_reload_extends_the_timeout_until_it_is_over(
    reloading, file, plex, clock, events, heard
) -> None:
    """Each time for longer than until the next time; systemd would give it up after a minute and a half."""
    file.write(table(plex))
    _, wanted = await reloading()
    file.read_on.clear()
    wanted.set()
    for _ in range(5):
        await clock.tick("timeout of a reload")
    assert heard() == [RELOAD[0], *[RELOAD[1]] * 6]
    assert await clock.asleep("timeout of a reload") - clock.time < 30
    file.read_on.set()
    await events.next("config.unchanged")
    await asyncio.sleep(0)
    assert heard()[-1] == "READY=1"
    assert "timeout of a reload" not in [task.get_name() for task in asyncio.all_tasks()]


@pytest.mark.parametrize(
    ("extra", "key"),
    [
        ('mode = "0640"', "database.mode"),
        ('[web]\nlisten = "127.0.0.1:1"', "web.listen"),
    ],
)
async def test_what_needs_a_restart_is_refused_with_that_reason(reloading, file, plex, events, extra, key) -> None:
    """Wholly: what else the file says does not hold either."""
    file.write(table(plex))
    service, wanted = await reloading()
    before = service.supervisor.config
    file.write(extra=f'{extra}\n[sync]\ninterval = "9m"')
    wanted.set()
    failed = await events.next("config.reload_failed")
    assert failed["problems"] == [f"{key}: cannot change while the daemon runs"]
    assert "restart" in failed["hint"]
    assert service.supervisor.config is before
    assert f"reload refused: {failed['problems'][0]}" in status_line(service.supervisor)
    file.write(table(plex))
    wanted.set()
    await events.next("config.unchanged")
    assert service.supervisor.wrong == []


async def test_a_reload_that_cannot_be_applied_is_reported_and_the_next_one_works(
    reloading, file, plex, events, heard, monkeypatch
) -> None:
    """Also where the reason is a bug."""
    file.write()
    service, wanted = await reloading()

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    file.write(table(plex))
    with monkeypatch.context() as patch:
        patch.setattr(service.supervisor, "_read_roster", fail)
        wanted.set()
        failed = await events.next("config.reload_failed")
    assert "ZeroDivisionError" in failed["exception"]
    assert service.supervisor.wrong == ["reload refused: internal error"]
    wanted.set()
    reloaded = await events.next("config.reloaded")
    assert service.supervisor.wrong == []
    assert (reloaded["added"], reloaded["changed"], reloaded["removed"]) == (["home"], [], [])


async def test_one_line_says_what_was_added_changed_and_removed(reloading, file, plex, start_plex, events) -> None:
    """And which sections differ; what is logged from then on follows the new file."""
    added = await start_plex("Musicals", name="Bijou")
    removed = await start_plex("Operas", name="Scala")
    file.write(table(plex, "changed"), table(removed, "removed"))
    _, wanted = await reloading()
    file.write(
        table(plex, "changed") | {"timeout": "9s"}, table(added, "added"), extra='[logging]\nlevel = "warning"\n'
    )
    wanted.set()
    told = await events.next("config.reloaded")
    assert (told["added"], told["changed"], told["removed"]) == (["added"], ["changed"], ["removed"])
    assert told["sections"] == ["logging"]
    assert file.levels == ["warning"]


async def test_the_board_does_not_grow_over_reloads(serve, config, plex, events) -> None:
    """Passes that a reload stops leave it, and count as done."""
    service = await serve(config(table(plex)))
    await events.count(3, "sync.finished")
    for number in range(10):
        stuck = plex.faults.hang("/library/sections/2/all")
        await service.supervisor.apply(config(table(plex, concurrency=number % 2 + 1)))
        await stuck.reached.wait()
    await service.supervisor.apply(config())
    latest = service.board.latest
    assert latest.running == ()
    assert latest.libraries_done == latest.libraries_total
    assert service.board._running == {}


# -- who waits for the verdict --------------------------------------------------------------------------------------


class Requests:
    """Commands that request a reload from this process, each in a thread of its own."""

    def __init__(self, path: Path, wanted: asyncio.Event) -> None:
        self.arrived = 0
        self._path = path
        self._wanted = wanted
        self._arrival = asyncio.Event()

    def hang_up(self) -> None:
        """Take SIGHUP as the service does."""
        self.arrived += 1
        self._arrival.set()
        self._wanted.set()

    async def start(self, patience: float = PATIENCE_S) -> asyncio.Task[tuple[int, Reload]]:
        """Begin a request; its signal has arrived."""
        self._arrival.clear()
        request = asyncio.create_task(asyncio.to_thread(request_reload, self._path, patience))
        await asyncio.wait([request, asyncio.create_task(self._arrival.wait())], return_when=asyncio.FIRST_COMPLETED)
        return request


@pytest.fixture
async def requests(path: Path) -> AsyncIterator[Callable[[asyncio.Event], Requests]]:
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGHUP)

    def serve(wanted: asyncio.Event) -> Requests:
        made = Requests(path, wanted)
        loop.add_signal_handler(signal.SIGHUP, made.hang_up)
        return made

    yield serve
    loop.remove_signal_handler(signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)


async def _reading(file: File, reads: int) -> None:
    """Wait until the file was read this many times."""
    async with asyncio.timeout(PATIENCE_S):
        while file.reads < reads:  # noqa: ASYNC110 -- another thread counts
            await asyncio.sleep(0)


async def test_a_request_gets_the_verdict_of_the_file_as_it_was_then(reloading, requests, file, plex) -> None:
    """Not that of a reload that had begun before it, though that one ends after it."""
    file.write()
    _, wanted = await reloading()
    made = requests(wanted)
    file.reads = 0
    file.read_on.clear()
    wanted.set()
    await _reading(file, 1)
    file.write(table(plex, "late"))
    request = await made.start()
    file.read_on.set()
    pid, done = await request
    assert pid == os.getpid()
    assert (done.outcome, done.added) == ("applied", ("late",))


async def test_requests_at_once_get_the_verdicts_of_their_own_reloads(reloading, requests, file, path, plex) -> None:
    """One that began later gets the next one, and of a reload that serves several each gets the verdict."""
    file.write()
    _, wanted = await reloading()
    made = requests(wanted)
    file.reads = 0
    file.read_on.clear()
    file.write(table(plex))
    first = await made.start()
    await _reading(file, 1)
    others = [await made.start() for _ in range(3)]
    assert made.arrived == 4
    file.read_on.set()
    verdicts = [(await request)[1] for request in (first, *others)]
    assert [done.outcome for done in verdicts] == ["applied", *["unchanged"] * 3]
    assert len({done.began_ns for done in verdicts}) == file.reads == 2
    assert reloads_of(path) == [verdicts[0], verdicts[1]]


async def test_a_verdict_from_before_the_last_boot_belongs_to_no_request(reloading, requests, file, path) -> None:
    """The monotonic clock has restarted since; a daemon that stores no result counts as unresponsive."""
    file.write()
    service, wanted = await reloading()
    old = Reload(at=1, began_ns=2**62, outcome="refused", exit_code=78)
    await service.database.writer.run(store_reload, old)
    made = requests(wanted)
    _, done = await (await made.start())
    assert done.outcome == "unchanged"
    deaf = requests(asyncio.Event())
    with pytest.raises(ReloadUnanswered, match=f"pid {os.getpid()}.* within 1 s"):
        await (await deaf.start(patience=1))
    assert deaf.arrived == 1


async def test_the_schema_of_another_release_keeps_no_verdict_back(reloading, requests, file, rows, path) -> None:
    """The command may have been upgraded before the daemon; what another program wrote there is no verdict."""
    file.write()
    _, wanted = await reloading()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 999")
        connection.execute("INSERT OR REPLACE INTO daemon_state VALUES ('reloads', '[{\"at\": \"soon\"}]')")
        connection.commit()
    _, done = await (await requests(wanted).start())
    assert done.outcome == "unchanged"


async def test_the_last_reloads_are_stored_and_no_more(reloading, requests, file, path, plex) -> None:
    """With all that was wrong with a file, by keys."""
    file.write()
    _, wanted = await reloading()
    made = requests(wanted)
    for number in range(KEPT):
        file.write(extra=f'[sync]\ninterval = "{number + 10}s"')
        _, done = await (await made.start())
        assert (done.outcome, done.sections, done.exit_code) == ("applied", ("sync",), 0)
    file.write(table(plex) | {"colour": "blue"}, extra='[sync]\ninterval = "soon"')
    _, done = await (await made.start())
    assert (done.outcome, done.exit_code) == ("refused", 78)
    assert {problem.path for problem in done.problems} == {"sync.interval", "servers[0].colour"}
    assert [each.outcome for each in reloads_of(path)] == [*["applied"] * (KEPT - 1), "refused"]


async def test_a_reload_that_fails_for_another_reason_is_no_bad_configuration(
    reloading, requests, file, plex, monkeypatch
) -> None:
    """Its exit code is not that of a refused file."""
    file.write()
    service, wanted = await reloading()

    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    file.write(table(plex))
    monkeypatch.setattr(service.supervisor, "_read_roster", fail)
    _, done = await (await requests(wanted).start())
    assert (done.outcome, done.exit_code) == ("refused", 1)
    assert [problem.message for problem in done.problems] == ["internal error: ZeroDivisionError"]


async def test_no_token_is_stored_with_a_reload(reloading, requests, file, plex, rows) -> None:
    """Even where someone has taken a token for a name."""
    file.write()
    _, wanted = await reloading()
    file.write(table(plex, plex.token))
    _, done = await (await requests(wanted).start())
    assert done.added == ("***",)
    assert plex.token not in str(rows("SELECT value FROM daemon_state"))


async def test_a_database_that_cannot_be_read_for_a_moment_ends_no_request(
    reloading, requests, file, monkeypatch
) -> None:
    """As while a daemon closes it; before the signal it does."""
    file.write()
    _, wanted = await reloading()
    looks: list[Path] = []

    def read(path: Path) -> list[Reload]:
        looks.append(path)
        if len(looks) == failing:
            raise DatabaseUnusable(path, "disk I/O error")
        return reloads_of(path)

    monkeypatch.setattr("retrovue_daemon.service.reload_request.reloads_of", read)
    made = requests(wanted)
    failing = 2
    _, done = await (await made.start())
    assert (done.outcome, made.arrived) == ("unchanged", 1)
    assert len(looks) > failing
    failing = len(looks) + 1
    with pytest.raises(DatabaseUnusable):
        await (await made.start())
    assert made.arrived == 1
