"""The change feed's share of a first sync: its transactions, with the feed and without, in turn in one process.

    python -m benchmarks.feed URL TOKEN ROUNDS

syncs a library once, keeps the items of each transaction, and then writes these transactions again into two new
databases, by turns: into one with the feed, and into one without its triggers, while the functions that write its
entries do nothing. So each pair takes a few milliseconds, in which the machine hardly changes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import structlog

from benchmarks import ROOT
from benchmarks.process import ProgramFailed
from benchmarks.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "feed"
"""The name of this case: its programs run in one process, and so it is none of `cases`."""

EPISODES = 20_000
ROUNDS = 7

WRITERS: Final = ("record", "record_owners", "record_other_owners", "record_collections_of", "name_run")
"""The functions of ``store/feed/recording.py`` that write entries."""

SETTINGS: Final = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000"
TABLES: Final = ("plex_servers", "libraries", "library_locations")
"""The tables whose triggers write entries, parents first."""

Transaction = tuple[Any, ...]
"""The arguments of `write_items`, after the connection."""


@dataclass(frozen=True, slots=True)
class FeedCost:
    """Seconds of processor time: a first sync, and its transactions with the feed and without."""

    episodes: int
    entries: int
    sync_s: float
    with_s: float
    without_s: float

    @property
    def share(self) -> float:
        """The share of the feed in a first sync."""
        return (self.with_s - self.without_s) / self.sync_s


def measure_feed(say: Callable[[str], None], *, episodes: int = EPISODES, rounds: int = ROUNDS) -> FeedCost:
    """Measure in a process of its own. Raise ProgramFailed."""
    with Simulation(servers=1, libraries=1, shows=episodes // 100, episodes=100, season=22) as simulation:
        (address,) = simulation.addresses
        command = [sys.executable, "-m", "benchmarks.feed", address.url, address.token, str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise ProgramFailed(f"the syncs ended with {done.returncode}: {done.stderr[-2000:]}")
    cost = FeedCost(**json.loads(done.stdout))
    say(f"feed: {cost.entries} entries, {cost.share:.1%} of a first sync of {cost.episodes:,} episodes")
    return cost


def main() -> None:
    """Sync the library of a server, then write its transactions again."""
    url, token, rounds = sys.argv[1:]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="retrovue-bench-") as directory:
        synced = Path(directory) / "synced.db"
        transactions, sync_s = _sync(synced, url, token)
        # A collection would count for whichever side it happens in.
        gc.collect()
        gc.disable()
        pairs = [_write_pair(Path(directory) / str(number), synced, transactions) for number in range(int(rounds))]
        with closing(sqlite3.connect(synced)) as connection:
            ((episodes,),) = connection.execute("SELECT count(*) FROM episodes")
            ((entries,),) = connection.execute("SELECT count(*) FROM change_batches")
    # Other load on the machine only ever adds to a time.
    with_s, without_s = (
        sum(map(min, zip(*(pair[has_feed] for pair in pairs), strict=True))) for has_feed in (True, False)
    )
    print(json.dumps(asdict(FeedCost(episodes, entries, sync_s, with_s, without_s))))


def _sync(path: Path, url: str, token: str) -> tuple[list[Transaction], float]:
    """Return the transactions of a first sync, and its processor time."""
    from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- not in the process that measures others
    from retrovue_daemon.logs.redaction import Redactor  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.daemon import SyncOptions, sync_once  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.selection import Selection  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.items.upserts import write_items  # noqa: PLC0415 -- likewise
    from retrovue_daemon.sync import batches  # noqa: PLC0415 -- likewise
    from retrovue_daemon.sync.progress import ProgressBoard  # noqa: PLC0415 -- likewise

    written: list[Transaction] = []

    def kept(connection: sqlite3.Connection, *arguments: Any) -> object:
        target, kind, changes, now = arguments
        written.append((target, kind, list(changes), now))
        return write_items(connection, *arguments)

    server = {"name": "home", "url": url, "token": token}
    config = parse_config({"database": {"path": str(path)}, "servers": [server]}, environ={})
    options = SyncOptions(selection=Selection(details=False))
    with patch.object(batches, "write_items", kept):
        began = time.process_time()
        asyncio.run(sync_once(config, options, ProgressBoard(), Redactor()))
        return written, time.process_time() - began


def _write_pair(directory: Path, synced: Path, transactions: list[Transaction]) -> dict[bool, list[float]]:
    """Write the transactions into two new databases by turns; return the processor times by side."""
    from retrovue_daemon.store.feed import recording  # noqa: PLC0415 -- not in the process that measures others
    from retrovue_daemon.store.file.preparation import prepare  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.items.upserts import write_items  # noqa: PLC0415 -- likewise

    directory.mkdir()
    spent: dict[bool, list[float]] = {True: [], False: []}
    opened = {}
    for has_feed in spent:
        path = directory / f"{has_feed}.db"
        prepare(path)
        opened[has_feed] = sqlite3.connect(path, isolation_level=None)
        opened[has_feed].executescript(SETTINGS)
        opened[has_feed].execute("ATTACH ? AS synced", (str(synced),))
    _drop_triggers(opened[False])

    def write(work: Callable[[sqlite3.Connection], object], *, has_feed: bool) -> None:
        with nullcontext() if has_feed else _without_writers():
            began = time.thread_time()
            opened[has_feed].execute("BEGIN IMMEDIATE")
            work(opened[has_feed])
            opened[has_feed].execute("COMMIT")
            spent[has_feed].append(time.thread_time() - began)

    def begin(connection: sqlite3.Connection) -> None:
        for table in TABLES:
            connection.execute(f"INSERT INTO {table} SELECT * FROM synced.{table}")

    def end(connection: sqlite3.Connection) -> None:
        recording.name_run(connection, 1, [], 0)

    def writing(transaction: Transaction) -> Callable[[sqlite3.Connection], object]:
        return lambda connection: write_items(connection, *transaction)

    for number, work in enumerate((begin, *map(writing, transactions), end)):
        for has_feed in (True, False) if number % 2 else (False, True):
            write(work, has_feed=has_feed)
    count = "SELECT count(*), (SELECT count(*) FROM change_batches) FROM episodes"
    counts = [each.execute(count) for each in opened.values()]
    ((rows, entries),), ((same, none),) = counts
    if not entries or none or rows != same:
        raise SystemExit(f"{rows} episodes with {entries} entries of the feed, {same} with {none}")
    for connection in opened.values():
        connection.close()
    return spent


def _drop_triggers(connection: sqlite3.Connection) -> None:
    query = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '%\\_feed\\_%' ESCAPE '\\'"
    for (name,) in connection.execute(query).fetchall():
        connection.execute(f"DROP TRIGGER {name}")


@contextmanager
def _without_writers() -> Iterator[None]:
    """Replace the writers wherever a module has imported them."""
    recording = sys.modules["retrovue_daemon.store.feed.recording"]
    patches = [
        patch.object(module, name, _write_nothing)
        for module in list(sys.modules.values())
        if module.__name__.startswith("retrovue_daemon.")
        for name in WRITERS
        if vars(module).get(name) is getattr(recording, name)
    ]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def _write_nothing(*_: object, **__: object) -> int:
    return 0


if __name__ == "__main__":
    main()
