"""The story that ``retrovue-daemon demo`` tells: two servers, an evening's changes, and a missing disk."""

from __future__ import annotations

import asyncio
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
    from retrovue_daemon.config import Config
    from retrovue_daemon.demo import SimulatedPlex
    from retrovue_daemon.store.items.differences import Difference

ATTIC_FILMS = "SELECT count(*) FROM active_movies WHERE server_name = 'attic'"

QUESTIONS = {
    "What could fill a slot of 60 to 80 minutes?": """\
SELECT title, year, duration / 60000 AS minutes, file_path
FROM preferred_movies
WHERE duration BETWEEN 60 * 60000 AND 80 * 60000
ORDER BY duration LIMIT 4""",
    "Which shows have the most to air, and how long would they run?": """\
SELECT show_title, count(*) AS episodes, sum(duration) / 60000 AS minutes
FROM active_episodes GROUP BY show_id ORDER BY episodes DESC, show_title LIMIT 4""",
    "Which files hold more than one episode, so that they must air as one?": """\
SELECT file_path, group_concat(episode_number, ' + ') AS episodes
FROM active_episodes GROUP BY server_id, plex_path HAVING count(*) > 1 LIMIT 4""",
}
"""What a channel builder would ask, as SQL."""

LATENCY_S = 0.3
"""Seconds that a simulated server takes to answer, so that the bars can be watched."""

PAUSE_S = 5.0
"""Seconds between two acts."""

WIDEST = 100


@dataclass(frozen=True, slots=True)
class Told:
    """What the story brought, act by act, as ``--json`` prints it."""

    first: dict[str, Any]
    second: dict[str, Any]
    changes: tuple[Difference, ...]
    guarded: dict[str, Any]

    @property
    def went_well(self) -> bool:
        """Whether each act ended as it should: two clean syncs, and a third one that kept everything."""
        guarded = [done for server in self.guarded["servers"] for done in server["libraries"]]
        return (
            self.first["exit_code"] == self.second["exit_code"] == 0
            and any(done["status"] == "blocked" for done in guarded)
            and not any(done["removed"] for done in guarded)
        )


class Story:
    """Tells the story of two simulated servers; ``fast`` leaves out all that is only there to be watched."""

    def __init__(
        self, home: SimulatedPlex, attic: SimulatedPlex, database: Path, *, fast: bool, bars: bool, as_json: bool
    ) -> None:
        self.home = home
        self.attic = attic
        self._database = database
        self._fast = fast
        self._bars = bars
        self._quiet = as_json

    async def tell(self) -> Told:
        """Play all acts."""
        for server in (self.home, self.attic):
            server.quirks.latency = 0 if self._fast else (server.quirks.latency or LATENCY_S)
        await self._say(
            "1. Two Plex servers, and an empty database",
            f"'home' has {_sizes(self.home)}, 'attic' has {_sizes(self.attic)}. The first sync lists everything.",
        )
        first = await self._sync()
        self._show(first)
        await self._say(
            "2. An evening passes on 'home'",
            "Somebody edits a film, puts another file in the place of a second one's, which leaves the film's own"
            " updatedAt alone, deletes a third, moves a fourth to another library, where it gets a new rating key,"
            " and a new episode arrives.",
        )
        self._change()
        with tempfile.TemporaryDirectory(prefix="retrovue-demo-") as name:
            second, changes = await self._sync_and_compare(Path(name) / "before.db")
        self._tell_changes(second, changes)
        had = self._count(ATTIC_FILMS)
        await self._say(
            "3. The disk behind 'attic' is not mounted",
            "It answers as if its film library were empty. That looks just like somebody who deleted everything.",
        )
        self.attic.quirks.empty_libraries = {"1"}
        guarded = await self._sync(server="attic", full=True)
        self._show(guarded)
        told = Told(first, second, changes, guarded)
        if not self._quiet:
            self._tell_what_stayed(had, self._count(ATTIC_FILMS))
            print("\n== 4. Ask it")
            ask_questions(self._database)
        return told

    def _change(self) -> None:
        """Let the evening pass."""
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
        """Sync with the ordinary code, as ``retrovue-daemon sync`` would, with bars where they can be seen."""
        from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

        from retrovue_daemon.cli.display.bars import AboveBars, with_bars  # noqa: PLC0415 -- likewise
        from retrovue_daemon.logs.setup import configure_logging  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.report import exit_code, summary  # noqa: PLC0415 -- likewise
        from retrovue_daemon.service.selection import Selection  # noqa: PLC0415 -- brings aiohttp
        from retrovue_daemon.sync.progress import ProgressBoard  # noqa: PLC0415 -- likewise

        console, board = Console(stderr=True), ProgressBoard()
        # The tables say what the lines would.
        redactor = configure_logging(level="critical", stream=AboveBars(console).as_stream())
        options = SyncOptions(server=server, selection=Selection(full=full))
        work = sync_once(self._settings(), options, board, redactor)
        reports = await (with_bars(work, board, console) if self._bars and console.is_terminal else work)
        return summary(reports, exit_code(reports))

    async def _sync_and_compare(self, before: Path) -> tuple[dict[str, Any], tuple[Difference, ...]]:
        from retrovue_daemon.store.items.differences import backup, differences  # noqa: PLC0415 -- only the demo needs it here

        await asyncio.to_thread(backup, self._database, before)
        done = await self._sync()
        return done, tuple(await asyncio.to_thread(lambda: list(differences(before, self._database))))

    def _settings(self) -> Config:
        from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- not for --help

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
        return parse_config(
            {
                "database": {"path": str(self._database)},
                "sync": {"page_size": 500 if self._fast else 50},
                "servers": servers,
            }
        )

    def _count(self, query: str) -> int:
        with closing(sqlite3.connect(self._database)) as connection:
            return int(connection.execute(query).fetchone()[0])

    # -- telling ----------------------------------------------------------------------------------------------------

    async def _say(self, title: str, text: str) -> None:
        if self._quiet:
            return
        if not self._fast and sys.stdout.isatty():
            # Somebody is reading: the next act can wait.
            await asyncio.sleep(PAUSE_S)
        print(f"\n== {title}\n\n{_filled(text)}", flush=True)

    def _show(self, told: dict[str, Any]) -> None:
        if not self._quiet:
            print_counts(told)

    def _tell_changes(self, told: dict[str, Any], changes: tuple[Difference, ...]) -> None:
        """Print in one table what was changed, and how much was left alone."""
        if self._quiet:
            return
        result = Table("was", "server", "library", "item")
        for change in changes:
            result.add_row(change.change, change.server, change.library, f"{change.title} ({change.kind.value})")
        listed = sum(done["unchanged"] for server in told["servers"] for done in server["libraries"])
        total = self._count(
            "SELECT (SELECT count(*) FROM movies) + (SELECT count(*) FROM shows) + (SELECT count(*) FROM seasons)"
            " + (SELECT count(*) FROM episodes)"
        )
        touched = len({(change.kind, change.id) for change in changes})
        result.add_row("left alone", "both", "", f"{total - touched:,} items, of which {listed:,} had to be listed")
        print_table(result)
        print(
            _filled(
                "The replaced file was found because its library is listed whole when something left it;"
                " by itself it would be found by the next complete listing ([sync] full_interval)."
            )
        )

    def _tell_what_stayed(self, had: int, has: int) -> None:
        if has == had:
            print(
                _filled(
                    f"Nothing was removed: all {has:,} films of 'attic' are still there. Whoever really deleted them"
                    " runs `retrovue-daemon sync --accept-removals`; otherwise it is over when the disk is back."
                )
            )
        else:
            print(f"{had - has:,} of {had:,} films of 'attic' are gone: the guard failed, please report this")


def ask_questions(database: Path) -> None:
    """Ask a database some questions."""
    for question, query in QUESTIONS.items():
        with closing(sqlite3.connect(database)) as connection:
            cursor = connection.execute(query)
            answer = Table(*(column for column, *_ in cursor.description))
            for row in cursor:
                answer.add_row(*("" if value is None else str(value) for value in row))
        print(f"\n{question}\n\n  " + query.replace("\n", "\n  ") + "\n")
        print_table(answer)


def print_told(told: Told, database: Path) -> None:
    """Print the story as one JSON object."""
    print_json(
        {
            "exit_code": 0 if told.went_well else 1,
            "database": str(database),
            "first": told.first,
            "second": told.second,
            "changes": told.changes,
            "guarded": told.guarded,
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
