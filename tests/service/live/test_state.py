"""What the daemon stores and shows about servers that announce their changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from retrovue_daemon.service.systemd_status import status_line
from retrovue_daemon.store.tables.live import LiveState, read_live, store_live
from tests.service.conftest import table
from tests.service.live.conftest import seen

if TYPE_CHECKING:
    from pathlib import Path


def stored(path: Path) -> LiveState | None:
    with closing(sqlite3.connect(path)) as connection:
        return read_live(connection).get(1)


async def test_a_start_forgets_what_an_earlier_daemon_stored(serve, config, plex, path, events) -> None:
    """Also if the server cannot be reached any more: it is not live since yesterday."""
    service = await serve(config(table(plex, notifications=True)))
    await events.next("server.live")
    await events.count(3, "sync.finished")
    await service.stop()
    with closing(sqlite3.connect(path)) as connection, connection:
        store_live(connection, 1, LiveState(is_live=True, since=1, channel="websocket", is_owner=True))
    await plex.stop()
    await serve(config(table(plex, notifications=True)))
    await events.next("server.unreachable")
    state = stored(path)
    assert state is None or not state.is_live


async def test_a_replaced_worker_is_live_only_once_it_is_connected(serve, config, plex, path, events) -> None:
    """A reload with another address, where no server answers: what the first worker stored no longer holds."""
    service = await serve(config(table(plex, notifications=True)))
    await events.next("server.live")
    with closing(sqlite3.connect(path)) as connection, connection:
        store_live(connection, 1, LiveState(is_live=True, since=1, channel="websocket", is_owner=True))
    await service.supervisor.apply(config({**table(plex, notifications=True), "url": "http://127.0.0.1:1"}))
    await events.next("server.unreachable")
    await service.database.writer.catch_up()
    state = stored(path)
    assert state is not None
    assert (state.is_live, state.reason) == (False, None)


async def test_systemd_shows_which_servers_are_live(serve, config, plex, start_plex, events) -> None:
    """And which are only polled, as long as they can be used; not those whose notifications are off."""
    attic, shed = await start_plex("Musicals", name="Bijou"), await start_plex("Shorts", name="Lyric")
    attic.faults.fail("/:/*", status=404, times=None)
    service = await serve(
        config(table(plex, notifications=True), table(attic, "attic", notifications=True), table(shed, "shed"))
    )
    await seen(events, "server.live")
    refusal = await seen(events, "server.not_live", level="warning")
    assert refusal["hint"].startswith("if a proxy is in front")
    await seen(events, "sync.finished", 5)
    assert status_line(service.supervisor).endswith("; live: home; only polled: attic")
    await service.database.writer.catch_up()
    with closing(sqlite3.connect(service.database.path)) as connection:
        states = read_live(connection)
    assert {server_id: state.hint for server_id, state in states.items()} == {1: None, 2: refusal["hint"], 3: None}
    assert states[3].is_off
