"""The benchmark compares like with like, and still runs."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, closing
from sqlite3 import connect
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import report
from benchmarks.budgets import judge
from benchmarks.cases import DAEMON, FLOOR, PLEXAPI, Case, Program
from benchmarks.database import OF_DETAILS, TABLES, counts
from benchmarks.feed import measure_feed
from benchmarks.figures import Figures, all_figures, find
from benchmarks.hooks import measure_hooks
from benchmarks.live import measure_live, share_of
from benchmarks.postgresql import measure_postgresql
from benchmarks.postgresql_server import programs
from benchmarks.rounds import run_case
from benchmarks.server import worlds
from retrovue_daemon.demo import SimulatedPlex
from retrovue_daemon.service.daemon import SyncOptions
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.file.preparation import prepare
from tests.support.details import stored_details

if TYPE_CHECKING:
    from pathlib import Path

OF_THE_DAEMON = {
    "digest",
    "streams_digest",
    "details_stamp",
    "details_read_stamp",
    "details_read_at",
    "details_again_at",
    "details_again",
    "created_at",
    "synced_at",
    "first_moment",
    "last_moment",
}
"""Columns that Plex says nothing of: when the daemon did something, and what it remembers for the next time."""


async def _run(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    assert await process.wait() == 0


def _rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(connect(path)) as connection:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        columns = ", ".join(name for name in names if name not in OF_THE_DAEMON)
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3").fetchall()


async def test_the_floor_inserts_the_rows_of_the_daemon(tmp_path, path, config, sync) -> None:
    """Every value that comes from Plex, and the ids: two servers, two libraries each, several pages.

    Also the collections with their members, and the labels of shows and episodes.
    """
    async with AsyncExitStack() as opened:
        plexes = [
            await opened.enter_async_context(SimulatedPlex(world))
            for world in worlds(servers=2, libraries=2, shows=30, episodes=80, season=22)
        ]
        plexes[0].rich.add_label(next(plexes[0].world.episodes()).id, "Pilot")
        floor = tmp_path / "floor.db"
        prepare(floor)
        addresses = [word for plex in plexes for word in (plex.url, plex.token)]
        await _run("-m", "benchmarks.floor", str(floor), *addresses)
        settings = config(*plexes, sync={"concurrency": 1})
        # One library after the other, as the floor does it, so that ids come in the same order.
        for number, plex in enumerate(plexes):
            server = f"server{number}" if number else "home"
            for library in plex.world.libraries.values():
                await sync(settings, options=SyncOptions(server=server, selection=Selection(library=library.title)))

    for table in TABLES:
        rows = _rows(floor, table)
        assert rows, table
        assert _rows(path, table) == rows, table


async def test_the_floor_reads_the_details_that_the_daemon_reads(tmp_path, path, config, sync) -> None:
    """All tags, credits, chapters and markers, of several requests."""
    (world,) = worlds(servers=1, libraries=1, shows=4, episodes=60, season=13)
    floor = tmp_path / "floor.db"
    prepare(floor)
    async with SimulatedPlex(world) as plex:
        await _run("-m", "benchmarks.floor", "--details", str(floor), plex.url, plex.token)
        await sync(config(plex, server={"details": True}))
    expected = stored_details(path)
    assert {kind for lists in expected.values() for kind in lists} >= {"genre", "actor", "chapters", "markers"}
    assert stored_details(floor) == expected
    assert counts(floor, OF_DETAILS) == counts(path, OF_DETAILS)
    for table in ("shows", "episodes"):
        # Not when, and whether once more: the floor reads each item once.
        assert _rows(floor, table) == _rows(path, table)


@pytest.mark.time_limit(300)  # it starts a dozen processes
def test_every_program_of_a_case_runs_and_brings_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small case from end to end, and the tables that are made of it: nothing is cut off where there is no room."""
    monkeypatch.setenv("COLUMNS", "80")
    case = Case("20k", "400 episodes", 400, (FLOOR, DAEMON, PLEXAPI), a_show=40, watched=True)
    outcome = run_case(case, 1, lambda _line: None)
    figures = all_figures([outcome])
    assert {each.program for each in figures} == {*FLOOR, *DAEMON, *PLEXAPI}

    def of(program: Program) -> tuple[Figures, dict[str, Any]]:
        found = find(figures, "20k", program)
        assert found is not None
        assert found.watched is not None
        return found, found.watched

    first, seen_first = of("first")
    unchanged, seen_unchanged = of("unchanged")
    # Two of the server, three of the library, a list of 15 collections with their members, and two labels, of which
    # the first sync does not know whether there are any.
    assert first.requests == unchanged.requests + 1 == 2 + 3 + 1 + 15 + 4 + 1
    assert first.of_floor is not None
    assert first.of_plexapi is not None
    rows = [each["rows"] for each in (seen_unchanged, of("changed")[1], seen_first)]
    # Of 400 episodes one per cent: their rows, their files, their guids.
    assert 0 < rows[0] <= 3 < 4 * 2 < rows[1] < 100 < 400 * 6 < rows[2]
    # What is there is written over, and its guids are replaced by others; streams are left alone.
    assert of("rewritten")[1]["rows"] > 0.9 * rows[2]
    assert unchanged.of_first is not None
    assert seen_first["wal_bytes"] > 100_000 > seen_unchanged["wal_bytes"] > 0
    assert 0 < seen_first["own_ms"] <= seen_first["late_ms"]
    for table in (report.measured_table(figures), report.budget_table(judge(figures, 0.1))):
        assert {len(line) for line in table.lines} == {len(table.heads)}
        assert report.as_markdown(table).count("\n") == 1 + len(table.lines)
        report.show(table)
        shown = [line.split() for line in capsys.readouterr().out.splitlines()]
        for line in table.lines:
            assert " ".join(line).split() in shown


@pytest.mark.time_limit(120)  # it starts seven processes
def test_the_delay_of_changes_is_measured() -> None:
    """An edit, a new episode and a deletion, at rest and during full passes; then a flood."""
    said: list[str] = []
    live = measure_live(said.append, episodes=400, a_show=40, changes=3, frames=100)
    assert (len(live.rest_s), len(live.busy_s), len(said)) == (3, 3, 3)
    assert min(*live.rest_s, *live.busy_s) > 0
    assert live.passes >= 1
    assert live.flood_cpu_s > 0
    assert live.changes.peak_mib > 20
    assert live.flood.peak_mib > 20
    for table in (report.live_table(live), report.flood_table(live), report.budget_table(judge([], None, live))):
        assert {len(line) for line in table.lines} == {len(table.heads)}
    assert [budget.promised for budget in judge([], None, live)] == ["≤ 3 s", "≤ 5 s", "≤ 50 ms"]


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
def test_publishing_to_postgresql_is_measured() -> None:
    """The first fill, a bare copy of as many rows, and the delay of a change."""
    said: list[str] = []
    publishing = measure_postgresql(said.append, episodes=80, a_show=40, rounds=1, changes=1)
    assert publishing is not None
    assert (len(publishing.fill_s), len(publishing.bare_s), len(publishing.rest_s), len(said)) == (1, 1, 1, 2)
    assert publishing.rows > 80
    budgets = judge([], None, None, None, publishing)
    for table in (report.publishing_table(publishing), report.budget_table(budgets)):
        assert {len(line) for line in table.lines} == {len(table.heads)}
    assert [budget.promised for budget in budgets] == ["≥ 0.4", "≤ 1 s"]


def test_the_delay_of_hooks_is_measured() -> None:
    """From commits of another program to requests, and for many changes at once."""
    said: list[str] = []
    hooks = measure_hooks(said.append, changes=2, pause_s=0, backlog=3_000)
    assert (len(hooks.rest_s), len(said)) == (2, 1)
    assert min(*hooks.rest_s, hooks.backlog_s) > 0
    for table in (report.hook_table(hooks), report.budget_table(judge([], None, None, hooks))):
        assert {len(line) for line in table.lines} == {len(table.heads)}
    assert [budget.promised for budget in judge([], None, None, hooks)] == ["≤ 1 s"]


def test_the_share_of_the_feed_is_measured() -> None:
    """The same transactions with its entries and without them, beside a first sync."""
    said: list[str] = []
    feed = measure_feed(said.append, episodes=200, rounds=1)
    assert (feed.episodes, feed.entries > 3, len(said)) == (200, True, 1)
    assert 0 < feed.without_s < feed.sync_s
    assert feed.share == (feed.with_s - feed.without_s) / feed.sync_s
    table = report.budget_table(judge([], None, None, None, None, feed))
    assert {len(line) for line in table.lines} == {len(table.heads)}
    assert [budget.promised for budget in judge([], None, None, None, None, feed)] == ["≤ 3%"]


def test_shares_of_delays() -> None:
    """The median, the 95th and the worst of a hundred; also of a few."""
    delays = [float(number) for number in range(100, 0, -1)]
    assert [share_of(delays, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert [share_of([3.0, 1.0, 2.0], share) for share in (0.0, 0.5, 0.95, 1.0)] == [1.0, 2.0, 3.0, 3.0]
