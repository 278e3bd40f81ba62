"""What a dry run prints: memory does not grow with the number of changes, and the JSON is that of one object."""

from __future__ import annotations

import sqlite3
import tracemalloc
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

import pytest

from retrovue_daemon.cli.display.output import print_json, print_json_parts
from retrovue_daemon.cli.display.reports import print_dry_run
from retrovue_daemon.service.dry_run import DryRun
from retrovue_daemon.store.file.preparation import prepare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILMS: Final = 10_000
MOST_BYTES: Final = 600_000
"""A tenth of what so many changes take as objects."""

NOTHING_RUN: Final[dict[str, Any]] = {"exit_code": 0, "servers": []}


@pytest.fixture
def first_sync(tmp_path: Path) -> Callable[[], DryRun]:
    """Make a dry run whose sync added many films to an empty database."""
    before, after = tmp_path / "before.db", tmp_path / "after.db"
    prepare(before)
    prepare(after)
    with closing(sqlite3.connect(after)) as connection, connection:
        connection.execute("INSERT INTO plex_servers (id, name, server_url) VALUES (1, 'home', 'http://127.0.0.1')")
        connection.execute(
            "INSERT INTO libraries (id, server_id, library_key, library_name, library_type)"
            " VALUES (1, 1, '1', 'Movies', 'movie')"
        )
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO movies (server_id, library_id, rating_key, title, created_at, synced_at)"
            " SELECT 1, 1, i, 'Film ' || i, 1, 1 FROM n",
            (FILMS,),
        )
    return lambda: DryRun(before, after, (), ExitStack())


@pytest.mark.parametrize(("as_json", "named"), [(True, FILMS), (False, 20)])
def test_memory_does_not_grow_with_the_number_of_changes(
    first_sync: Callable[[], DryRun], capfd: pytest.CaptureFixture[str], *, as_json: bool, named: int
) -> None:
    """Every change is written as it is read; the table names the first ones and counts the rest."""
    with first_sync() as result:
        print_dry_run(result, NOTHING_RUN, as_json=as_json)  # what it imports is not counted
        capfd.readouterr()
        tracemalloc.start()
        try:
            print_dry_run(result, NOTHING_RUN, as_json=as_json)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    out = capfd.readouterr().out
    assert out.count("Film ") == named
    assert as_json or f"{FILMS - named:,} more" in out
    assert peak < MOST_BYTES


def test_json_that_is_printed_in_parts_is_that_of_one_object(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """To the byte: with nothing in it, with text that steers, with bytes that are no text."""
    items = [{"title": "Été\u2028\x9b", "ids": [1, 2]}, {"title": "\udcff"}, {"title": "a\nb", "none": []}, 4]
    print_json({"dry_run": True, "servers": [{"name": "home"}], "changes": items, "held_back": [], "paths": {"n": 1}})
    whole = capfdbinary.readouterr().out
    print_json_parts(
        {
            "dry_run": True,
            "servers": [{"name": "home"}],
            "changes": iter(items),
            "held_back": iter(()),
            "paths": {"n": 1},
        }
    )
    assert capfdbinary.readouterr().out == whole
