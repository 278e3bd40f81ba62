"""The built-in library has one of everything that it promises, and nothing that a real server could not have."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo import Memberships, World, built_in_library, generated_library
from retrovue_daemon.demo.timeline import chapters_of, markers_of
from retrovue_daemon.demo.world import media_of

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Episode, Movie


@pytest.fixture(scope="module")
def world() -> World:
    return built_in_library()


@pytest.fixture(scope="module", params=["built-in", "generated"])
def any_world(request: pytest.FixtureRequest, world: World) -> World:
    return world if request.param == "built-in" else generated_library(movies=120, shows=12, episodes=50)


def test_it_is_the_same_every_time(world: World) -> None:
    """Ids, times and sizes do not depend on when or where it is built."""
    again = built_in_library()
    assert again.items == world.items
    assert again.libraries == world.libraries
    assert again.collections == world.collections


def test_it_has_every_type_of_library(world: World) -> None:
    """Films, shows, music and photos; also one that is empty."""
    assert Counter(library.type for library in world.libraries.values()) == {
        "movie": 4,
        "show": 3,
        "artist": 1,
        "photo": 1,
    }
    assert not list(world.shows("7"))


def test_it_has_every_kind_of_file(world: World) -> None:
    """Versions, stacked parts, optimized ones, some not analysed, versions without part and items without."""
    movies = list(world.movies())
    episodes = list(world.episodes())
    media = [version for movie in movies for version in movie.media]
    media += [version for episode in episodes for version in episode.media]
    assert [movie.title for movie in movies if len(movie.media) == 2] == ["Charade", "His Girl Friday"]
    assert [movie.title for movie in movies if any(len(m.parts) == 2 for m in movie.media)] == ["Metropolis"]
    assert [m.target for m in media if m.proxy_type == 42] == ["Optimized for Mobile"]
    assert [movie.title for movie in movies if any(m.format is None for m in movie.media)] == ["D.O.A."]
    assert [movie.title for movie in movies if not movie.media] == ["Detour"]
    assert [movie.title for movie in movies if movie.deleted_at is not None] == ["Plan 9 from Outer Space"]
    assert [e.title for e in episodes if not e.media] == ["The Lost Reel"]
    assert [e.title for e in episodes if any(not m.parts for m in e.media)] == ["The Found Reel"]


def test_two_episodes_share_a_file(world: World) -> None:
    """One path, two episodes in a row, different ids of Media and Part, the same length and size."""
    files = Counter(part.file for _, _, part in world.parts("3"))
    (shared,) = [file for file, count in files.items() if count == 2]
    (first, first_media, first_part), (second, second_media, second_part) = [
        found for found in world.parts("3") if found[2].file == shared
    ]
    assert (first.title, second.title) == ("The Storm, Part One", "The Storm, Part Two")
    assert first_media.id != second_media.id
    assert first_part.id != second_part.id
    assert first_part.size == second_part.size
    assert first.duration == second.duration == first_part.duration
    assert (first_media.display_offset, second_media.display_offset) == (None, 50)


def test_copies_in_4k_have_the_same_guid(world: World) -> None:
    """A film in two libraries is two items with one guid."""
    in_hd = {movie.guid: movie for movie in world.movies("1")}
    in_4k = list(world.movies("2"))
    assert [movie.title for movie in in_4k] == ["Charade", "Night of the Living Dead"]
    for movie in in_4k:
        assert movie.media[0].format is not None
        assert movie.media[0].format.video_resolution == "4k"
        assert in_hd[movie.guid].id != movie.id


def test_editions_are_items_of_their_own(world: World) -> None:
    """Same guid, same title and year, distinguished by editionTitle."""
    phantoms = [movie for movie in world.movies("1") if movie.title == "The Phantom of the Opera"]
    assert [movie.edition_title for movie in phantoms] == [None, "1929 Sound Reissue"]
    assert len({movie.guid for movie in phantoms}) == 1


@pytest.mark.parametrize(
    "scheme",
    [
        "plex://movie/",
        "plex://show/",
        "plex://season/",
        "plex://episode/",
        "local://",
        "com.plexapp.agents.imdb://tt0016630?lang=en",
        "com.plexapp.agents.themoviedb://28627?lang=de",
        "com.plexapp.agents.thetvdb://905512/1/2?lang=en",
        "com.plexapp.agents.hama://anidb-90417/1/3?lang=ja",
        "com.plexapp.agents.hama://tvdb-907731/1?lang=en",
        "com.plexapp.agents.none://",
        "tv.plex.agents.custom.cinematheque.home://movie/",
    ],
)
def test_it_has_every_scheme_of_guid(world: World, scheme: str) -> None:
    """Modern, legacy with season and episode, unmatched and custom ones."""
    assert any(item.guid.startswith(scheme) for item in world.items.values())


def test_it_has_specials_and_dates_and_empty_seasons(world: World) -> None:
    """Season 0, episodes without a number, a season that is a year, and one without episodes."""
    assert any(season.index == 0 and season.title == "Specials" for season in world.seasons())
    assert {e.originally_available_at for e in world.episodes() if e.index is None} >= {"2025-12-01", "2025-12-05"}
    assert any(season.index == 2025 for season in world.seasons())
    assert any(not world.count_children(season.id) for season in world.seasons())


def test_names_are_in_many_scripts(world: World) -> None:
    """Titles and paths alike."""
    titles = "".join(item.title for item in world.items.values())
    paths = "".join(part.file or "" for _, _, part in world.parts())
    words = ("Потёмкин", "神女", "청춘", "हरिश्चन्द्र", "البيت", "מגדלור", "Καφενείο", "สถานี", "Häxan", "星のたぬき")
    assert all(word in titles and word in paths for word in words)
    assert "📺" in titles


def test_ids_are_unique(any_world: World) -> None:
    """Among items, versions and parts, each kind for itself."""
    media = [version for item in any_world.items.values() for version in media_of(item)]
    parts = [part for version in media for part in version.parts]
    assert len({version.id for version in media}) == len(media)
    assert len({part.id for part in parts}) == len(parts)
    assert all(item_id == item.id for item_id, item in any_world.items.items())


def test_every_file_lies_in_a_folder_of_its_library(any_world: World) -> None:
    """And no two items but the double episode have the same path."""
    files: Counter[str] = Counter()
    for item, _, part in any_world.parts():
        roots = [f"{location.path}/" for location in any_world.libraries[item.library].locations]
        assert part.file is not None
        assert part.file.startswith(tuple(roots))
        files[part.file] += 1
    assert sum(count > 1 for count in files.values()) <= 1


def test_every_child_has_its_parents(any_world: World) -> None:
    """Episodes' seasons and shows are in the same library, with the number that the episode carries."""
    for episode in any_world.episodes():
        season, show = any_world.season_of(episode), any_world.show_of(episode)
        assert season.show_id == show.id
        assert season.index == episode.season_index
        assert season.library == show.library == episode.library


def test_no_guid_of_an_episode_stands_for_two(any_world: World) -> None:
    """Within a library; movies may have editions."""
    guids = [episode.guid for episode in any_world.episodes()]
    assert len(set(guids)) == len(guids)


def test_it_has_everything_that_channels_are_scheduled_by(any_world: World) -> None:
    """More genres than a listing shows, labels, chapters, markers, subtitles, HDR, plain and smart collections."""
    playable: list[Movie | Episode] = [*any_world.movies(), *any_world.episodes()]
    streams = [s for item in playable for media in item.media for part in media.parts for s in part.streams or ()]
    assert max(len(item.tags.genres) for item in playable) > 3
    assert all({*item.tags.labels, *item.tags.collections} for item in any_world.movies() if item.tags.labels)
    assert len({s.language for s in streams if s.kind == "subtitle"}) > 4
    assert {s.external for s in streams} == {s.forced for s in streams} == {True, False}
    assert any(s.color_trc == "smpte2084" and s.dolby_vision is None for s in streams)
    assert any(s.dolby_vision for s in streams)
    assert {marker.type for item in playable for marker in item.markers} >= {"intro", "credits"}
    memberships = Memberships(any_world)
    assert all(memberships.of(collection) for collection in any_world.collections.values())
    assert {collection.filter is None for collection in any_world.collections.values()} == {True, False}


def test_chapters_follow_each_other_to_the_end(any_world: World) -> None:
    """Of the item, without gaps; markers lie within it."""
    playable: list[Movie | Episode] = [*any_world.movies(), *any_world.episodes()]
    with_chapters = [item for item in playable if item.chapters]
    assert len(with_chapters) > 5
    for item in with_chapters:
        chapters = chapters_of(item)
        assert chapters[0].start == 0
        assert [c.end for c in chapters] == [*(c.start for c in chapters[1:]), item.duration]
        assert all(c.start < (c.end or 0) for c in chapters)
        assert item.chapter_source is not None
        assert all(0 <= m.start < m.end <= (item.duration or 0) for m in markers_of(item))
