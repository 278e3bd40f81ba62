"""What ``status`` and ``servers list`` say about servers that announce their changes."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing

import msgspec
import pytest

from retrovue_daemon.store.file.lock import database_lock
from retrovue_daemon.store.tables.live import LiveState, store_live

REFUSED = "server 'home' sends no notifications: HTTP 404 for the websocket; HTTP 404 for the event stream"
HINT = "if a proxy is in front of the server, let it pass upgrades to websockets (docs/live.md)"


@pytest.fixture
def daemon(database):
    """Hold the database as a running daemon does."""
    with database_lock(database) as lock:
        lock.serve()
        yield


@pytest.fixture
def store(database):
    def store(state: LiveState, server_id: int = 1) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            store_live(connection, server_id, state)

    return store


def live(*, is_owner: bool | None = True, channel: str = "websocket") -> LiveState:
    now = int(time.time())
    return LiveState(
        is_live=True, since=now - 7380, channel=channel, is_owner=is_owner, last_frame_at=now - 300, delay_ms=2345
    )


def polling() -> LiveState:
    return LiveState(is_live=False, since=int(time.time()) - 7380, reason=REFUSED, hint=HINT)


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("width", [60, 80, 100, 160])
@pytest.mark.parametrize("command", [("status",), ("servers", "list")])
def test_a_live_server_is_shown_with_its_channel_and_delay(on, store, monkeypatch, width, command) -> None:
    """Since when, when it last sent something, and how long the latest change took; at any width."""
    store(live())
    monkeypatch.setenv("COLUMNS", str(width))
    told = on(*command).out
    words = " ".join(told.split())
    facts = ("websocket since 2 h 3 min", "last notification 5 min ago", "latest change after 2.3 s")
    for word in " ".join(facts).split():
        assert word in words
    assert "owner" not in words
    assert command != ("status",) or "(live)" in words


@pytest.mark.usefixtures("daemon")
def test_a_server_that_is_only_polled_says_why(on, store) -> None:
    """With what to do."""
    store(polling())
    for command in (("status",), ("servers", "list")):
        told = " ".join(on(*command).out.split())
        assert "polling" in told
        assert command != ("status",) or REFUSED in told
        assert "pass upgrades to websockets" in told
    assert "home (polling)" in on("status").out
    for command in (("status",), ("servers", "list")):
        (server,) = json.loads(on(*command, "--json").out)["servers"]
        assert (server["live"]["is_live"], server["live"]["reason"], server["live"]["hint"]) == (False, REFUSED, HINT)
    assert json.loads(on("health", "--json").out)["healthy"] is True


@pytest.mark.usefixtures("daemon")
def test_programs_get_every_fact(on, store) -> None:
    """In one object per server."""
    state = live()
    store(state)
    (server,) = json.loads(on("status", "--json").out)["servers"]
    assert server["live"] == {
        "is_live": True, "is_off": False, "channel": "websocket", "since": state.since, "reason": None, "hint": None,
        "is_owner": True, "is_silent": False, "last_notification_at": state.last_frame_at, "latest_delay_s": 2.345,
    }  # fmt: skip


def test_without_a_daemon_nothing_is_live(on, store) -> None:
    """What a daemon stored before it stopped no longer holds."""
    store(live())
    for command in (("status",), ("servers", "list")):
        assert "websocket" not in on(*command).out
        (server,) = json.loads(on(*command, "--json").out)["servers"]
        assert server["live"] is None
    assert "(live)" not in on("status").out


@pytest.mark.usefixtures("daemon")
def test_nothing_is_said_about_a_server_that_is_off_or_fails(on, store, rows) -> None:
    """The other lines say that it is not polled at all, or why."""
    store(polling())
    rows("UPDATE plex_servers SET last_error = 'cannot be reached', last_error_type = 'X'")
    assert REFUSED not in on("status").out
    assert "home (failing)" in on("status").out
    assert "polling" not in on("servers", "list").out
    store(LiveState(is_live=False, since=1))
    assert "connecting" not in on("servers", "list").out
    store(polling())
    rows("UPDATE plex_servers SET last_error = NULL, is_active = 0")
    assert REFUSED not in on("status").out
    assert "polling" not in on("servers", "list").out
    (server,) = json.loads(on("status", "--json").out)["servers"]
    assert server["live"] is None


@pytest.mark.usefixtures("daemon")
def test_a_configuration_without_notifications_is_not_a_problem(on, store) -> None:
    """Nor is a connection that is still being made."""
    store(LiveState(is_live=False, since=1, reason="notifications are off", is_off=True))
    assert "notifications" not in on("status").out
    assert "home " in on("status").out
    assert "off" in on("servers", "list").out
    store(LiveState(is_live=False, since=1))
    assert "polling" not in on("status").out
    assert "connecting" in on("servers", "list").out


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(("is_owner", "minutes"), [(True, 30), (False, 5)])
def test_the_next_look_is_that_of_the_interval_in_force(run, store, config_file, is_owner, minutes) -> None:
    """A live server is polled rarely, if the token is its owner's."""
    store(live(is_owner=is_owner))
    (server,) = json.loads(run("status", "--json", "--config", config_file()).out)["servers"]
    last = max(library["last_sync_at"] for library in server["libraries"])
    assert server["next_look_at"] == last + minutes * 60


@pytest.mark.usefixtures("daemon")
def test_a_shared_token_is_shown(on, store) -> None:
    """Because the interval stays as it is."""
    store(live(channel="event stream", is_owner=False))
    for command in (("status",), ("servers", "list")):
        told = " ".join(on(*command).out.split())
        assert "event stream since 2 h 3 min" in told
        assert "the token is not the owner's" in told


@pytest.mark.usefixtures("daemon")
def test_a_server_that_announces_nothing_is_shown(on, store) -> None:
    """Although it is live: the interval stays as it is."""
    store(msgspec.structs.replace(live(), is_silent=True))
    for command in (("status",), ("servers", "list")):
        assert "polls find what the server does not announce" in " ".join(on(*command).out.split())


@pytest.mark.usefixtures("daemon")
def test_a_token_of_which_the_server_says_nothing_is_shown(on, store) -> None:
    store(live(is_owner=None))
    assert "does not say whether the token is the owner's" in " ".join(on("status").out.split())


@pytest.mark.usefixtures("daemon")
def test_many_servers_take_two_lines(on, store, rows) -> None:
    """The table below them names each."""
    for number in range(2, 9):
        rows(
            "INSERT INTO plex_servers (id, name, server_url, is_active) VALUES (?1, 's' || ?1, 'http://s' || ?1, 1)",
            number,
        )
        store(live() if number % 2 else polling(), number)
    lines = on("status").out.splitlines()
    assert "live      3 of 7 servers" in lines
    assert "polling   s2, s4, s6, s8" in lines
    assert "hint" not in "".join(lines)


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("text", ["{", "[]", '{"1": 1}', '{"1": {"is_live": "x"}}', "[" * 100_000])
def test_a_text_of_another_program_is_ignored(on, rows, text) -> None:
    """As if nothing were known."""
    rows("INSERT OR REPLACE INTO daemon_state (key, value) VALUES ('live', ?)", text)
    assert on("status").code == 0
    assert json.loads(on("servers", "list", "--json").out)["servers"][0]["live"] is None
