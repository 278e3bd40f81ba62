"""Past outages: how many are kept, and for how long."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.store.tables.outages import KEPT, KEPT_S, Outage, read_outages, store_outage

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = 1_700_000_000


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE daemon_state (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT")
    yield connection
    connection.close()


def _outage(server_id: int, since: int) -> Outage:
    return Outage(server_id, f"server {server_id}", "ServerTimeout", "no data for 30 s \udcff", since, since + 60)


def test_a_server_that_fails_all_day_displaces_no_other(connection: sqlite3.Connection) -> None:
    """Of each server, the newest are kept."""
    store_outage(connection, _outage(1, NOON))
    for number in range(KEPT + 5):
        store_outage(connection, _outage(2, NOON + number * 100))
    stored = read_outages(connection)
    assert [each.since for each in stored if each.server_id == 1] == [NOON]
    assert [each.since for each in stored if each.server_id == 2] == [NOON + n * 100 for n in range(5, KEPT + 5)]


def test_old_ones_are_dropped(connection: sqlite3.Connection) -> None:
    """As the records of passes are."""
    store_outage(connection, _outage(1, NOON))
    store_outage(connection, _outage(1, NOON + KEPT_S - 1))
    assert len(read_outages(connection)) == 2
    store_outage(connection, _outage(1, NOON + KEPT_S))
    assert [each.since for each in read_outages(connection)] == [NOON + KEPT_S - 1, NOON + KEPT_S]


@pytest.mark.parametrize("text", ["", "7", "[7]", '{"server": 1}', "[" * 100_000])
def test_what_another_program_wrote_is_no_outage(connection: sqlite3.Connection, text: str) -> None:
    """It is replaced by the next one."""
    connection.execute("INSERT INTO daemon_state VALUES ('outages', ?)", (text,))
    assert read_outages(connection) == []
    store_outage(connection, _outage(1, NOON))
    assert len(read_outages(connection)) == 1
