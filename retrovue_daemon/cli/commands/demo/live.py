"""The act of the demo in which changes arrive by themselves: the daemon runs, and a server notifies it of changes."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.records import Kind, State
from retrovue_daemon.store.items.titles import states_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retrovue_daemon.config import Config
    from retrovue_daemon.demo import SimulatedPlex
    from retrovue_daemon.service.supervisor import Supervisor

LONGEST_S: Final = 15.0
"""Seconds after which a change counts as not arrived: far more than any takes."""

LOOK_S: Final = 0.02
"""Seconds between two looks at the database."""

NEW_TITLE: Final = "The Night of the Notification"


class Arrival(msgspec.Struct, frozen=True):
    """A change in Plex, and the seconds until its row was in the database; None if it did not arrive."""

    change: str
    kind: Kind
    title: str
    delay_s: float | None = None


class _Step(msgspec.Struct, frozen=True):
    """A change, how it is made in Plex, and the title and state of the item once it has arrived."""

    arrival: Arrival
    change: Callable[[], object]
    title: str
    state: State = "active"


async def watch_changes_arrive(
    home: SimulatedPlex, database: Path, settings: Config, show: Callable[[Arrival], None]
) -> tuple[Arrival, ...]:
    """Run the daemon, change something on its server, and show each change once the database has it.

    Return nothing if the server's notifications did not arrive.
    """
    from retrovue_daemon.logs.setup import configure_logging  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.service.daemon import kept_in_sync  # noqa: PLC0415 -- imports aiohttp

    async with kept_in_sync(settings, configure_logging(level="critical", stream=sys.stderr)) as supervisor:
        if not await _is_live(supervisor):
            return ()
        arrivals = []
        for step in _steps(home):
            step.change()
            arrivals.append(await _arrived(database, step))
            show(arrivals[-1])
            if arrivals[-1].delay_s is None:
                break  # the others would not arrive either
    return tuple(arrivals)


async def _is_live(supervisor: Supervisor) -> bool:
    """Wait until the server is live and the poll that follows each connection is over."""
    from retrovue_daemon.service.selection import EVERYTHING  # noqa: PLC0415 -- not for --help

    try:
        async with asyncio.timeout(LONGEST_S):
            while not supervisor.workers["home"].live.status.latest.is_live:  # noqa: ASYNC110 -- the daemon has no event
                await asyncio.sleep(LOOK_S)
            for job in supervisor.submit(EVERYTHING, "home"):
                await job.done
    except TimeoutError:
        return False
    return True


def _steps(home: SimulatedPlex) -> list[_Step]:
    """Return the changes to make on the server, one after the other."""
    changes, world = home.changes, home.world
    films = list(world.movies("1"))
    edited, deleted = films[6], films[10]
    show = next(world.shows("3"))
    season = world.seasons_of(show.id)[-1]
    number = world.count_children(season.id) + 1
    title = f"{edited.title}: Restored Version"
    return [
        _Step(
            Arrival("updated", Kind.MOVIE, f"{title} ({edited.year})"),
            partial(changes.edit, edited.id, title=title),
            title,
        ),
        _Step(
            Arrival("added", Kind.EPISODE, f"{show.title} S{season.index:02}E{number:02} {NEW_TITLE}"),
            partial(changes.add_episode, show.id, season.index, number, NEW_TITLE),
            NEW_TITLE,
        ),
        _Step(
            Arrival("removed", Kind.MOVIE, f"{deleted.title} ({deleted.year})"),
            partial(changes.delete, deleted.id),
            deleted.title,
            "missing",
        ),
    ]


async def _arrived(database: Path, step: _Step) -> Arrival:
    """Wait until the database has a change, as any program that reads it would see."""
    began = time.monotonic()
    while (delay := time.monotonic() - began) < LONGEST_S:
        with closing(sqlite3.connect(database)) as connection:
            if step.state in states_of(connection, step.arrival.kind, step.title):
                return msgspec.structs.replace(step.arrival, delay_s=round(delay, 2))
        await asyncio.sleep(LOOK_S)
    return step.arrival
