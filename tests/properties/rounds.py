"""A simulated server and the daemon side by side, in rounds of passes; every round is checked.

Everything is real but the clock, which stands still during a round, so that months can pass in a test.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from unittest.mock import patch

from structlog.testing import capture_logs

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import RELEASE_2026, Release, SimulatedPlex, World
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.progress import ProgressBoard
from tests.properties import damaged, promises
from tests.properties.happenings import Happening, Happenings, neighbour
from tests.properties.identity import History
from tests.properties.mirror import Mirror, read_mirror
from tests.properties.truth import LOCAL_ROOT, PLEX_ROOT, TABLES, KnownPaths, Truth, truth
from tests.support.feed import FeedReader
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from retrovue_daemon.config import Config
    from retrovue_daemon.demo.faults import Hang
    from retrovue_daemon.service.report import ServerReport
    from tests.properties.truth import Key

KEPT = "items arrived damaged; their stored values are kept"
"""How a pass says that it left good values alone."""

SERVER, NEIGHBOUR = "home", "neighbour"
FILES = ("", "-wal")
"""The suffixes of the files that hold a database."""
COUNTED = ("listed", "added", "updated", "unchanged", "restored", "moved", "removed", "skipped", "pages", "bytes")


@dataclass(frozen=True, slots=True)
class Manner:
    """How a round is done; ``order`` holds keys of libraries, in the order of their passes, the others come last."""

    page_size: int = 3
    batch_size: int = 2
    order: tuple[str, ...] = ()
    full: bool = True
    accept_removals: bool = False
    only: str | None = None
    """The key of the one library that is to be synced."""
    at_once: int = 1
    """How many passes there are at a time, and how many requests."""
    details: bool = True
    """Whether details are read behind the passes."""
    names: bool = False
    """Whether the configuration names each library, and maps its paths, by what it was called or stood at first."""


class Trouble(NamedTuple):
    """A fault of the server: requests for ``path`` (a pattern) are hit after ``after`` others; ``times`` 0 means all.

    ``fewer`` and ``more`` are totals off by one; ``keyless``, ``damaged`` (an unreadable value) and ``poison``
    (followed by what it does) strike the item number ``after``; the others are the names of faults.
    """

    what: str
    path: str
    after: int = 0
    times: int = 0

    def befall(self, plex: SimulatedPlex) -> None:
        """Let the server have it, from now on."""
        faults = plex.faults
        if self.what == "damaged":
            faults.damaged |= self._damaged(plex.world)
            return
        if self.what.startswith(("keyless", "poison")):
            ids = sorted(plex.world.items)
            struck = ids[self.after * 7 % len(ids)] if ids else 0
            if self.what == "keyless":
                faults.keyless.add(struck)
            else:
                faults.poison(struck, self.what.removeprefix("poison "))
            return
        times = self.times or None
        match self.what:
            case "error" | "refusal":
                status = 500 if self.what == "error" else 404
                faults.fail(self.path, status=status, times=times, after=self.after)
            case "fewer" | "more":
                faults.miscount(self.path, by=1 if self.what == "more" else -1, times=times, after=self.after)
            case what:
                getattr(faults, what)(self.path, times=times, after=self.after)

    def _damaged(self, world: World) -> set[int]:
        ids = sorted(item.id for item in world.items.values() if TABLES.get(item.type) in damaged.COLUMNS)
        return {ids[self.after * 7 % len(ids)]} if ids else set()


@dataclass(frozen=True, slots=True)
class Interruption:
    """What happens while the request number ``after`` for ``path`` (a pattern) waits for its answer."""

    path: str
    after: int
    happens: Callable[[], object]
    cancels: bool = False
    """Whether the round is then ended, as by a signal."""
    kills: bool = False
    """Whether nothing is written from then on, as after SIGKILL."""


@dataclass(frozen=True, slots=True)
class Pass:
    """How the pass over one library ended."""

    kind: str
    status: str
    counts: dict[str, Any]
    error: str | None
    run_id: int | None


@dataclass(frozen=True, slots=True)
class Round:
    """What one round found and left; ``began`` and ``ended`` are what the server listed at either end of it."""

    number: int
    now: int
    looked_before: int
    manner: Manner
    retention_s: float
    began: Truth
    ended: Truth
    scanning: frozenset[str]
    marks: dict[str, int | None]
    """The libraries' contentChangedAt at the beginning; None where the server is too old to have one."""
    before: Mirror
    after: Mirror
    passes: dict[str, Pass]
    """By the key of the library; one that was not looked at is not in it."""
    details: dict[str, int]
    """How many items of each library still wait for their details, where a round read any."""
    undisturbed: bool
    """Whether the server did as it should and stayed as it was."""
    lying: bool
    """Whether it claimed to have less than it has: what it keeps to itself without a contradiction is lost on us."""
    shortened: bool
    """Whether a listing of unknown length ended early: what is new behind its end cannot be known of."""
    damaged: frozenset[Key]
    """What arrived with a damaged value, as often as it arrived."""
    killed: bool
    crashes: list[str]
    neighbour_is_untouched: bool

    def status(self, library: str) -> str | None:
        return self.passes[library].status if library in self.passes else None

    def complete(self, library: str) -> bool:
        """Return whether all of a library was listed and accepted."""
        return library in self.passes and (self.passes[library].kind, self.status(library)) == ("full", "ok")

    def whole(self, library: str) -> bool:
        """Tell whether all of a library was listed, and nothing of it stays in doubt but damaged values."""
        error = self.passes[library].error if self.complete(library) else None
        doubts = [doubt for doubt in (error or "").split("; ") if doubt and not (self.damaged and KEPT in doubt)]
        return self.complete(library) and not doubts

    @property
    def still(self) -> bool:
        """Whether the server listed the same all the time."""
        return self.began == self.ended


_with_neighbour: list[bytes] = []


class Rounds:
    """Owns a simulated server, a database and the loop that both live on; a context manager.

    Next to ``plex`` there is a neighbour with the same rating keys, guids and paths. It is synced once; nothing may
    touch its rows from then on.
    """

    def __init__(self, *, release: Release = RELEASE_2026, retention_days: int | None = 30) -> None:
        self.plex = SimulatedPlex(World(release=release))
        self.happenings = Happenings(self.plex)
        self.history = History()
        self.now = self._looked = 1_800_000_000
        self.number = 0
        self._retention_days = retention_days
        self._first_names: dict[str, str] = {}
        self._first_roots: dict[str, str] = {}
        """What the configuration knows each library by, whatever it is called later."""
        self._stack = ExitStack()
        self._neighbours = Mirror.empty()
        self._latest: tuple[tuple[int, int, int], Mirror] | None = None
        self._killed: dict[str, bytes] | None = None
        self._done: Round | None = None
        """The last round."""
        """The files of the database when the process was killed in this round, by their suffix."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="rounds-"))
            self._path = Path(home) / "mirror.db"
            stack.enter_context(patch.object(time, "time", lambda: float(self.now)))
            self._runner = stack.enter_context(asyncio.Runner())
            self._path.write_bytes(self._with_neighbour())
            self._neighbours = read_mirror(self._path, NEIGHBOUR)
            self._feed = FeedReader(self._path)
            self._do(self.plex.start())
            stack.callback(lambda: self._do(self.plex.stop()))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def world(self) -> World:
        return self.plex.world

    def happen(self, *happenings: Happening) -> None:
        """Let something happen to the server."""
        self.happenings.happen(*happenings)

    def truth(self, known: KnownPaths) -> Truth:
        """Return what the server lists now, where these paths are known."""
        return truth(self.plex.world, self.plex.quirks, known)

    def mirror(self) -> Mirror:
        """Return what the database holds now; it is read again only if the file was written since."""
        found = self._path.stat()
        state = found.st_ino, found.st_size, found.st_mtime_ns
        if self._latest is None or self._latest[0] != state:
            self._latest = state, read_mirror(self._path, SERVER)
        return self._latest[1]

    def sync(
        self,
        manner: Manner | None = None,
        *,
        interruption: Interruption | None = None,
        troubles: Sequence[Trouble] = (),
    ) -> Round:
        """Do one round, and check it and the change feed. Raises BrokenPromiseError."""
        manner = manner or Manner()
        self.number += 1
        self.now += 1
        looked_before, self._looked = self._looked, self.now
        before, scanning = self.mirror(), self._scanning()
        began = self.truth(before.whole_paths)
        counted = self.world.release.content_changed_at
        marks = {key: each.content_changed_at if counted else None for key, each in self.world.libraries.items()}
        for trouble in troubles:
            trouble.befall(self.plex)
        struck = [self.world.items[item_id] for item_id in self.plex.faults.damaged]
        with capture_logs() as lines:
            reports = self._do(self._interrupted(self._sync(self._config(manner), manner), interruption))
        self.plex.faults.clear()
        killed = self._killed is not None
        if self._killed is not None:
            self._restore(self._killed)
            self._killed = None
        after, ended = self.mirror(), self.truth(before.whole_paths)
        done = Round(
            number=self.number,
            now=self.now,
            looked_before=looked_before,
            manner=manner,
            retention_s=float("inf") if self._retention_days is None else self._retention_days * 86_400.0,
            began=began,
            ended=ended,
            scanning=scanning | self._scanning(),
            marks=marks,
            before=before,
            after=after,
            passes=_passes(before, after, reports),
            details=_details(after, reports),
            undisturbed=interruption is None and all(trouble.what == "damaged" for trouble in troubles),
            lying=any(trouble.what == "fewer" for trouble in troubles),
            shortened=self.plex.quirks.no_totals and any(trouble.what == "empty" for trouble in troubles),
            damaged=frozenset((TABLES[item.type], item.rating_key) for item in struck),
            killed=killed,
            crashes=[str(line) for line in lines if line["event"].endswith(".crashed")],
            neighbour_is_untouched=read_mirror(self._path, NEIGHBOUR, checked=False).raw == self._neighbours.raw,
        )
        promises.keep(done, self.history)
        if wrong := self._feed.follow():
            raise promises.BrokenPromiseError(done, wrong)
        self._learn_names(done)
        self._done = done
        return done

    def sync_again(self, manner: Manner | None = None) -> Round:
        """Do one round after another that nothing happened since, and check that it leaves everything as it is."""
        first = self._done
        assert first is not None
        done = self.sync(manner)
        promises.keep_still(done, first)
        return done

    def _learn_names(self, done: Round) -> None:
        for key, row in done.after.libraries.items():
            self._first_names.setdefault(key, row["library_name"])
            if done.undisturbed and key in done.ended.libraries and not self.plex.quirks.no_locations:
                self._first_roots.setdefault(key, self.world.libraries[key].locations[0].path)

    def _names(self) -> dict[str, str]:
        """Return what the configuration calls each library: by its first name, unless that is another's now."""
        now = {key: library.title for key, library in self.world.libraries.items()}
        return now | {
            key: name
            for key, name in self._first_names.items()
            if name not in {title for other, title in now.items() if other != key}
        }

    def _scanning(self) -> frozenset[str]:
        return frozenset(key for key, library in self.world.libraries.items() if library.refreshing)

    async def _interrupted(
        self, work: Coroutine[Any, Any, list[ServerReport]], interruption: Interruption | None
    ) -> list[ServerReport]:
        """Do the work, and let something happen in its middle. A round that is cancelled brings no reports."""
        if interruption is None:
            return await work
        stuck = self.plex.faults.hang(interruption.path, after=interruption.after)
        task = asyncio.create_task(work)
        await self._reached_or_done(stuck, task)
        if stuck.reached.is_set():
            interruption.happens()
            if interruption.kills:
                self._killed = self._files()
            if interruption.cancels or interruption.kills:
                task.cancel()
        self.plex.faults.clear()  # what hangs goes on
        (reports,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(reports, BaseException) and not isinstance(reports, asyncio.CancelledError):
            raise reports
        return reports if isinstance(reports, list) else []

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    def _files(self) -> dict[str, bytes]:
        """Return the files of the database as they are at one moment."""
        while True:
            before = [self._beside(each).stat() for each in FILES]
            files = {each: self._beside(each).read_bytes() for each in FILES}
            after = [self._beside(each).stat() for each in FILES]
            if [(each.st_size, each.st_mtime_ns) for each in before] == [
                (each.st_size, each.st_mtime_ns) for each in after
            ]:
                return files

    def _restore(self, files: dict[str, bytes]) -> None:
        """Put the database back as it was when the process was killed."""
        self._beside("-shm").unlink(missing_ok=True)
        for suffix, content in files.items():
            self._beside(suffix).write_bytes(content)

    @staticmethod
    async def _reached_or_done(stuck: Hang, task: asyncio.Task[Any]) -> None:
        reached = asyncio.create_task(stuck.reached.wait())
        await asyncio.wait({reached, task}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        await asyncio.gather(reached, return_exceptions=True)

    async def _sync(self, config: Config, manner: Manner, server: str = SERVER) -> list[ServerReport]:
        selection = Selection(
            manner.only, full=manner.full, accept_removals=manner.accept_removals, details=manner.details
        )
        options = SyncOptions(server, selection)
        return await sync_once(config, options, ProgressBoard(), Redactor(), retry=IMPATIENT)

    def _with_neighbour(self) -> bytes:
        """Return a database with the neighbour: synced by the first of these objects, and the same for all others."""
        if not _with_neighbour:
            self._do(self._sync_neighbour())
            _with_neighbour.append(self._path.read_bytes())
        return _with_neighbour[0]

    async def _sync_neighbour(self) -> None:
        async with SimulatedPlex(neighbour()) as plex:
            with capture_logs():
                await self._sync(self._config(Manner(page_size=500), neighbour=plex), Manner(), NEIGHBOUR)

    def _config(self, manner: Manner, neighbour: SimulatedPlex | None = None) -> Config:
        servers = [(NEIGHBOUR, neighbour)] if neighbour else [(SERVER, self.plex)]
        days = self._retention_days
        libraries, mappings = [*manner.order, "*"], [{"plex_path": PLEX_ROOT, "local_path": LOCAL_ROOT}]
        if manner.names:
            names = self._names()
            ordered = sorted(names, key=lambda key: manner.order.index(key) if key in manner.order else 9)
            libraries = list(dict.fromkeys(names[key] for key in ordered))
            mappings = [
                mapping | {"library_root": self._first_roots[key]}
                if key in self._first_roots and int(key) % 2
                else mapping | {"library_name": name}
                for mapping in mappings
                for key, name in names.items()
            ]
            mappings = [dict(each) for each in dict.fromkeys(tuple(mapping.items()) for mapping in mappings)]
        return parse_config(
            {
                "database": {"path": str(self._path), "batch_size": manner.batch_size},
                "sync": {
                    "page_size": manner.page_size,
                    "concurrency": manner.at_once,
                    "retention": "never" if days is None else f"{days}d" if days else "0s",
                },
                "servers": [
                    {
                        "name": name,
                        "url": plex.url,
                        "token": plex.token,
                        "concurrency": manner.at_once,
                        "libraries": libraries,
                        "path_mappings": mappings,
                    }
                    for name, plex in servers
                ],
            },
            environ={},
        )

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)


def _details(after: Mirror, reports: list[ServerReport]) -> dict[str, int]:
    keys = {library["id"]: key for key, library in after.libraries.items()}
    return {keys[number]: each.pending for report in reports for number, each in report.details.items()}


def _passes(before: Mirror, after: Mirror, reports: list[ServerReport]) -> dict[str, Pass]:
    """Return how each library's pass ended: from the reports, or, where a round was cut off, from the record."""
    keys = {library["id"]: key for key, library in after.libraries.items()}
    runs: list[tuple[int | None, dict[str, Any]]]
    runs = [(run_id, run) for run_id, run in after.runs.items() if run_id not in before.runs]
    runs.reverse()  # of two records of one pass the first one counts: the second says that it was cut off afterwards
    if reports:
        runs = [(done.run_id, done.run.values()) for report in reports for done in report.passes]
    return {
        keys[run["library_id"]]: Pass(
            run["kind"], run["status"], {name: run[name] for name in COUNTED if name in run}, run["error"], run_id
        )
        for run_id, run in runs
    }
