"""Small simulated servers, what changes on them, and a configuration for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from retrovue_daemon.config import parse_config
from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.logs.setup import Redactor
from retrovue_daemon.service.daemon import SyncOptions, sync_once
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.sync.progress import ProgressBoard
from tests.properties.happenings import Happening, Happenings
from tests.properties.truth import LOCAL_ROOT, PLEX_ROOT
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from retrovue_daemon.demo import World
    from retrovue_daemon.service.report import ServerReport

CHANGES = (
    "film_edited", "film_edited", "film_deleted", "episode_edited", "episode_edited", "episode_deleted",
    "file_replaced", "file_upgraded", "file_renamed", "film_added", "film_recreated", "analysed", "show_edited",
    "tags_edited", "tags_edited", "chapters_edited", "label_added", "label_removed", "collection_filled",
    "collection_thinned", "member_exchanged", "collection_sorted", "collection_edited", "collection_removed",
)  # fmt: skip
"""What happens on a server during a trial. A film that is found again gets another rating key, and keeps its id."""

PAGE_SIZE = 20


class TrialServer(SimulatedPlex):
    """A simulated server that remembers which of its items it has not listed for a while, with true totals.

    No client can tell that such an item still exists: its row may be marked missing until it is listed again.
    """

    def __init__(self, world: World, *, token: str) -> None:
        super().__init__(world, token=token)
        self.withheld: set[int] = set()

    def withhold(self, item_id: int) -> None:
        """Leave an item out of all listings, until `quirks.unlisted` is cleared."""
        self.quirks.unlisted.add(item_id)
        self.withheld.add(item_id)


Servers = dict[str, TrialServer]


def small_server(chooser: random.Random) -> TrialServer:
    """Make a server with a library of films and one of shows."""
    world = generated_library(
        movies=chooser.randrange(25, 70), shows=chooser.randrange(2, 6), episodes=chooser.randrange(4, 12),
        seed=chooser.randrange(2**30),
    )  # fmt: skip
    return TrialServer(world, token=f"secret-{chooser.randrange(2**60):x}")


def change(plex: SimulatedPlex, chooser: random.Random, number: int) -> None:
    """Let some things happen on a server."""
    for _ in range(number):
        what = chooser.choice(CHANGES)
        happening = Happening(what, chooser.randrange(200), chooser.randrange(200))
        if what == "chapters_edited":  # with a trace in the listing
            happening = happening._replace(other=happening.other // 3 * 3 + 1)
        if what == "film_added":  # the happening of that name is for smaller libraries
            library = next(library.key for library in plex.world.libraries.values() if library.type == "movie")
            plex.changes.add_movie(library, f"Film {happening.which}", 1950)
        else:
            Happenings(plex).happen(happening)


def write_config(home: Path, servers: Servers, *, sync: str = "", name: str = "config.toml") -> Path:
    """Write a configuration for servers; ``sync`` holds further lines of its section."""
    tables = [
        f'[[servers]]\nname = "{name}"\nurl = "{plex.url}"\ntoken = "{plex.token}"\ntimeout = "1s"\n'
        f'[[servers.path_mappings]]\nplex_path = "{PLEX_ROOT}"\nlocal_path = "{LOCAL_ROOT}"\n'
        for name, plex in servers.items()
    ]
    file = home / name
    file.touch(mode=0o600)
    head = f'[database]\npath = "{home / "mirror.db"}"\nbatch_size = 20\n[sync]\npage_size = {PAGE_SIZE}\n{sync}\n'
    file.write_text(head + "\n".join(tables))
    return file


async def sync_here(home: Path, servers: Servers, database: Path | None = None) -> list[ServerReport]:
    """Sync all servers fully in this process, undisturbed."""
    tables = [
        {
            "name": name,
            "url": plex.url,
            "token": plex.token,
            "path_mappings": [{"plex_path": PLEX_ROOT, "local_path": LOCAL_ROOT}],
        }
        for name, plex in servers.items()
    ]
    config = parse_config(
        {
            "database": {"path": str(database or home / "mirror.db"), "batch_size": 20},
            "sync": {"page_size": PAGE_SIZE},
            "servers": tables,
        },
        environ={},
    )
    options = SyncOptions(selection=Selection(full=True))
    async with asyncio.timeout(60):
        return await sync_once(config, options, ProgressBoard(), Redactor(), retry=IMPATIENT)
