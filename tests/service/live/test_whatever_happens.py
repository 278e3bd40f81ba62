"""Whatever happens to a server that announces it, in whichever form: the rows follow without a poll."""

from __future__ import annotations

import os
import random

import pytest

from retrovue_daemon.demo import RELEASE_2016, RELEASE_2023, RELEASE_2026
from retrovue_daemon.demo.world import World
from retrovue_daemon.service.selection import Selection
from tests.properties.happenings import Happening, Happenings
from tests.properties.mirror import read_mirror
from tests.properties.truth import truth
from tests.support.servers import MeasuredPlex

SEEDS = os.environ.get("RETROVUE_LIVE_SEEDS", "7-9")
"""A range of seeds; each is a test of its own. Which frame meets which pass is not the same every time."""

ANNOUNCED = {
    "film_added": 6, "film_edited": 4, "film_rematched": 1, "films_exchanged": 1, "films_merged": 1, "film_split": 1,
    "show_added": 3, "episode_added": 4, "show_edited": 2, "season_edited": 1, "episode_edited": 2,
    "episode_moved": 2, "film_deleted": 3, "show_deleted": 1, "season_deleted": 1, "episode_deleted": 2,
    "deleted_came_again": 3, "film_recreated": 2, "show_recreated": 2, "film_moved": 2, "show_moved": 1,
    "film_copied": 1, "file_upgraded": 1, "file_renamed": 1, "file_split": 1, "analysed": 1, "trashed": 1,
    "restored": 1, "trash_emptied": 1, "library_added": 1,
}  # fmt: skip
"""What a server announces, by an item's frame or by those of a scan, and how often it happens in relation."""

COUNTS = ("total_seasons", "total_episodes")
"""A show whose episode moved is not announced, nor is it updated."""

UNSURE = ("file", "guids", "guid_primary", "director", "genre")
"""What a listing shortens, or several files could be."""

SWITCHES = (
    "binary", "bundled", "no_size", "no_identifier", "no_section", "twice", "after_deletion", "backwards",
    "queue_size", "extras", "foreign", "collections", "ignores_filters",
)  # fmt: skip

NOT_ANNOUNCED = ("file_replaced", "library_renamed", "library_removed")


def quirks(chance: random.Random) -> dict[str, object]:
    """Draw the form in which a server sends its frames; each has enough in it to find what changed."""
    drawn: dict[str, object] = {
        "envelope": chance.choice(["wrapped", "type_last", "bare", "legacy"]),
        "payload": chance.choice(["usual", "list", "object"]),
        "ids": chance.choice(["texts", "numbers", "mixed"]),
        "states": chance.choice([(0, 2, 3, 4, 5), (5,), (0, 4), (0, 5, 3, 5), (5, 2)]),
        "settled": chance.choice(["created", "plain"]),
        "deleted": chance.choice(["state", "type"]),
        "context": chance.choice(["late", "ended", "always", "never"]),
        "feedback": chance.choice(["asked", "always", "never"]),
        "updates": chance.choice([0, 2, 40]),
        "duplicates": chance.choice([0, 0, 1, 5]),
    }
    return drawn | {name: chance.random() < 0.3 for name in SWITCHES}


def seeds() -> range:
    first, _, last = SEEDS.partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("seed", seeds())
async def test_the_rows_follow_whatever_happens(follow, gauge, path, seed):
    """First what is announced, while the schedule's polls stand still; the rest by the next complete listing."""
    chance = random.Random(seed)  # noqa: S311 -- not secret
    release = chance.choice((RELEASE_2026, RELEASE_2026, RELEASE_2023, RELEASE_2016))
    async with MeasuredPlex(World(release=release), gauge) as plex:
        for number, kind in enumerate(("movie", "movie", "show", "show")):
            plex.changes.add_library(kind, f"Library {number}", f"/srv/library {number}")
        world = Happenings(plex)
        draw(world, chance, ("film_added", "show_added", "episode_added"), 25)
        mapping = [{"plex_path": "/srv", "local_path": "/mnt/nas"}]
        sync = {"max_removed": "100%", "retention": chance.choice(["0s", "30d"]), "interval": "1d",
                "interval_live": "1d"}  # fmt: skip
        live = await follow(plex, sync, path_mappings=mapping)
        for _ in range(4):
            for name, value in quirks(chance).items():
                setattr(plex.notifications.quirks, name, value)
            for _ in range(chance.choice([1, 2, 4])):
                draw(world, chance, [*ANNOUNCED], chance.choice([1, 1, 3]), [*ANNOUNCED.values()])
                await live.after(chance.choice([0, 0.5, 3, 20]))
            await live.after(150)
            assert differences(plex, path, but=COUNTS) == []
        draw(world, chance, NOT_ANNOUNCED, 2)
        live.service.supervisor.submit(Selection(full=True), "home")
        await live.after(0)
        assert differences(plex, path) == []


def draw(world: Happenings, chance: random.Random, names, number: int, weights=None) -> None:
    for what in chance.choices(names, weights, k=number):
        world.happen(Happening(what, chance.randrange(41), chance.randrange(41)))


def differences(plex: MeasuredPlex, path, but=()) -> list[object]:
    """Return where rows and server differ, but for these fields, and for what a guard holds back."""
    mirror, server = read_mirror(path, "home"), truth(plex.world, plex.quirks, {})
    held = {key for key, library in mirror.libraries.items() if library["state"] != "active"}
    found: list[object] = [*mirror.mistakes]
    for key, item in server.items.items():
        row = mirror.items.get(key)
        if row is None or not row.present:
            found.append((key, item.library, "has no row" if row is None else row.state))
        elif (row.library, row.state) != (item.library, item.state):
            found.append((key, row.library, row.state, item.library, item.state))
        else:
            found += [
                (key, name, row.content[name], value)
                for name, value in item.content.items()
                if row.content[name] != value and name not in {*UNSURE, *but}
            ]
    present = {key for key, row in mirror.items.items() if row.present and row.library not in held}
    found += [(key, "is nowhere") for key in sorted(present - server.items.keys())]
    return found
