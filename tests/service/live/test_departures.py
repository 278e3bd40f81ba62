"""Items that leave a library, whichever of them a server names: their rows go within a minute, without a poll."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.service.live.test_distrust import shows
from tests.support.servers import MeasuredPlex

PRESENT = "state <> 'missing'"


@pytest.mark.parametrize("named", ["show", "show first", "leaves", "episodes"])
async def test_a_show_that_is_deleted(follow, gauge, rows, named):
    """Not all of it need be announced, nor at once. Nothing else says that there is something to list."""
    async with MeasuredPlex(shows(), gauge) as plex:
        live = await follow(plex)
        show, other = plex.world.shows()
        episodes = [*plex.world.leaves_of(show.id)]
        season = plex.world.item(episodes[0].season_id)
        for item in (show, season, *episodes):
            plex.world.drop(item.id)
        groups: dict[str, list[list[Any]]] = {
            "show": [[show]],
            "show first": [[show], [season, *episodes]],
            "leaves": [[season, *episodes]],
            "episodes": [episodes],
        }
        for group in groups[named]:
            for item in group:
                plex.notify.entry(other.id, state=9, itemID=item.rating_key)
            await live.after(6)
        if named in {"leaves", "episodes"}:
            # By requests for what they were in.
            assert plex.requests_for("/library/sections/*/*") == []
        else:
            await live.after(60)
        for table, number in (("shows", 1), ("seasons", 1), ("episodes", 3)):
            assert rows(f"SELECT count(*) FROM {table} WHERE {PRESENT}") == [(number,)]


async def test_a_film_that_moves_to_a_library_that_is_not_synced(follow, start_plex, rows):
    """The server still has it, so no request denies it."""
    plex = await start_plex("Comedies", "Dramas")
    plex.world.libraries["2"].type = "artist"
    live = await follow(plex, listings=1)
    film = next(plex.world.movies("1"))
    plex.world.put(replace(film, library="2"))
    plex.notify.entry(film.id, sectionID="1")
    await live.after(60)
    assert rows("SELECT state FROM movies WHERE rating_key = ?", film.rating_key) == [("missing",)]


async def test_a_key_that_an_episode_of_another_library_has_now(follow, gauge, rows):
    """The episode is a row at once, and the film whose key it has goes."""
    async with MeasuredPlex(shows(), gauge) as plex:
        library = plex.changes.add_library("movie", "Films", "/srv/films")
        film, other = (plex.changes.add_movie(library.key, title, 1931) for title in ("One", "Two"))
        live = await follow(plex)
        episode = next(iter(plex.world.leaves_of(next(iter(plex.world.shows())).id)))
        plex.world.drop(film.id)
        plex.world.put(replace(episode, id=film.id, title="New", index=9))
        plex.notify.entry(film.id)
        plex.notify.entry(other.id, state=9, itemID=film.rating_key)
        await live.after(3)
        assert rows("SELECT rating_key FROM episodes WHERE episode_title = 'New'") == [(film.rating_key,)]
        await live.after(60)
        assert rows(f"SELECT title FROM movies WHERE {PRESENT}") == [("Two",)]


async def test_a_key_that_a_missing_episode_had(follow, gauge, rows):
    """A film with that key comes and goes; the rows of both have it."""
    async with MeasuredPlex(shows(), gauge) as plex:
        library = plex.changes.add_library("movie", "Films", "/srv/films")
        film = plex.changes.add_movie(library.key, "One", 1931)
        live = await follow(plex)
        episode = next(iter(plex.world.leaves_of(next(iter(plex.world.shows())).id)))
        plex.changes.delete(episode.id)
        await live.after(60)
        new = replace(film, id=episode.id, title="New")
        plex.world.put(new)
        plex.notify.entry(new.id)
        await live.after(3)
        assert rows("SELECT state FROM movies WHERE title = 'New'") == [("active",)]
        plex.world.drop(new.id)
        plex.notify.entry(film.id, state=9, itemID=new.rating_key)
        await live.after(3)
        assert rows("SELECT state FROM movies WHERE title = 'New'") == [("missing",)]
