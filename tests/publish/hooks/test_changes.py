"""Changes reach a receiver at least once, in order, and resume where they were."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.errors import DatabaseBusy, HookFailed
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.publish.hooks import follower, hooks
from retrovue_daemon.publish.hooks.delivery import deliver
from retrovue_daemon.publish.hooks.portion import Portion
from retrovue_daemon.store.tables.hook_events import HookEvent, store_events
from retrovue_daemon.store.tables.hooks import read_hooks, store_delivery
from tests.publish.hooks.conftest import hook, sections
from tests.support.clocks import FakeClock
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


async def test_a_new_hook_starts_at_the_present(start, receiver, change) -> None:
    """What was there before it is not sent; what comes is, with its range."""
    await change(3)
    await start(hook(url=receiver.url))
    await change([7, 8], "updated")
    body = await receiver.next()
    assert (body["hook"], body["type"], body["resync"], body["events"]) == ("a", "changes", False, [])
    assert (body["first_seq"], body["last_seq"]) == (2, 2)
    assert [(each["seq"], each["op"], each["kind"], each["id"]) for each in body["changes"]] == [
        (2, "updated", "movie", 7),
        (2, "updated", "movie", 8),
    ]


async def test_changes_are_sent_as_the_command_prints_them(start, receiver, database) -> None:
    """With the keys of `changes --json`."""
    await start(hook(url=receiver.url))
    await database.writer.run(
        lambda c: c.execute("INSERT INTO plex_servers (name, server_url) VALUES ('home', 'http://127.0.0.1:1')")
    )
    (row,) = (await receiver.next())["changes"]
    assert row.pop("at") > 0
    assert row == {
        "seq": 1,
        "op": "added",
        "kind": "server",
        "id": 1,
        "title": "home",
        "server": "home",
        "library": None,
        "file_path": None,
        "rest": 0,
    }


async def test_ten_thousand_changes_come_in_requests_of_a_thousand(start, receiver, change) -> None:
    """In order, each of them once, and no request with more."""
    await start(hook(url=receiver.url))
    await change(9_500)
    await change(list(range(9_501, 10_001)))
    bodies: list[dict[str, Any]] = []
    while sum(len(each["changes"]) for each in bodies) < 10_000:
        bodies.append(await receiver.next())
    assert [len(each["changes"]) for each in bodies] == [1_000] * 10
    assert [change["id"] for each in bodies for change in each["changes"]] == list(range(1, 10_001))


async def test_changes_are_gathered_for_a_while(start, receiver, change) -> None:
    """From the first one on; then all of them are sent at once."""
    clock = FakeClock()
    await start(hook(url=receiver.url, wait="5s"), clock=clock)
    await change([1])
    await clock.tick("watch of hooks")
    assert await clock.asleep("hook a") == pytest.approx(clock.time + 5)
    await change([2])
    await clock.tick("watch of hooks")
    assert not receiver.requests
    await clock.wake("hook a")
    assert [each["id"] for each in (await receiver.next())["changes"]] == [1, 2]


async def test_a_receiver_that_was_down_gets_everything(start, receiver, change, events, stored) -> None:
    """It is tried again and again; the log says once that it failed, and once that it works."""
    receiver.statuses.extend([503, 500, 429, 404])
    await start(hook(url=receiver.url))
    await change([1])
    for _ in range(5):
        assert [each["id"] for each in (await receiver.next())["changes"]] == [1]
    await events.next("hook.recovered", hook="a")
    await stored("SELECT seq, last_error, failing_since, next_try_at FROM hooks", [(1, None, None, None)])
    assert [(line["level"], line["error"]) for line in events.of("hook.failed")] == [
        ("warning", "the receiver responded with 503")
    ]
    assert len(events.of("hook.recovered")) == 1


async def test_a_hook_resumes_where_it_was(start, receiver, change, stored) -> None:
    """The last delivered entry is in the database: the next daemon goes on after it."""
    made = await start(hook(url=receiver.url))
    await change([1])
    await receiver.next()
    await stored("SELECT seq FROM hooks", [(1,)])
    await made.stop()
    await change([2])
    await start(hook(url=receiver.url))
    assert [each["id"] for each in (await receiver.next())["changes"]] == [2]


async def test_what_was_delivered_but_not_recorded_comes_twice_at_most(start, receiver, change, monkeypatch) -> None:
    """A process that is killed in between sends it again, and nothing is lost."""
    with monkeypatch.context() as patched:

        def killed(*_: object) -> None:
            raise asyncio.CancelledError

        patched.setattr(follower, "store_delivery", killed)
        made = await start(hook(url=receiver.url))
        await change([1])
        await receiver.next()
        await made.stop()
    await change([2])
    await start(hook(url=receiver.url))
    assert [each["id"] for each in (await receiver.next())["changes"]] == [1, 2]
    await change([3])
    assert [each["id"] for each in (await receiver.next())["changes"]] == [3]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE feed SET feed_id = 'another'",
        "UPDATE feed SET floor = 2",
        "UPDATE hooks SET seq = 3",
    ],
    ids=["a restored database", "entries that were deleted", "a feed that was put back"],
)
async def test_a_reader_that_must_begin_anew_is_told(start, receiver, change, database, stored, sql) -> None:
    """Another feed, or one that does not go back so far: nothing is listed, and what follows comes as usual."""
    made = await start(hook(url=receiver.url))
    await made.stop()
    await change([1])
    await change([2])
    await database.writer.run(lambda c: c.execute(sql))
    await start(hook(url=receiver.url))
    body = await receiver.next()
    assert (body["resync"], body["changes"], body["first_seq"], body["last_seq"]) == (True, [], None, 2)
    await stored("SELECT seq FROM hooks", [(2,)])
    await change([3])
    body = await receiver.next()
    assert (body["resync"], [each["id"] for each in body["changes"]]) == (False, [3])


async def test_requests_are_signed(start, receiver, change, tmp_path) -> None:
    """With the content of the file at that moment, over the bytes as they are sent."""
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    await start(hook(url=receiver.url, secret_file=str(secret)))
    for key in (b"first", b"second"):
        secret.write_bytes(key + b"\n")
        await change()
        await receiver.next()
        request, body = receiver.requests[-1]
        expected = hmac.new(key, body, hashlib.sha256).hexdigest()
        assert request.headers["X-Retrovue-Signature"] == f"sha256={expected}"
        assert request.headers["Content-Type"] == "application/json"


async def test_nothing_is_sent_without_the_secret(start, receiver, change, tmp_path, events) -> None:
    """A file that vanishes stops the hook, with a clear error; once it is back, everything is sent."""
    secret = tmp_path / "secret"
    secret.write_text("key")
    await start(hook(url=receiver.url, secret_file=str(secret)))
    secret.unlink()
    await change([1])
    line = await events.next("hook.failed")
    assert line["error"] == f"secret_file: cannot be read: no such file or directory (looked in {tmp_path})"
    assert not receiver.requests
    secret.write_text("key")
    assert [each["id"] for each in (await receiver.next())["changes"]] == [1]


@pytest.mark.parametrize("lack", ["secret", "program"])
async def test_a_hook_that_lacks_its_file_waits_for_it(
    start, receiver, change, tmp_path, events, stored, lack
) -> None:
    """It says so before there is anything to deliver; others are served, and it goes on once the file is there."""
    file = tmp_path / "file"
    keys = {"url": receiver.url, "secret_file": str(file)} if lack == "secret" else {"command": [str(file)]}
    await start(hook(**keys), hook(name="b", url=receiver.url))
    line = await events.next("hook.failed", hook="a")
    assert ("looked in" if lack == "secret" else f"there is no file {file}") in line["error"]
    await stored("SELECT failing_since > 0, last_error FROM hooks WHERE name = 'a'", [(1, line["error"])])
    file.write_text("#!/bin/sh\n")
    file.chmod(0o700)
    await events.next("hook.recovered", hook="a")
    await stored("SELECT last_error, failing_since, next_try_at, delivered_at FROM hooks", [(None,) * 4] * 2)
    await change([1])
    await stored("SELECT seq FROM hooks", [(1,)] * 2)
    assert len(events.of("hook.failed")) == 1


async def test_a_redirect_is_refused(start, receiver, change, events) -> None:
    """It would lead the content elsewhere."""
    receiver.statuses.extend([302, 307])
    receiver.headers["Location"] = receiver.url + "/elsewhere"
    await start(hook(url=receiver.url))
    await change([1])
    line = await events.next("hook.failed")
    assert line["error"] == "the receiver responded with 302, a redirect"
    assert "set url to the address" in line["hint"]
    await events.next("hook.recovered")
    assert {request.path for request, _ in receiver.requests} == {"/hook"}


async def test_a_receiver_that_never_answers_times_out(start, receiver, change, events, monkeypatch) -> None:
    """The others are served meanwhile."""
    receiver.held = asyncio.Event()
    slow, good = hook(url=receiver.url, timeout="1s"), hook(name="b", command=["/bin/true"])
    await start(slow, good)
    await change([1])
    line = await events.next("hook.failed")
    assert (line["hook"], line["error"]) == ("a", "no response within 1 s")
    receiver.held.set()
    await events.next("hook.recovered", hook="a")


async def test_a_hook_that_fails_is_shown(start, change, database, events, free_port, stored) -> None:
    """Since when, why, and how much waits for it."""
    await start(hook(url=f"http://127.0.0.1:{free_port}/"))
    await change(5)
    await events.next("hook.failed", error="cannot connect: connection refused")
    await change([6])
    await stored("SELECT last_error FROM hooks", [("cannot connect: connection refused",)])
    (shown,) = await database.reader.run(read_hooks)
    assert (shown.seq, shown.behind, shown.reads_anew) == (0, 6, False)
    assert shown.failing_since is not None


async def test_waits_between_tries_grow(monkeypatch) -> None:
    """From two seconds to five minutes; a quarter of an hour if only a person can help; as long as is demanded."""
    monkeypatch.undo()
    (section,) = sections(hook(url="http://127.0.0.1:1/"))
    tried = follower.HookFollower(section, None, None, Redactor(), FakeClock())  # type: ignore[arg-type]  # not used
    waits = []
    for _ in range(12):
        tried._failures += 1
        waits.append(tried._pause(HookFailed("x")))
    assert 1.5 <= waits[0] <= 2
    assert all(225 <= wait <= 300 for wait in waits[9:])
    assert tried._pause(HookFailed("x", lasting=True)) == 900
    assert tried._pause(HookFailed("x", retry_after=400.0)) == 400
    assert tried._pause(HookFailed("x", retry_after=1e9)) == 3600


async def test_a_reload_disturbs_no_hook_that_stays(start, receiver, change, stored) -> None:
    """A removed one is forgotten: with the same name later, it starts at the present."""
    made = await start(hook(url=receiver.url), hook(name="b", command=["/bin/false"]))
    task = made._followers["a"][1]
    await made.apply(sections(hook(url=receiver.url)))
    assert made._followers["a"][1] is task
    await stored("SELECT name FROM hooks", [("a",)])
    await change([1])
    await receiver.next()
    await made.apply(sections())
    await change([2])
    await made.apply(sections(hook(url=receiver.url + "/new")))
    await change([3])
    assert [each["id"] for each in (await receiver.next())["changes"]] == [3]
    assert receiver.requests[-1][0].path == "/hook/new"


async def test_a_receiver_that_refuses_so_much_gets_less(start, receiver, change, events) -> None:
    """Less each time, then more again: that is no failure."""
    made = await start(hook(url=receiver.url))
    await made.stop()
    for number in range(4):
        await change([number])
    receiver.statuses.extend([413] * 2)
    await start(hook(url=receiver.url))
    sent = [[each["id"] for each in (await receiver.next())["changes"]] for _ in range(4)]
    assert sent == [[0, 1, 2, 3], [0, 1, 2], [0], [1, 2, 3]]
    assert not events.of("hook.failed")


async def test_an_entry_is_divided_for_a_receiver_that_refuses_so_much(
    start, receiver, change, stored, events
) -> None:
    """It is recorded once all its parts were delivered: until then, another daemon would begin with the first one."""
    made = await start(hook(url=receiver.url))
    await made.stop()
    await change(20)
    await change([21])
    receiver.statuses.extend([413, 413, 200, 503, 503])
    await start(hook(url=receiver.url))
    bodies = [await receiver.next() for _ in range(5)]
    assert [(each["first_seq"], each["last_seq"]) for each in bodies] == [(1, 2)] + [(1, 1)] * 4
    sizes = [[each["id"] for each in body["changes"]] for body in bodies]
    assert sizes[1:] == [list(range(1, 16)), list(range(1, 8)), list(range(8, 21)), list(range(8, 21))]
    await events.next("hook.failed", error="the receiver responded with 503")
    await stored("SELECT seq FROM hooks", [(2,)])
    found = [(await receiver.next())["changes"] for _ in range(2)]
    assert [[each["id"] for each in some] for some in found] == [list(range(8, 21)), [21]]


async def test_a_receiver_that_refuses_one_change_is_retried_later(start, receiver, change, events) -> None:
    """Nothing less can be sent."""
    receiver.statuses.extend([413, 413])
    await start(hook(url=receiver.url))
    await change([1])
    assert (await events.next("hook.failed"))["error"] == "the receiver responded with 413"
    await events.next("hook.recovered")
    assert len(receiver.requests) == 3


def test_portions() -> None:
    """They shrink until a receiver copes, and grow more slowly each time that it then does not."""
    portion = Portion()
    assert portion.of(1_000) == 1_000
    for size in (1_000, 500, 250):
        assert portion.failed(size, portion.of(1_000))
    assert (portion.of(1_000), portion.of(100)) == (125, 12)
    portion.accepted(is_full=False)
    assert portion.of(1_000) == 125
    waits = []
    for _ in range(9):
        needed = 0
        while portion.of(1_000) < 250:
            portion.accepted(is_full=True)
            needed += 1
        waits.append(needed)
        assert portion.failed(250, 250)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert portion.failed(3, 125)
    assert portion.of(1_000) < 3
    assert not portion.failed(1, 1)


async def test_a_delivery_that_cannot_be_recorded_is_not_repeated(
    start, receiver, change, events, database, stored, monkeypatch
) -> None:
    """A full disk: the record is tried again, later each time; the log says it once."""
    post, refusals = database.writer.post, iter([True] * 4)

    def refuse(_self: object, query: Any, *args: Any, **keys: Any) -> Any:
        if query is store_delivery and next(refusals, False):

            def query(connection: sqlite3.Connection, *_: object) -> None:
                connection.execute("SELECT * FROM no_such_table")

        return post(query, *args, **keys)

    await start(hook(url=receiver.url))
    monkeypatch.setattr(type(database.writer), "post", refuse)
    await change([1])
    line = await events.next("hook.failed")
    assert line["error"].startswith("delivered, but not recorded: ")
    await events.next("hook.recovered")
    await stored("SELECT seq, last_error FROM hooks", [(1, None)])
    assert len(receiver.requests) == 1
    assert (len(events.of("hook.failed")), len(events.of("hook.recovered"))) == (1, 1)


async def test_trouble_from_before_a_restart_ends_in_the_log(start, receiver, change, events, stored) -> None:
    """The daemon that delivers is not the one that failed."""
    receiver.statuses.extend([404] * 1_000)
    made = await start(hook(url=receiver.url))
    await change([1])
    await events.next("hook.failed")
    await stored("SELECT last_error FROM hooks", [("the receiver responded with 404",)])
    await made.stop()
    receiver.statuses.clear()
    await start(hook(url=receiver.url))
    await events.next("hook.recovered", hook="a")
    assert len(events.of("hook.failed")) == 1


async def test_changes_do_not_wait_until_there_are_no_more_events(start, receiver, change, database) -> None:
    """A receiver may be slower than events come."""
    made = await start(hook(url=receiver.url, on=["changes", "sync.blocked"]))
    await made.stop()
    await change([1])
    await database.writer.run(store_events, [HookEvent("a", 1, "sync.blocked", "error", {})] * 250)
    await start(hook(url=receiver.url, on=["changes", "sync.blocked"]))
    assert [(await receiver.next())["type"] for _ in range(4)] == ["events", "changes", "events", "events"]


async def test_two_reloads_at_once_run_one_command_at_a_time(start, change, tmp_path) -> None:
    """A command that is slow to end is waited for, also by a reload that is given up; the last configuration wins."""
    running, twice = tmp_path / "running", tmp_path / "twice"
    slow = tmp_path / "slow"
    slow.write_text(
        f"#!/bin/sh\ntrap 'sleep 0.2; rmdir {running}; exit 1' TERM\nmkdir {running} || : > {twice}\n"
        "while :; do sleep 0.01; done\n"
    )
    slow.chmod(0o700)
    made = await start(hook(command=[str(slow)]))
    await change([1])

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():  # noqa: ASYNC110 -- another process makes it so
                await asyncio.sleep(0.005)

    await until(running.exists)
    given_up = asyncio.create_task(made.apply(sections(hook(command=[str(slow), "1"]))))
    await asyncio.sleep(0)
    given_up.cancel()
    out = tmp_path / "out"
    await asyncio.gather(
        made.apply(sections(hook(command=[str(slow), "2"]))),
        made.apply(sections(hook(command=["/bin/sh", "-c", f"mkdir {running} || : > {twice}; : > {out}"]))),
    )
    await until(out.exists)
    assert not twice.exists()
    assert [each.section.target.arguments[0] for each, _ in made._followers.values()] == ["/bin/sh"]


async def test_an_endless_response_is_not_read(start, change, stored) -> None:
    """The status decides; what follows it costs nothing."""
    ended = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            ended.set()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        await start(hook(url=f"http://{host}:{port}/"))
        await change([1])
        await stored("SELECT seq, last_error FROM hooks", [(1, None)])
        async with asyncio.timeout(PATIENCE_S):
            await ended.wait()


async def test_a_bug_affects_one_hook_alone(start, receiver, change, events, monkeypatch) -> None:
    """It is logged once, with its traceback, and tried again."""
    crashes = iter([True, True])

    async def crash(section, body) -> None:
        if section.name == "a" and next(crashes, False):
            raise RuntimeError("a bug")
        await deliver(section, body)

    monkeypatch.setattr(follower, "deliver", crash)
    await start(hook(url=receiver.url), hook(name="b", url=receiver.url + "/b"))
    await change([1])
    await events.next("hook.recovered", hook="a")
    assert {(await receiver.next())["hook"] for _ in range(2)} == {"a", "b"}
    assert len(events.of("hook.crashed", hook="a")) == 1
    assert [line["error"] for line in events.of("hook.failed")] == ["internal error: RuntimeError"]


@pytest.mark.parametrize("failing", ["keep_hooks", "open_reader"])
async def test_hooks_wait_for_a_database_that_cannot_be_used(
    start, receiver, change, events, stored, path, monkeypatch, failing
) -> None:
    """A reload that comes in such a moment is applied later; the log says it once."""
    call, refusals = getattr(hooks, failing), iter([True] * 3)

    def refuse(*args: Any) -> Any:
        if next(refusals, False):
            raise DatabaseBusy(path, "database is locked")
        return call(*args)

    monkeypatch.setattr(hooks, failing, refuse)
    made = await start(hook(url=receiver.url))
    await made.apply(sections(hook(url=receiver.url + "/new")))
    await events.next("hooks.not_stored")
    await stored("SELECT name FROM hooks", [("a",)])
    await change([1])
    assert (await receiver.next())["changes"][0]["id"] == 1
    assert receiver.requests[-1][0].path == "/hook/new"
    assert len(events.of("hooks.not_stored")) == 1
