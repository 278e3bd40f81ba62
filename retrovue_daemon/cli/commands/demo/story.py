"""The story of ``retrovue-daemon demo``: two servers, changes on one, and a missing disk on the other."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from retrovue_daemon.cli.display.output import print_json, print_table
from retrovue_daemon.cli.display.reports import print_counts
from retrovue_daemon.cli.display.table import Table

if TYPE_CHECKING:
    from retrovue_daemon.cli.commands.demo.live import Arrival
    from retrovue_daemon.config import Config
    from retrovue_daemon.demo import SimulatedPlex
    from retrovue_daemon.store.items.differences import Difference

ATTIC_FILMS = "SELECT count(*) FROM active_movies WHERE server_name = 'attic'"

QUERIES = {
    "Which films fit a slot of 60 to 80 minutes?": """\
SELECT title, year, duration / 60000 AS minutes, file_path
FROM preferred_movies
WHERE duration BETWEEN 60 * 60000 AND 80 * 60000
ORDER BY duration LIMIT 4""",
    "Which shows have the most episodes, and how long do they run in total?": """\
SELECT show_title, count(*) AS episodes, sum(duration) / 60000 AS minutes
FROM active_episodes GROUP BY show_id ORDER BY episodes DESC, show_title LIMIT 4""",
    "Which files contain more than one episode, so that these must air together?": """\
SELECT file_path, group_concat(episode_number, ' + ') AS episodes
FROM active_episodes GROUP BY server_id, plex_path HAVING count(*) > 1 LIMIT 4""",
}
"""Questions of a program that builds channels, as SQL."""

LATENCY_S = 0.1
"""Seconds by which a simulated server delays each response, so that the bars are visible."""

PAUSE_S = 5.0
"""Seconds between two acts."""

WIDEST = 100


@dataclass(frozen=True, slots=True)
class StoryResult:
    """The result of each act, as ``--json`` prints it."""

    first: dict[str, Any]
    second: dict[str, Any]
    changes: tuple[Difference, ...]
    live: tuple[Arrival, ...]
    guarded: dict[str, Any]

    @property
    def went_well(self) -> bool:
        """Whether each act ended as expected: two good syncs, changes that arrived, and one that removed nothing."""
        guarded = [done for server in self.guarded["servers"] for done in server["libraries"]]
        return (
            self.first["exit_code"] == self.second["exit_code"] == 0
            and bool(self.live)
            and all(arrival.delay_s is not None for arrival in self.live)
            and any(done["status"] == "blocked" for done in guarded)
            and not any(done["removed"] for done in guarded)
        )


class Story:
    """Plays the story on two simulated servers; ``fast`` skips pauses and delays."""

    def __init__(
        self, home: SimulatedPlex, attic: SimulatedPlex, database: Path, *, fast: bool, bars: bool, as_json: bool
    ) -> None:
        self.home = home
        self.attic = attic
        self._database = database
        self._fast = fast
        self._bars = bars
        self._quiet = as_json

    async def play(self) -> StoryResult:
        """Play all acts."""
        for server in (self.home, self.attic):
            server.quirks.latency = 0 if self._fast else (server.quirks.latency or LATENCY_S)
        await self._print_act(
            "1. Two Plex servers and an empty database",
            f"'home' has {_sizes(self.home)}; 'attic' has {_sizes(self.attic)}. The first sync lists everything.",
        )
        first = await self._sync()
        self._print_counts(first)
        await self._print_act(
            "2. Five changes on 'home'",
            "One film is edited. The file of another is replaced, but that film's updatedAt stays the same. A third"
            " film is deleted, and a fourth moves to another library, where it gets a new rating key. A show gets a"
            " new episode.",
        )
        self._change()
        with tempfile.TemporaryDirectory(prefix="retrovue-demo-") as name:
            second, changes = await self._sync_and_compare(Path(name) / "before.db")
        self._print_changes(second, changes)
        await self._print_act(
            "3. Changes that arrive by themselves",
            "Now the daemon runs, and 'home' sends it notifications over a websocket. In Plex, a film is edited, a"
            " show gets a new episode, and another film is deleted. Once the server has been quiet about an item for"
            " two seconds, the daemon requests it; a library is synced as soon as the server has scanned it.",
        )
        live = await self._watch()
        had = self._count(ATTIC_FILMS)
        await self._print_act(
            "4. The disk of 'attic' is not mounted",
            "The server reports an empty film library, exactly as if all films had been deleted.",
        )
        self.attic.quirks.empty_libraries = {"1"}
        guarded = await self._sync(server="attic", full=True)
        self._print_counts(guarded)
        if not self._quiet:
            self._print_kept(had, self._count(ATTIC_FILMS))
            print("\n== 5. Query the database")
            print_queries(self._database)
        return StoryResult(first, second, changes, live, guarded)

    def _change(self) -> None:
        """Make the changes of the second act."""
        changes, world = self.home.changes, self.home.world
        edited, replaced, deleted, moved = list(world.movies("1"))[3:7]
        show = next(world.shows("3"))
        changes.edit(edited.id, title=f"{edited.title}: A Symphony of Horror")
        changes.replace_file(replaced.id, size=9_876_543_210, duration=(replaced.duration or 0) + 60_000)
        changes.delete(deleted.id)
        changes.move(moved.id, "2")
        season = world.seasons_of(show.id)[-1]
        changes.add_episode(
            show.id, season.index, world.count_children(season.id) + 1, "The Night of the New Episode"
        )

    async def _sync(self, *, server: str | None = None, full: bool = False) -> dict[str, Any]:
        """Sync with the same code as ``retrovue-daemon sync``, with progress bars on a terminal."""
        from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

        from retrovue_daemon.cli.display.bars import AboveBars, with_bars  # noqa: PLC0415 -- likewise
        from retrovue_daemon.logs.setup import configure_logging  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.report import exit_code, summary  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.selection import Selection  # noqa: PLC0415 -- imports aiohttp
        from retrovue_daemon.sync.progress import ProgressBoard  # noqa: PLC0415 -- likewise

        console, board = Console(stderr=True), ProgressBoard()
        # The tables replace the log lines.
        redactor = configure_logging(level="critical", stream=AboveBars(console).as_stream())
        options = SyncOptions(server=server, selection=Selection(full=full))
        work = sync_once(self._settings(), options, board, redactor)
        reports = await (with_bars(work, board, console) if self._bars and console.is_terminal else work)
        return summary(reports, exit_code(reports))

    async def _watch(self) -> tuple[Arrival, ...]:
        from retrovue_daemon.cli.commands.demo.live import watch_changes_arrive  # noqa: PLC0415 -- not for --help

        arrivals = await watch_changes_arrive(self.home, self._database, self._settings(), self._print_arrival)
        if not arrivals and not self._quiet:
            print("no notification arrived: please report this")
        return arrivals

    async def _sync_and_compare(self, before: Path) -> tuple[dict[str, Any], tuple[Difference, ...]]:
        import asyncio  # noqa: PLC0415 -- not for --help

        from retrovue_daemon.store.items.differences import backup, differences  # noqa: PLC0415 -- only the demo needs it here

        await asyncio.to_thread(backup, self._database, before)
        done = await self._sync()
        return done, tuple(await asyncio.to_thread(lambda: list(differences(before, self._database))))

    def _settings(self) -> Config:
        from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- not for --help

        return parse_config(self.tables())

    def tables(self) -> dict[str, Any]:
        """Return the configuration of the daemon."""
        servers = [
            {
                "name": name,
                "url": plex.url,
                "token": plex.token,
                "path_mappings": [{"plex_path": plex_path, "local_path": local_path}],
            }
            for name, plex, plex_path, local_path in (
                ("home", self.home, "/srv/media", "/mnt/nas"),
                ("attic", self.attic, "/data", "/mnt/attic"),
            )
        ]
        return {
            "database": {"path": str(self._database)},
            "sync": {"page_size": 500 if self._fast else 50},
            "servers": servers,
        }

    def _count(self, query: str) -> int:
        with closing(sqlite3.connect(self._database)) as connection:
            return int(connection.execute(query).fetchone()[0])

    # -- output -----------------------------------------------------------------------------------------------------

    async def _print_act(self, title: str, text: str) -> None:
        if self._quiet:
            return
        if not self._fast and sys.stdout.isatty():
            import asyncio  # noqa: PLC0415 -- not for --help

            # Give the reader time before the next act.
            await asyncio.sleep(PAUSE_S)
        print(f"\n== {title}\n\n{_filled(text)}", flush=True)

    def _print_counts(self, results: dict[str, Any]) -> None:
        if not self._quiet:
            print_counts(results)

    def _print_changes(self, results: dict[str, Any], changes: tuple[Difference, ...]) -> None:
        """Print a table of all changed items, and the number of unchanged ones."""
        if self._quiet:
            return
        table = Table("change", "server", "library", "item")
        for change in changes:
            table.add_row(change.change, change.server, change.library, f"{change.title} ({change.kind.value})")
        listed = sum(done["unchanged"] for server in results["servers"] for done in server["libraries"])
        total = self._count(
            "SELECT (SELECT count(*) FROM movies) + (SELECT count(*) FROM shows) + (SELECT count(*) FROM seasons)"
            " + (SELECT count(*) FROM episodes)"
        )
        touched = len({(change.kind, change.id) for change in changes})
        table.add_row(
            "unchanged", "both", "", f"{total - touched:,} items; the servers listed only {listed:,} of them"
        )
        print_table(table)
        print(
            _filled(
                "The sync noticed the replaced file because the deletion caused a full listing of that library. A"
                " replaced file alone is noticed by the next scheduled full listing ([sync] full_interval)."
            )
        )

    def _print_arrival(self, arrival: Arrival) -> None:
        if self._quiet:
            return
        after = "not in time" if arrival.delay_s is None else f"after {arrival.delay_s:.1f} s"
        print(f"  {after}   {arrival.change:<10}{arrival.title} ({arrival.kind.value})", flush=True)

    def _print_kept(self, had: int, has: int) -> None:
        if has == had:
            print(
                _filled(
                    f"Nothing was removed: the database still has all {has:,} films of 'attic'. Once the disk is"
                    " mounted again, syncs continue as usual. If the films had really been deleted, you would confirm"
                    " that with `retrovue-daemon sync --accept-removals`."
                )
            )
        else:
            print(f"{had - has:,} of {had:,} films of 'attic' were removed: the guard failed, please report this")


def print_queries(database: Path) -> None:
    """Run the example queries on a database, and print them with their results."""
    for question, query in QUERIES.items():
        with closing(sqlite3.connect(database)) as connection:
            cursor = connection.execute(query)
            answer = Table(*(column for column, *_ in cursor.description))
            for row in cursor:
                answer.add_row(*("" if value is None else str(value) for value in row))
        print(f"\n{question}\n\n  " + query.replace("\n", "\n  ") + "\n")
        print_table(answer)


def print_result(result: StoryResult, database: Path) -> None:
    """Print the results as one JSON object."""
    print_json(
        {
            "exit_code": 0 if result.went_well else 1,
            "database": str(database),
            "first": result.first,
            "second": result.second,
            "changes": result.changes,
            "live": result.live,
            "guarded": result.guarded,
        }
    )


def _filled(text: str) -> str:
    return fill(text, min(WIDEST, shutil.get_terminal_size().columns))


def _sizes(plex: SimulatedPlex) -> str:
    world = plex.world
    counts = {
        "films": sum(1 for _ in world.movies()),
        "shows": sum(1 for _ in world.shows()),
        "episodes": sum(1 for _ in world.episodes()),
    }
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
