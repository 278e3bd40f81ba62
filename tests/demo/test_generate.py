"""Generated libraries have the requested size, are reproducible, and have some oddities of real ones."""

from __future__ import annotations

from retrovue_daemon.demo import generated_library
from retrovue_daemon.demo.world import OPENING


def test_it_has_the_requested_size() -> None:
    """Films, shows, and so many episodes a show, whatever the seasons."""
    for episodes in (0, 1, 2, 3, 22, 23, 90):
        world = generated_library(movies=7, shows=6, episodes=episodes)
        assert len(list(world.movies())) == 7
        assert len(list(world.shows())) == 6
        assert [len(world.leaves_of(show.id)) for show in world.shows()] == [episodes] * 6


def test_the_same_numbers_make_the_same_world() -> None:
    """And another seed another server with other guids."""
    first, second, other = (generated_library(movies=30, shows=3, episodes=30, seed=seed) for seed in (1, 1, 2))
    assert first.items == second.items
    assert first.machine_identifier == second.machine_identifier != other.machine_identifier
    guids = {item.guid for item in first.items.values()}
    assert not [item for item in other.items.values() if item.guid in guids and not item.guid.startswith("local://")]


def test_it_has_grown_before_its_clock_begins() -> None:
    """However large it is, nothing in it is newer than what happens to it next."""
    for shows in (1, 400):
        world = generated_library(movies=100, shows=shows, episodes=50)
        times = [
            time for item in world.items.values() for time in (item.added_at, item.updated_at) if time is not None
        ]
        assert world.now == OPENING
        assert max(times) <= OPENING + 60
        assert max(times) > OPENING - 600
        assert min(times) < OPENING - (100 + shows * 50) * 60


def test_it_has_oddities() -> None:
    """Versions, stacked files, unmatched films, specials, and episodes without updatedAt."""
    world = generated_library(movies=100, shows=6, episodes=50)
    movies = list(world.movies())
    assert sum(len(movie.media) == 2 for movie in movies) == 4
    assert sum(len(movie.media[0].parts) == 2 for movie in movies) == 3
    assert sum(movie.guid.startswith("local://") for movie in movies) == 2
    assert sum(season.index == 0 for season in world.seasons()) == 2
    assert any(episode.updated_at is None for episode in world.episodes())
    titles = [show.title for show in generated_library(movies=0, shows=2000, episodes=0).shows()]
    assert len(set(titles)) == len(titles)


def test_shows_can_be_spread_over_libraries_and_seasons_be_short() -> None:
    """Each library gets its share, whole shows only; as many seasons as it takes."""
    world = generated_library(movies=0, shows=500, episodes=40, show_libraries=8, season=13)
    keys = [key for key, library in world.libraries.items() if library.type == "show"]
    shares = [len(world.in_library(key, "show")) for key in keys]
    assert sorted(shares) == [62] * 4 + [63] * 4
    assert len({library.locations[0].path for library in world.libraries.values()}) == 9
    assert len(list(world.seasons())) == 2000
    assert len(list(world.episodes())) == 20_000
    for episode in world.episodes():
        assert world.show_of(episode).library == world.season_of(episode).library == episode.library
