"""The daemon's command with a heartbeat on its event loop, and with its rows counted.

    python -m benchmarks.watched REPORT sync --config FILE

Everything after REPORT is passed to ``retrovue-daemon``. At the end, REPORT contains a JSON object:

| key | meaning |
|---|---|
| `late_ms` | the longest delay of a heartbeat on the event loop |
| `own_ms` | the same, but no delay counts for more than the processor time that the process used meanwhile |
| `loop_ms` | the most processor time of the event loop's own thread between two heartbeats |
| `rows` | rows that the connections of the process have inserted, changed and deleted |
| `wal_bytes` | the largest size of the write-ahead log |

If other programs use the processor too, `late_ms` includes delays that the daemon did not cause; `own_ms` does not.
Do not compare the times of such a run with others: the heartbeat costs some.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

BEAT_S = 0.002


class Heartbeat:
    """Schedules itself every few milliseconds and records the delays."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.late_s = 0.0
        self.own_s = 0.0
        self.loop_s = 0.0
        self._loop = loop
        self._due: float | None = None
        self._of_thread = 0.0
        self._of_process = 0.0
        loop.call_soon(self._beat)

    def _beat(self) -> None:
        now, of_thread, of_process = self._loop.time(), time.thread_time(), time.process_time()
        if self._due is not None:
            late = now - self._due
            self.late_s = max(self.late_s, late)
            self.own_s = max(self.own_s, min(late, of_process - self._of_process))
            self.loop_s = max(self.loop_s, of_thread - self._of_thread)
        self._due, self._of_thread, self._of_process = now + BEAT_S, of_thread, of_process
        self._loop.call_at(self._due, self._beat)


class BeatingPolicy(asyncio.DefaultEventLoopPolicy):
    """Gives every event loop a heartbeat."""

    def __init__(self) -> None:
        super().__init__()
        self.hearts: list[Heartbeat] = []

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        self.hearts.append(Heartbeat(loop))
        return loop


class Ledger:
    """What all connections of the process have written."""

    def __init__(self) -> None:
        self.rows = 0
        self.wal_bytes = 0

    def connect(self, database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        """Open a connection that records what it wrote when it closes."""
        ledger = self
        log = Path(f"{os.fspath(database)}-wal")

        class Counted(sqlite3.Connection):
            def close(self) -> None:
                ledger.rows += self.total_changes
                # The log keeps its largest size until the last connection closes.
                if log.exists():
                    ledger.wal_bytes = max(ledger.wal_bytes, log.stat().st_size)
                super().close()

        connection: sqlite3.Connection = CONNECT(database, *arguments, factory=Counted, **options)
        return connection


CONNECT = sqlite3.connect


def main() -> None:
    report, *arguments = sys.argv[1:]
    ledger, policy = Ledger(), BeatingPolicy()
    sqlite3.connect = ledger.connect  # type: ignore[assignment]  # the single place where all connections are opened
    asyncio.set_event_loop_policy(policy)
    sys.argv = ["retrovue-daemon", *arguments]
    from retrovue_daemon.cli import main as command  # noqa: PLC0415 -- its imports must find the policy set

    try:
        command()
    finally:
        found = {
            "late_ms": max((heart.late_s for heart in policy.hearts), default=0.0) * 1000,
            "own_ms": max((heart.own_s for heart in policy.hearts), default=0.0) * 1000,
            "loop_ms": max((heart.loop_s for heart in policy.hearts), default=0.0) * 1000,
            "rows": ledger.rows,
            "wal_bytes": ledger.wal_bytes,
        }
        Path(report).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
