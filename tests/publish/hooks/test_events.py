"""Log events reach hooks, whatever the log level, and survive the process."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from retrovue_daemon.clock import Clock
from retrovue_daemon.logs.setup import configure_logging
from retrovue_daemon.logs.subscriptions import Subscriptions
from retrovue_daemon.publish.hooks.hooks import Hooks
from retrovue_daemon.store.tables.hook_events import (
    MOST_WAITING,
    HookEvent,
    delete_delivered,
    store_events,
    waiting_events,
)
from retrovue_daemon.store.tables.hooks import keep_hooks
from tests.publish.hooks.conftest import hook, sections
from tests.support.logs import logging_kept

if TYPE_CHECKING:
    import sqlite3

log = structlog.get_logger()


@pytest.fixture
async def follow(database):
    """Start hooks with the log set up as the daemon does, at level error."""
    started: list[Hooks] = []
    lines = io.StringIO()

    async def begin(*tables: dict[str, object]) -> Hooks:
        subscriptions = Subscriptions()
        redactor = configure_logging(level="error", format="json", stream=lines, subscriptions=subscriptions)
        started.append(Hooks(database, subscriptions, redactor, Clock()))
        await started[-1].apply(sections(*tables))
        return started[-1]

    begin.lines = lines  # type: ignore[attr-defined]
    with logging_kept():
        yield begin
        for each in started:
            await each.stop()


async def test_events_come_at_any_level(follow, receiver) -> None:
    """Those that are subscribed to, with their keys, and without the log line."""
    await follow(hook(url=receiver.url, on=["sync.finished:ok", "server.recovered"]))
    log.debug("sync.finished", server="home", status="ok", listed=3)
    log.error("sync.finished", server="home", status="failed")
    log.debug("round.finished", server="home")
    log.info("server.recovered", server="home")
    found: list[dict[str, Any]] = []
    while len(found) < 2:
        body = await receiver.next()
        assert (body["hook"], body["type"], body["changes"], body["events_dropped"]) == ("a", "events", [], 0)
        found += body["events"]
    for event in found:
        assert event.pop("id") > 0
        assert event.pop("at") > 0
    assert found == [
        {"event": "sync.finished", "level": "debug", "server": "home", "status": "ok", "listed": 3},
        {"event": "server.recovered", "level": "info", "server": "home"},
    ]
    assert follow.lines.getvalue().count("\n") == 1


async def test_events_hold_no_secret(follow, receiver) -> None:
    """They are redacted as log lines are, before they are stored."""
    await follow(hook(url=receiver.url.replace("//", "//me:s3cr3t-pw@"), on=["sync.blocked"]))
    log.error("sync.blocked", error="GET /?X-Plex-Token=abcdef1234 and s3cr3t-pw", token="abc")
    (event,) = (await receiver.next())["events"]
    assert event["error"] == "GET /?X-Plex-Token=*** and ***"
    assert event["token"] == "***"
    request, _ = receiver.requests[0]
    assert request.headers["Authorization"] == "Basic bWU6czNjcjN0LXB3"


async def test_events_from_other_threads_come_too(follow, receiver) -> None:
    """Some of the daemon's work is done in threads."""
    await follow(hook(url=receiver.url, on=["store.waiting"]))
    await asyncio.to_thread(log.warning, "store.waiting", hint="x")
    assert (await receiver.next())["events"][0]["event"] == "store.waiting"


async def test_an_event_survives_the_process(follow, receiver, stored, change) -> None:
    """It waits in the database while the receiver is down, and the next daemon delivers it before changes."""
    receiver.statuses.extend([503] * 1_000)
    table = hook(url=receiver.url, on=["changes", "sync.blocked"])
    made = await follow(table)
    log.error("sync.blocked", server="home")
    await stored("SELECT event FROM hook_events", [("sync.blocked",)])
    await change([1])
    await made.stop()
    receiver.statuses.clear()
    before = len(receiver.requests)
    receiver._read = before
    await follow(table)
    first, second = await receiver.next(), await receiver.next()
    assert [each["event"] for each in first["events"]] == ["sync.blocked"]
    assert [each["id"] for each in second["changes"]] == [1]
    await stored("SELECT count(*) FROM hook_events", [(0,)])


async def test_what_is_logged_while_the_daemon_stops_is_kept(follow, receiver, stored) -> None:
    """The last events are stored before the database is closed."""
    receiver.statuses.extend([503] * 1_000)
    made = await follow(hook(url=receiver.url, on=["daemon.stopping"]))
    log.info("daemon.stopping")
    await made.stop()
    await stored("SELECT event FROM hook_events", [("daemon.stopping",)])


async def test_too_many_events_are_dropped_and_counted(follow, database, receiver, stored) -> None:
    """The oldest ones; the receiver learns how many."""
    receiver.held = asyncio.Event()
    await follow(hook(url=receiver.url, on=["sync.blocked"]))
    events = [HookEvent("a", 1, "sync.blocked", "error", {"n": n}) for n in range(MOST_WAITING + 5)]
    await database.writer.run(store_events, events)
    await stored("SELECT count(*), min(id) FROM hook_events", [(MOST_WAITING, 6)])
    receiver.held.set()
    body = await receiver.next()
    assert (body["events_dropped"], body["events"][0]["n"], len(body["events"])) == (5, 5, 100)
    assert (await receiver.next())["events_dropped"] == 0


async def test_events_wait_for_a_database_that_cannot_be_written(follow, database, receiver, monkeypatch) -> None:
    """A full disk loses none of them."""
    made = await follow(hook(url=receiver.url, on=["sync.blocked"]))
    post = database.writer.post
    refusals = iter([True, True])

    def refuse(query, *args):
        if next(refusals, False):

            def fail(connection, *_):
                connection.execute("SELECT * FROM no_such_table")

            return post(fail, *args)
        return post(query, *args)

    monkeypatch.setattr(type(database.writer), "post", lambda _self, query, *args, **_: refuse(query, *args))
    log.error("sync.blocked", server="home")
    assert (await receiver.next())["events"][0]["event"] == "sync.blocked"
    await made.stop()


class Disk:
    """Makes the writer's transactions with events fail while ``is_full``, and counts those that are on their way."""

    def __init__(self, database, monkeypatch) -> None:
        self.is_full = True
        self.pending = self.most = 0
        post = database.writer.post

        def refuse(_writer: object, query: Any, *args: Any, **keys: Any) -> Any:
            if query is not store_events:
                return post(query, *args, **keys)
            self.pending += 1
            self.most = max(self.most, self.pending)
            done = post(self.fail if self.is_full else query, *args, **keys)
            done.add_done_callback(self.done)
            return done

        monkeypatch.setattr(type(database.writer), "post", refuse)

    def fail(self, connection: sqlite3.Connection, *_: object) -> None:
        connection.execute("SELECT * FROM no_such_table")

    def done(self, _: object) -> None:
        self.pending -= 1


async def test_a_hook_with_many_events_costs_others_none(follow, database, receiver, stored, monkeypatch) -> None:
    """Also while the database cannot be written: each hook keeps its newest ones, and what was dropped is counted."""
    receiver.held = asyncio.Event()
    disk = Disk(database, monkeypatch)
    made = await follow(
        hook(url=receiver.url, on=["item.skipped"]),
        hook(name="b", url=receiver.url + "/b", on=["sync.blocked", "hook.events_dropped"]),
    )
    log.error("sync.blocked", n=-1)
    await asyncio.sleep(0)
    for number in range(12 * MOST_WAITING):
        made._take("item.skipped", "debug", {"n": number})
    disk.is_full = False
    await stored(
        "SELECT name, events_dropped, (SELECT count(*) FROM hook_events WHERE hook = name) FROM hooks ORDER BY name",
        [("a", 11 * MOST_WAITING, MOST_WAITING), ("b", 0, 2)],
    )
    ((fields,),) = await database.reader.execute_fetchall("SELECT fields FROM hook_events WHERE hook = 'a' LIMIT 1")
    assert json.loads(fields)["n"] == 11 * MOST_WAITING
    assert disk.most == 1
    for number in range(3):
        made._take("item.skipped", "debug", {})
        await stored("SELECT events_dropped FROM hooks WHERE name = 'a'", [(11 * MOST_WAITING + number + 1,)])
    await stored(
        "SELECT event, fields FROM hook_events WHERE hook = 'b'",
        [
            ("sync.blocked", '{"n": -1}'),
            ("hook.events_dropped", json.dumps({"hook": "a", "events": 11 * MOST_WAITING})),
        ],
    )


async def test_events_that_a_full_disk_loses_at_the_end_are_counted(follow, database, receiver, monkeypatch) -> None:
    """Nothing can keep them."""
    Disk(database, monkeypatch)
    made = await follow(hook(url=receiver.url, on=["sync.blocked"]))
    follow.lines.truncate(0)
    for _ in range(3):
        log.error("sync.blocked")
    with structlog.testing.capture_logs() as lines:
        await made.stop()
        await asyncio.sleep(0)
        await database.writer.catch_up()
    assert [(line["event"], line["events"]) for line in lines] == [("hooks.events_lost", 3)]


async def test_events_that_were_dropped_on_their_way_are_no_loss(database, stored) -> None:
    """More of them came while the receiver had them already."""
    await database.writer.run(keep_hooks, {"a": False})
    events = [HookEvent("a", 1, "sync.blocked", "error", {"n": n}) for n in range(MOST_WAITING)]
    await database.writer.run(store_events, events)
    sent = await database.reader.run(waiting_events, "a", 100)
    await database.writer.run(store_events, events[:60])
    await stored("SELECT events_dropped FROM hooks", [(60,)])
    await database.writer.run(delete_delivered, "a", sent, 1)
    await stored("SELECT events_dropped FROM hooks", [(0,)])
