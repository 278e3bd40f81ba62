"""Libraries of any size, identical for the same numbers and seed."""

from __future__ import annotations

import gc
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo import generate_rich as rich
from retrovue_daemon.demo.items import Episode, Media, Movie, Part, Season, Show
from retrovue_daemon.demo.shelf import HD, SD, UHD, file_name, new_library, title_sort
from retrovue_daemon.demo.world import OPENING, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.demo.streams import Format
    from retrovue_daemon.demo.world import Library

EPISODES_A_SEASON = 22
SPECIALS_EVERY = 5  # shows
TWO_VERSIONS, TWO_FILES, UNMATCHED = 7, 11, 13  # which of every 25, 40 and 50 films
SHORTEST_FILM, SHORTEST_EPISODE = 70, 21  # minutes
SECONDS_BETWEEN = 97  # between additions, so that libraries look as if they had grown over time

ADJECTIVES = (
    "Amber", "Borrowed", "Crooked", "Distant", "Electric", "Forgotten", "Gentle", "Hollow", "Invisible", "Jagged",
    "Kindly", "Lunar", "Midnight", "Northern", "Obstinate", "Paper", "Quiet", "Rusted", "Silver", "Thirsty",
    "Unlikely", "Velvet", "Wandering", "Yellow", "Grüne", "Été", "Ночной", "静かな", "Żółty", "Μπλε",
)  # fmt: skip
NOUNS = (
    "Almanac", "Bridge", "Compass", "Door", "Engine", "Ferry", "Garden", "Harbour", "Island", "Jury", "Kitchen",
    "Lantern", "Mirror", "Neighbour", "Orchard", "Parade", "Quarry", "River", "Signal", "Telegram", "Umbrella",
    "Voyage", "Window", "Yard", "Zeppelin", "Straße", "Forêt", "Вокзал", "図書館", "Łąka", "Θάλασσα",
)  # fmt: skip
SUMMARY = (
    "A letter arrives that should have come forty years ago, and nobody in the house admits to having posted it. "
    "What begins as an afternoon's errand turns into a long way round."
)
QUOTING = SUMMARY.replace("a long way round", 'what they will call "the long way round"')
QUOTES_EVERY = 20
"""Summaries contain quotation marks, which JSON escapes, so that parsing them takes realistic time."""

EPISODE_TITLES = tuple(f"{ADJECTIVES[number % 30]} {NOUNS[number * 7 % 31]}" for number in range(930))
RATINGS = tuple(number / 10 + 5 for number in range(50))
DAYS = tuple(f"-{month:02d}-{day:02d}" for month in range(1, 13) for day in (3, 10, 17, 24))


def summary(number: int) -> str:
    """Return the summary of a film, a show or a season's episodes by number."""
    return QUOTING if number % QUOTES_EVERY == 0 else SUMMARY


def generated_library(
    *,
    movies: int,
    shows: int,
    episodes: int,
    seed: int = 0,
    show_libraries: int = 1,
    season: int = EPISODES_A_SEASON,
) -> World:
    """Return a world with one film library and one show library; `episodes` is the number per show.

    Several `show_libraries` receive the shows in turn; `season` is the largest number of episodes per season. A
    million episodes take a few seconds and 1.5 GB. Special cases are mixed in: every 25th film has two versions,
    every 40th two files, every 50th no match; every fifth show has specials; every eighth episode has no updatedAt.
    Each library has twenty plain collections and five smart ones, if it is large enough.
    """
    world = World(name=f"Generated {seed}", machine_identifier=f"{random.Random(seed).getrandbits(160):040x}")  # noqa: S311  # not a secret
    # The library has grown until the clock's start: a million later additions would lie years in the clients' future.
    world.now = OPENING - SECONDS_BETWEEN * (movies + shows * (episodes + 1))
    generator = _Generator(world, seed, season)
    film_library = new_library(world, "movie", "Movies", "/data/movies")
    numbers = ("", *(f" {number}" for number in range(2, show_libraries + 1)))
    libraries = [new_library(world, "show", f"TV Shows{n}", f"/data/tv{n.strip()}") for n in numbers]
    with _without_collector():
        for number in range(movies):
            generator.movie(film_library, number)
        for number in range(shows):
            generator.show(libraries[number % show_libraries], number, episodes)
    for library in (film_library, *libraries):
        rich.add_collections(world, library)
        library.scanned_at = library.updated_at = world.now
        library.content_changed_at = world.count_change()
    return world


@contextmanager
def _without_collector() -> Iterator[None]:
    """Pause the garbage collector's search for cycles, which items never form: it would take a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Generator:
    """Makes items from numbers. It builds values directly, because at a million items every saved call counts."""

    def __init__(self, world: World, seed: int, season_length: int) -> None:
        self.world = world
        self.seed = seed
        self.season_length = season_length
        self.guid_start = f"5e{seed & 0xFFFFFF:06x}"
        self.tags = [*map(rich.tags, range(rich.FORMS))]
        self.episode_tags = [*map(rich.episode_tags, range(rich.FORMS))]
        self.film_chapters = [rich.chapters(number, SHORTEST_FILM) for number in range(rich.FORMS)]
        self.chapters = [rich.chapters(number, SHORTEST_EPISODE) for number in range(rich.FORMS)]
        self.markers = [*map(rich.markers, range(rich.FORMS))]

    def guid(self, item_type: str, item_id: int) -> str:
        return f"plex://{item_type}/{self.guid_start}{item_id:016x}"

    def title(self, number: int) -> str:
        adjective, noun = ADJECTIVES[number % 30], NOUNS[number // 30 % 31]
        volume = number // 930
        return f"The {adjective} {noun}" if volume == 0 else f"The {adjective} {noun} {volume + 1}"

    def media(self, number: int, path: str, duration: int, form: Format = HD, *, stamp: int) -> Media:
        world = self.world
        part = Part(
            id=world.new_id("part"),
            file=path,
            stamp=stamp,
            size=duration * form.bitrate // 8 + stamp % 4096,
            duration=duration,
            container="mkv",
            streams=rich.streams(number % rich.FORMS, form),
        )
        return Media(id=world.new_id("media"), parts=(part,), duration=duration, format=form)

    def movie(self, library: Library, number: int) -> None:
        world = self.world
        now = world.pass_time(SECONDS_BETWEEN)
        item_id = world.new_id("item")
        title = self.title(number)
        year = 1915 + number * 7 % 110
        name = file_name(title, year)
        base = f"{library.locations[0].path}/{name}/{name}"
        duration = 4_200_000 + number * 7919 % 4_800_000
        media: tuple[Media, ...] = (self.media(number, f"{base}.mkv", duration, stamp=now - 4000),)
        if number % 25 == TWO_VERSIONS:
            media = (self.media(number, f"{base} - 2160p.mkv", duration, UHD, stamp=now - 3000), *media)
        if number % 40 == TWO_FILES:
            first, second = (
                self.media(number, f"{base} - pt{i}.mkv", duration // 2, SD, stamp=now - 2000) for i in (1, 2)
            )
            media = (Media(id=first.id, parts=first.parts + second.parts, duration=duration, format=SD),)
        unmatched = number % 50 == UNMATCHED
        chapters = self.film_chapters[number % rich.FORMS]
        world.put(
            Movie(
                id=item_id,
                library=library.key,
                guid=f"local://{item_id}" if unmatched else self.guid("movie", item_id),
                external_guids=()
                if unmatched
                else (
                    f"imdb://tt{9_000_000 + number:07d}",
                    f"tmdb://{800_000 + number}",
                    f"tvdb://{300_000 + number}",
                ),
                title=title,
                title_sort=title_sort(title),
                summary=summary(number),
                year=None if unmatched else year,
                originally_available_at=None if unmatched else f"{year}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
                content_rating="PG",
                studio="Harbour Light Pictures",
                rating=number % 60 / 10 + 4,
                audience_rating=number % 50 / 10 + 5,
                tags=self.tags[number % rich.FORMS],
                media=media,
                duration=duration,
                chapters=chapters,
                chapter_source="media" if chapters else None,
                added_at=now,
                updated_at=now + 30,
            )
        )

    def show(self, library: Library, number: int, episodes: int) -> None:
        world = self.world
        now = world.pass_time(SECONDS_BETWEEN)
        title = self.title(number * 11 + 5 + self.seed % 7)
        year = 1960 + number * 5 % 64
        show_id = world.new_id("item")
        show = Show(
            id=show_id,
            library=library.key,
            guid=self.guid("show", show_id),
            title=title,
            title_sort=title_sort(title),
            summary=summary(number),
            year=year,
            originally_available_at=f"{year}-09-{number % 28 + 1:02d}",
            content_rating="TV-PG",
            studio="Channel Nine and a Half",
            rating=number % 40 / 10 + 5,
            tags=self.tags[number % rich.FORMS],
            duration=1_500_000,
            tagline="It begins at the door." if number % 4 else None,
            has_theme=number % 3 == 0,
            external_guids=(
                f"imdb://tt{8_000_000 + number:07d}",
                f"tmdb://{200_000 + number}",
                f"tvdb://{400_000 + number}",
            ),
            added_at=now,
            updated_at=now + 60,
        )
        world.put(show)
        specials = min(2, episodes) if number % SPECIALS_EVERY == 0 else 0
        self.season(show, 0, 0, specials, folder := f"{library.locations[0].path}/{file_name(title, year)}")
        length = self.season_length
        for season, first in enumerate(range(specials, episodes, length), start=1):
            self.season(show, season, first, min(first + length, episodes), folder)

    def season(self, show: Show, index: int, first: int, end: int, folder: str) -> None:
        """Add season `index` with the show's episodes numbered from `first` to before `end`; add nothing if empty."""
        if first == end:
            return
        world = self.world
        season_id = world.new_id("item")
        season = Season(
            id=season_id,
            library=show.library,
            show_id=show.id,
            index=index,
            guid=self.guid("season", season_id),
            title="Specials" if index == 0 else f"Season {index}",
            added_at=show.added_at,
            updated_at=show.updated_at,
        )
        world.put(season)
        year = (show.year or 0) + index
        dates = [f"{year}{day}" for day in DAYS]
        guid_start = self.guid("episode", 0)[:-16]
        stem = f"{folder}/Season {index:02d}/{show.title} - S{index:02d}E"
        form = show.id % rich.FORMS
        chapters = self.chapters[form]
        streams = rich.streams(form, HD)
        alike = Episode(
            id=0,
            library=show.library,
            show_id=show.id,
            season_id=season_id,
            season_index=index,
            guid="",
            title="",
            summary=summary(season_id),
            year=year,
            content_rating=show.content_rating,
            tags=self.episode_tags[form],
            chapters=chapters,
            chapter_source="media" if chapters else None,
            markers=self.markers[form],
            added_at=0,
        )
        count = end - first
        added_at = world.now + SECONDS_BETWEEN
        world.pass_time(count * SECONDS_BETWEEN)
        ids = zip(
            *(world.new_ids(kind, count) for kind in ("item", "media", "part")), range(1, count + 1), strict=True
        )
        episodes: list[Episode] = []
        for item_id, media_id, part_id, number in ids:
            title = EPISODE_TITLES[item_id % len(EPISODE_TITLES)]
            duration = 1_260_000 + item_id * 7919 % 480_000
            stamp = added_at - 5000
            part = Part(
                id=part_id,
                file=f"{stem}{number:02d} - {title}.mkv",
                stamp=stamp,
                size=duration * HD.bitrate // 8 + stamp % 4096,
                duration=duration,
                container="mkv",
                streams=streams,
            )
            # Copying with a few fields changed takes a quarter of the time of a call with all of them.
            episode = msgspec.structs.replace(
                alike,
                id=item_id,
                index=number,
                guid=f"{guid_start}{item_id:016x}",
                external_guids=(
                    f"imdb://tt{10_000_000 + item_id}",
                    f"tmdb://{item_id}",
                    f"tvdb://{item_id + 5_000_000}",
                ),
                title=title,
                originally_available_at=dates[number % len(DAYS)],
                media=(Media(id=media_id, parts=(part,), duration=duration, format=HD),),
                duration=duration,
                audience_rating=RATINGS[item_id % len(RATINGS)],
                added_at=added_at,
                updated_at=None if item_id % 8 == 0 else added_at + 20,
            )
            episodes.append(episode)
            added_at += SECONDS_BETWEEN
        world.put_episodes(season, episodes)
