"""``retrovue-daemon publish`` shows how PostgreSQL follows, and requests that all of it is copied again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from retrovue_daemon.store.tables.publishing import PublishReport, requested_resync, store_report

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "pa55word"


@pytest.fixture
def config(tmp_path: Path, database: Path) -> Path:
    path = tmp_path / "config.toml"
    url = f"postgresql://plex:{PASSWORD}@/media?host={tmp_path}"
    path.write_text(f'[database]\npath = "{database}"\n[postgresql]\nurl = "{url}"\norigin = "berlin"\n')
    path.chmod(0o600)
    return path


def report(database: Path, **fields: Any) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        ((last,),) = connection.execute("SELECT last_seq FROM feed_state")
        store_report(connection, PublishReport("plex", "berlin", last, 1_800_000_000, **fields))


def test_without_a_database_to_publish_to(run, database) -> None:
    """It says where to begin."""
    assert "docs/postgresql.md" in run("publish", "status", "--database", database).out
    assert json.loads(run("publish", "status", "--database", database, "--json").out) == {"postgresql": None}
    done = run("publish", "check", "--database", database)
    assert (done.code, "set [postgresql] url" in done.err) == (78, True)


def test_status_shows_how_far_behind_it_is(run, config, database) -> None:
    """In changes and seconds; `status` has the same."""
    assert "nothing was published yet" in run("publish", "status", "--config", config).out
    report(database)
    assert run("publish", "status", "--config", config).out == "postgres  plex: up to date\n"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO change_batches (at, kind, op, ids) VALUES (1, 'movie', 'updated', '[1,2]')")
    found = json.loads(run("publish", "status", "--config", config, "--json").out)["postgresql"]
    assert (found["changes_behind"], found["origin"], found["error"]) == (2, "berlin", None)
    assert found["seconds_behind"] > 1_700_000_000
    shown = run("status", "--config", config)
    assert "postgres  plex: 2 changes behind, the oldest " in shown.out
    assert json.loads(run("status", "--config", config, "--json").out)["postgresql"] == pytest.approx(found, abs=5)


def test_status_shows_how_many_rows_were_copied(run, config, database) -> None:
    """While all of them are copied, also again."""
    report(database, copied=1_200, to_copy=45_000)
    assert "all rows are being copied: 1,200 of 45,000" in run("status", "--config", config).out
    found = json.loads(run("publish", "status", "--config", config, "--json").out)["postgresql"]
    assert (found["copied"], found["to_copy"]) == (1_200, 45_000)


def test_status_shows_why_it_fails(run, config, database) -> None:
    """It is no problem of the mirror."""
    report(database, error="PostgreSQL: no route", hint="look there", since=1_800_000_000)
    lines = run("status", "--config", config).out.splitlines()
    assert any("PostgreSQL: no route; up to date" in line for line in lines)
    assert "          hint: look there" in lines


def test_an_unreachable_server_is_reported_without_the_password(run, config) -> None:
    """What libpq says, in one line."""
    done = run("publish", "check", "--config", config)
    assert done.code == 1
    assert "error: PostgreSQL: " in done.err
    assert "No such file or directory" in done.err
    assert PASSWORD not in done.out + done.err


def test_a_resync_is_requested_from_the_daemon(run, config, database) -> None:
    """With --dry-run, it is not."""
    done = run("publish", "resync", "--config", config, "--dry-run")
    assert "under the origin 'berlin' in 'plex' would be replaced" in done.out
    with closing(sqlite3.connect(database)) as connection:
        assert requested_resync(connection) is None
        done = run("publish", "resync", "--config", config, "--take-over", "--json")
        assert json.loads(done.out) == {"requested": True, "schema": "plex", "origin": "berlin", "take_over": True}
        request = requested_resync(connection)
        assert request is not None
        assert request.take_over
    report(database)
    assert "all rows are about to be copied again" in run("publish", "status", "--config", config).out
