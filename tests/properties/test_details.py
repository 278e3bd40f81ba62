"""After a pass and the details behind it, the database holds the details that the server has, whatever happened."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.demo.items import Episode, Movie, Show
from retrovue_daemon.demo.timeline import Chapter, Marker
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.progress import ProgressBoard
from tests.properties.happenings import Happening, Happenings
from tests.support.details import details_of, stored_details
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.config import Config

WHAT = (
    "film_added", "film_edited", "film_rematched", "films_exchanged", "films_merged", "film_split", "show_added",
    "episode_added", "show_edited", "episode_edited", "episode_moved", "film_deleted", "show_deleted",
    "episode_deleted", "deleted_came_again", "film_recreated", "show_recreated", "film_moved", "show_moved",
    "film_copied", "file_replaced", "file_upgraded", "file_renamed", "keys_reissued",
)  # fmt: skip
ROUNDS = 6
DETAILS = "/library/metadata/*"


def _edit(plex: SimulatedPlex, chooser: random.Random) -> None:
    """Give an item other tags, credits, chapters and markers; some are odd."""
    item = chooser.choice([each for each in plex.world.items.values() if isinstance(each, Movie | Show | Episode)])
    lists = {
        name: tuple(chooser.sample(("Horror", "Comedy", "B. Person", "Drama", "Noir"), chooser.randrange(5)))
        for name in ("genres", "labels", "countries", "directors", "writers", "producers", "roles")
    }
    fields: dict[str, object] = {"tags": msgspec.structs.replace(item.tags, characters=(), **lists)}
    if not isinstance(item, Show):
        starts = sorted(chooser.sample(range(0, 7_000_000, 1_000), 3))
        fields["chapters"] = tuple(Chapter(start, start + chooser.choice((0, 500, 9_000_000))) for start in starts)
        fields["markers"] = tuple(Marker(chooser.choice(("intro", "x")), start, start + 800) for start in starts)
        fields["chapter_source"] = "media"
    plex.changes.edit(item.id, **fields)


async def _disturbed(plex: SimulatedPlex, config: Config, options: SyncOptions, chooser: random.Random) -> None:
    """Sync while the server fails from some request for details on, loses one, or the sync is cancelled at one."""
    after = chooser.randrange(3)
    what = chooser.choice(("fail", "drop", "cancel"))
    stuck = plex.faults.hang(DETAILS, after=after) if what == "cancel" else None
    if what == "fail":
        plex.faults.fail(DETAILS, status=503, times=None, after=after)
    elif what == "drop":
        plex.faults.drop(DETAILS, after=after)
    work = asyncio.create_task(sync_once(config, options, ProgressBoard(), Redactor(), retry=IMPATIENT))
    if stuck is not None:
        reached = asyncio.create_task(stuck.reached.wait())
        await asyncio.wait({work, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        work.cancel()
    (outcome,) = await asyncio.gather(work, return_exceptions=True)
    plex.faults.clear()
    assert isinstance(outcome, list | asyncio.CancelledError)


@pytest.mark.parametrize("seed", range(4))
async def test_details_equal_the_servers(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "mirror.db"
    chooser = random.Random(seed)  # noqa: S311 -- the same every time
    async with SimulatedPlex(built_in_library()) as plex:
        server = {"name": "home", "url": plex.url, "token": plex.token, "details": True}
        config = parse_config({"database": {"path": str(path)}, "servers": [server]}, environ={})
        happenings = Happenings(plex)
        for _ in range(ROUNDS):
            happenings.happen(
                *(Happening(chooser.choice(WHAT), chooser.randrange(40), chooser.randrange(40)) for _ in range(6))
            )
            for _ in range(6):
                _edit(plex, chooser)
            plex.world.pass_time(3_600)
            options = SyncOptions(selection=Selection(full=True, accept_removals=True))
            if seed % 2:
                await _disturbed(plex, config, options, chooser)
            (report,) = await sync_once(config, options, ProgressBoard(), Redactor(), retry=IMPATIENT)
            assert {done.run.status for done in report.passes} == {"ok"}
            assert {each.pending for each in report.details.values()} == {0}
            assert stored_details(path) == details_of(plex.world)
