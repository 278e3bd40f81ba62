"""Rating keys that are reassigned to items which arrive damaged: no row takes the other item for its own."""

from __future__ import annotations

import pytest

from retrovue_daemon.demo.reissued import reissue_keys
from retrovue_daemon.service.daemon import SyncOptions

AS_RUN = SyncOptions()
QUERIES = {
    "movies": "SELECT id, title, source_id, media_file_id FROM movies",
    "shows": "SELECT id, title, source_id FROM shows",
    "seasons": "SELECT s.id, s.title, s.season_number, s.source_id, w.title FROM seasons s"
    " JOIN shows w ON w.id = s.show_id",
    "episodes": "SELECT e.id, e.episode_title, e.source_id, e.media_file_id, w.title, e.season_id FROM episodes e"
    " JOIN shows w ON w.id = e.show_id",
}


@pytest.fixture
def named(rows):
    """Return a function that says which item each id belongs to."""
    return lambda: {table: sorted(rows(query)) for table, query in QUERIES.items()}


def _two(world, level):
    """Return two items of a level, of different shows where it is below these."""
    if level == "movies":
        return [film for film in world.movies("1") if film.media and film.guid.startswith("plex://")][:2]
    shows = [show for show in world.shows("3") if show.guid.startswith("plex://") and world.leaves_of(show.id)][:2]
    below = {"shows": lambda show: show, "seasons": lambda show: world.seasons_of(show.id)[0]}
    return [below.get(level, lambda show: world.leaves_of(show.id)[0])(show) for show in shows]


@pytest.mark.parametrize("level", ["shows", "seasons"])
async def test_damaged_episodes_stay_with_parents_that_exchanged_keys(plex, sync, named, level) -> None:
    """The first damage keeps an episode's values, and its show and season: no other one that got their keys."""
    shows = _two(plex.world, "shows")
    titles = ["An Episode of One", "An Episode of the Other"]
    for show, title in zip(shows, titles, strict=True):
        plex.changes.edit(plex.world.leaves_of(show.id)[0].id, title=title)
    await sync(plex)
    before = named()
    reissue_keys(plex.world, *(item.id for item in _two(plex.world, level)))
    for title in titles:
        plex.faults.rewrite("/library/sections/*/all*", f'"title":"{title}"', f'"title":"{title}\xff"', times=None)

    await sync(plex, options=AS_RUN)
    assert named() == before
    plex.faults.clear()
    await sync(plex, options=AS_RUN)
    assert named() == before


@pytest.mark.parametrize("damaged", [0, 1])
@pytest.mark.parametrize("level", QUERIES)
async def test_ids_stay_where_damaged_items_got_known_keys(plex, sync, rows, named, level, damaged) -> None:
    """The pass that reads the damage stores it, because the row under the key has no values of this item to keep."""
    for number, item in enumerate(_two(plex.world, level)):
        plex.changes.edit(item.id, title=f"Title {number} of its own")
    await sync(plex)
    before = named()
    reissue_keys(plex.world, *(item.id for item in _two(plex.world, level)))
    title = f"Title {damaged} of its own"
    plex.faults.rewrite("/library/sections/*/all*", f'"title":"{title}"', f'"title":"{title}\xff"', times=None)
    await sync(plex, options=AS_RUN)
    plex.faults.clear()

    for _ in range(2):
        await sync(plex, options=AS_RUN)
        assert named() == before
    assert rows("SELECT count(*) FROM libraries WHERE list_again") == [(0,)]
    assert rows("SELECT * FROM damaged_items") == []
