"""Values that arrive damaged overwrite good ones only if the damage is how the server has them."""

from __future__ import annotations

import asyncio

import pytest

from retrovue_daemon.service.daemon import SyncOptions
from tests.support.rounds import FEW_LIBRARIES

pytestmark = FEW_LIBRARIES

LISTING = "/library/sections/1/all"


def _titles(rows):
    return dict(rows("SELECT rating_key, title FROM movies"))


def _library(rows):
    return rows("SELECT list_again, last_error IS NOT NULL FROM libraries WHERE library_name = 'Movies'")[0]


@pytest.mark.parametrize("xml", [False, True])
async def test_damage_that_goes_away_costs_nothing(plex, sync, rows, xml) -> None:
    """The next pass reads the item again although nothing else has it do so."""
    plex.quirks.always_xml = xml
    await sync(plex)
    good = _titles(rows)
    plex.faults.bad_bytes(LISTING, times=1)

    await sync(plex)

    assert _titles(rows) == good
    assert _library(rows) == (1, 1)
    assert rows("SELECT times FROM damaged_items") == [(1,)]

    (report,) = await sync(plex, options=SyncOptions())
    assert [done.run.kind for done in report.passes if done.library == "Movies"] == ["full"]
    assert _titles(rows) == good
    assert _library(rows) == (0, 0)
    assert rows("SELECT * FROM damaged_items") == []


async def test_the_same_damage_twice_is_how_the_server_has_it(plex, sync, rows) -> None:
    """It is stored, mended, and the library is not listed again for it."""
    await sync(plex)
    good = _titles(rows)
    plex.faults.bad_bytes(LISTING, times=None)
    await sync(plex)
    assert _titles(rows) == good

    await sync(plex)

    changed = [title for key, title in _titles(rows).items() if title != good[key]]
    assert len(changed) == 1
    assert "\N{REPLACEMENT CHARACTER}" in changed[0]
    assert _library(rows) == (0, 0)


async def test_damage_in_both_listings_of_a_pass_counts_once(plex, config, sync, rows) -> None:
    """A library whose total moved is listed a second time by the same pass."""
    settings = config(plex, server={"concurrency": 1}, sync={"page_size": 10})
    await sync(settings)
    good = _titles(rows)
    film, gone, *_ = plex.world.movies("1")
    stuck = plex.faults.hang(LISTING, after=1)
    plex.faults.rewrite(LISTING, f'"title":"{film.title}"', f'"title":"{film.title}\xff"', times=None)
    round_ = asyncio.create_task(sync(settings))
    await stuck.reached.wait()
    plex.changes.delete(gone.id)
    stuck.release.set()
    await round_

    assert len(plex.requests_for(LISTING)) > 6
    assert _titles(rows) == good
    assert rows("SELECT rating_key, times FROM damaged_items") == [(film.rating_key, 1)]


async def test_a_missing_film_that_arrives_damaged_returns_with_its_values(plex, sync, rows) -> None:
    """Its title is the one that it had."""
    await sync(plex)
    film = next(plex.world.movies("1"))
    plex.world.drop(film.id)
    await sync(plex)
    plex.world.put(film)
    good = _titles(rows)
    plex.faults.bad_bytes(LISTING, times=1)

    await sync(plex)

    assert _titles(rows) == good
    assert rows("SELECT count(*) FROM movies WHERE state = 'missing'") == [(0,)]
