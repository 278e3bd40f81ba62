"""Whatever happens to a server: after every round, PostgreSQL has the rows of the mirror, by the feed alone."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from retrovue_daemon.publish.postgresql import following
from retrovue_daemon.publish.postgresql.following import follow
from retrovue_daemon.publish.postgresql.target import connected, take_origin, upgrade
from tests.properties import rounds
from tests.properties.test_machine import Machine, general_constants_only  # noqa: F401 -- a fixture
from tests.support.postgresql import PostgresServer, differences

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = os.environ.get("RETROVUE_PUBLISHED_SEEDS", "5")
"""Numbers, separated by commas: more of them, and more and longer examples, are tried by hand."""

EXAMPLES = int(os.environ.get("RETROVUE_PUBLISHED_EXAMPLES", "2"))
STEPS = int(os.environ.get("RETROVUE_PUBLISHED_STEPS", "8"))


class Follower:
    """Stands in for the reader of the change feed: follows with PostgreSQL, and compares."""

    def __init__(self, path: Path, server: PostgresServer, schema: str) -> None:
        self._path = path
        self._server = server
        self._target = server.target(schema)
        with closing(server.connect(schema)) as connection:
            connection.execute(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE')
        self._is_made = False

    def follow(self) -> list[str]:
        """Return how the rows differ afterwards, and whether all were copied although the feed had every change."""
        found = []
        with (
            connected(self._target) as connection,
            closing(sqlite3.connect(self._path, isolation_level=None)) as mirror,
        ):
            if not self._is_made:
                upgrade(connection, self._target)
                self._is_made = True
            state = take_origin(connection, self._target, "mirror")
            while True:
                step = follow(connection, mirror, "here", "mirror", state, lambda _: None)
                if step.filled and state is not None and state.feed_id == step.state.feed_id:
                    found.append("filled again")
                state = step.state
                if step.is_current:
                    break
        return [*found, *differences(self._server, self._path, self._target.schema)]


@pytest.fixture
def _following(server: PostgresServer, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "FeedReader", lambda path: Follower(path, server, schema))


@pytest.mark.time_limit(1_800 if EXAMPLES > 2 else 60)
@pytest.mark.parametrize("number", [int(each) for each in SEEDS.split(",")])
@pytest.mark.usefixtures("general_constants_only", "_following")
def test_the_rows_are_those_of_the_mirror_after_every_round(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries make a transaction: all of a round, or one, for an odd seed."""
    if number % 2:
        monkeypatch.setattr(following, "ENTRIES_AT_ONCE", 1)
    run_state_machine_as_test(
        seed(number)(type("Machine", (Machine,), {})),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            phases=(Phase.generate,),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
