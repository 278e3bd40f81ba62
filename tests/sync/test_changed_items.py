"""The line that names what a pass changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from retrovue_daemon.demo import SimulatedPlex, generated_library
from retrovue_daemon.service.selection import Selection
from retrovue_daemon.store.items.changes import MOST_NAMED
from tests.support.servers import film_world

if TYPE_CHECKING:
    from collections.abc import Mapping

FULL = Selection(full=True)


@pytest.fixture
async def films():
    """A server with two libraries of two films each."""
    async with SimulatedPlex(film_world("Comedies", "Dramas")) as plex:
        yield plex


async def _round(running, selection: Selection = FULL) -> dict[str, dict[str, Any]]:
    """Sync, and return the lines that name changes, by library."""
    with capture_logs() as lines:
        await running.round(selection)
    return {line["library"]: dict(line) for line in lines if line["event"] == "items.changed"}


def _names(line: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["op"], item["kind"], item["title"]) for item in line["items"]]


async def test_what_was_done_is_named_with_what_left_first(engine, films) -> None:
    """Removed, moved, restored, added, updated: in the order of how much they matter."""
    for title in ("Alibi", "Borderline", "Cimarron", "Disraeli", "Emil", "Frankenstein"):
        films.changes.add_movie("1", title, 1930)
    running = await engine(films)
    line = (await _round(running))["Comedies"]
    assert _names(line)[2:4] == [("added", "movie", "Alibi (1930)"), ("added", "movie", "Borderline (1930)")]
    assert (line["server"], line["log_level"], line["more"]) == ("home", "info", 0)
    by_title = {movie.title: movie.id for movie in films.world.movies()}
    gone = films.changes.delete(by_title["Alibi"])
    assert _names((await _round(running))["Comedies"]) == [("removed", "movie", "Alibi (1930)")]
    for item in gone:
        films.world.put(item)
    films.changes.edit(by_title["Borderline"], title="Borderlines")
    films.changes.delete(by_title["Cimarron"])
    films.changes.recreate(by_title["Disraeli"])
    films.changes.add_movie("1", "Gold Diggers", 1933)
    assert _names((await _round(running))["Comedies"]) == [
        ("removed", "movie", "Cimarron (1930)"),
        ("moved", "movie", "Disraeli (1930)"),
        ("restored", "movie", "Alibi (1930)"),
        ("added", "movie", "Gold Diggers (1933)"),
        ("updated", "movie", "Borderlines (1930)"),
    ]
    assert await _round(running) == {}


async def test_an_item_that_moved_to_another_library_is_not_named_as_added(engine, films) -> None:
    """The pass that finds it gone knows better."""
    running = await engine(films)
    await _round(running)
    movie = next(movie for movie in films.world.movies() if movie.title == "Comedies 1")
    films.changes.move(movie.id, "2")
    lines = await _round(running)
    assert [_names(line) for line in lines.values()] == [[("moved", "movie", "Comedies 1 (1921)")]]


async def test_a_quick_pass_and_a_pass_that_fails_name_their_changes(engine, films) -> None:
    """What was written before the failure is in the database."""
    running = await engine(films)
    await _round(running)
    movie = next(films.world.movies())
    films.changes.edit(movie.id, title="A New Title")
    assert _names((await _round(running, Selection()))["Comedies"]) == [("updated", "movie", "A New Title (1921)")]
    films.changes.edit(movie.id, title="A Newer Title")
    films.faults.miscount("/library/sections/1/all", by=1, times=None)
    with capture_logs() as lines:
        await running.round(FULL)
    assert {line["status"] for line in lines if line["event"] == "sync.finished"} == {"ok", "incomplete"}
    (line,) = (line for line in lines if line["event"] == "items.changed")
    assert _names(line) == [("updated", "movie", "A Newer Title (1921)")]


async def test_a_first_sync_names_a_few_items_and_counts_the_rest(engine) -> None:
    """Shows before their episodes; each with what it belongs to."""
    world = generated_library(movies=30, shows=3, episodes=40)
    async with SimulatedPlex(world) as plex:
        lines = (await _round(await engine(plex))).values()
    films, shows = sorted(lines, key=lambda line: str(line["items"][0]["kind"]))
    assert (len(films["items"]), films["more"]) == (MOST_NAMED, 30 - MOST_NAMED)
    below = len([*world.seasons(), *world.episodes()])
    assert (len(shows["items"]), shows["more"]) == (MOST_NAMED, 3 + below - MOST_NAMED)
    kinds = [item["kind"] for item in shows["items"]]
    assert kinds == sorted(kinds, key=("show", "season", "episode").index)
    show = shows["items"][0]["title"].rpartition(" (")[0]
    assert f"{show} S01E01 " in " ".join(item["title"] for item in shows["items"])


async def test_a_held_back_removal_is_not_named(engine, films) -> None:
    """Nothing was changed; `sync.blocked` says why."""
    running = await engine(films)
    for number in range(40):
        films.changes.add_movie("1", f"Film {number}", 1930)
    await _round(running)
    for movie in list(films.world.movies())[:-2]:
        films.changes.delete(movie.id)
    with capture_logs() as lines:
        await running.round(FULL)
    events = [line["event"] for line in lines]
    assert "sync.blocked" in events
    assert "items.changed" not in events


async def test_titles_are_short_and_visible(engine, films) -> None:
    """A line is cut where a value is too long for it, and is no list then."""
    for number in range(MOST_NAMED):
        films.changes.add_movie("1", f"{number}\u202e\U000e0001" + "\U000e0001x" * 3_000, 1930)
    line = (await _round(await engine(films)))["Comedies"]
    assert len(line["items"]) == MOST_NAMED
    assert len(repr(line["items"])) < 4_000
    assert all(item["title"].isprintable() and len(item["title"]) <= 100 for item in line["items"])
