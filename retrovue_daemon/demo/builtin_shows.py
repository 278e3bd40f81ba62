"""The built-in libraries of shows. Each function's docstring lists the special cases in its library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.demo.items import Media, Tags
from retrovue_daemon.demo.shelf import File, Shelf, file_name, new_library

if TYPE_CHECKING:
    from retrovue_daemon.demo.items import Episode, Season, Show
    from retrovue_daemon.demo.world import World

MINUTE = 60_000  # ms
LEGACY_HAMA = "com.plexapp.agents.hama"


def add_shows(world: World) -> None:
    """Add the show library: ordinary series, specials, a file with two episodes, a show with dates but no numbers.

    It also has a show with special characters in its name, names in several scripts, a season without episodes, an
    episode without a file, and one whose second version has lost its file.
    """
    library = new_library(world, "show", "TV Shows", "/srv/media/tv")
    shelf = Shelf(world, library)
    _lighthouse(shelf)
    _almanac(shelf)
    _kettle(shelf)
    _small_shows(shelf)


def add_anime(world: World) -> None:
    """Add shows matched by the HAMA and TheTVDB agents, whose guids contain season and episode numbers."""
    library = new_library(world, "show", "Anime", "/srv/media/anime", agent=LEGACY_HAMA)
    shelf = Shelf(world, library)
    for title, year, guid, titles in (
        (
            "星のたぬき",
            2011,
            f"{LEGACY_HAMA}://anidb-90417?lang=ja",
            ("落ちてきた星", "屋根の上の王", "さよなら銀河鉄道"),
        ),
        ("Sakana no Tantei", 2004, f"{LEGACY_HAMA}://tvdb-907731?lang=en", ("The Missing Gill", "Cold Water")),
        ("Robo Granny", 1998, "com.plexapp.agents.thetvdb://905512?lang=en", ("Power On", "The Tea Incident")),
    ):
        tags = Tags(genres=("Animation",), roles=("Hana Wu", "Goro Abe"), collections=("Saturday Morning",))
        show = shelf.show(
            title, year, guid=guid, studio="Studio Tanuki", released=f"{year}-04-03", rating=7.9, tags=tags
        )
        _season(shelf, show, 1, titles, minutes=24, year=year)


def _lighthouse(shelf: Shelf) -> None:
    show = shelf.show(
        "The Lighthouse Keepers",
        2019,
        external_guids=("imdb://tt90190001", "tmdb://9019001", "tvdb://9019002"),
        released="2019-10-04",
        summary="Three keepers, one lamp, and a rota that nobody can read.",
        studio="Marsden Bay Television",
        rating=8.1,
        tags=Tags(genres=("Comedy", "Drama", "Maritime"), roles=("Ada Quill", "Bram Ostrow", "Hana Wu", "Emil Søby")),
    )
    _season(shelf, show, 0, ("The Making of the Lamp", "A Keeper's Christmas"), minutes=44, year=2019)
    _season(shelf, show, 1, ("Fog", "More Fog", "The Relief Boat", "Sardines", "Lights Out"), minutes=29, year=2019)
    season = _season(shelf, show, 2, ("Return of the Fog", "The Inspector"), minutes=29, year=2021)
    _two_in_one_file(shelf, season, 3, ("The Storm, Part One", "The Storm, Part Two"))


def _two_in_one_file(shelf: Shelf, season: Season, first: int, titles: tuple[str, str]) -> None:
    """Add two episodes that share one file, each with its own Media and Part."""
    path = f"{_folder(shelf, season)} - S{season.index:02d}E{first:02d}-E{first + 1:02d}.mkv"
    file = File(path=path, duration=58 * MINUTE)
    for offset, title in enumerate(titles):
        media = shelf.media(file)
        if offset:
            media = msgspec.structs.replace(media, display_offset=50)
        shelf.episode(season, first + offset, title, media=(media,), released="2021-10-22")


def _almanac(shelf: Shelf) -> None:
    """Add a daily programme: its episodes have dates and no numbers; its season is a year and is not displayed."""
    show = shelf.show("The Nightly Almanac", 2025, studio="Marsden Bay Television", summary="The news, but calmer.")
    shelf.world.put(msgspec.structs.replace(show, flattened=True))
    season = shelf.season(show, 2025)
    for day in range(1, 6):
        date = f"2025-12-{day:02d}"
        file = File(path=f"{_folder(shelf, season)} - {date}.mkv", duration=22 * MINUTE + day * 977)
        episode = shelf.episode(season, None, f"Almanac of {date}", media=(shelf.media(file),), released=date)
        shelf.world.put(msgspec.structs.replace(episode, updated_at=None))


def _kettle(shelf: Shelf) -> None:
    show = shelf.show(
        'Kettle & Crow: "Private" Eyes?',
        2016,
        external_guids=("tvdb://9016003",),
        summary="She finds things out. He is a crow.",
        tags=Tags(genres=("Crime", "Comedy"), roles=("Farah Lind",)),
    )
    titles = ("A <Very> Cold Case", "50% Off", "It's Raining; Cats\\Dogs", "Who's there?", "#5")
    season = _season(shelf, show, 1, titles, minutes=51, year=2016)
    shelf.episode(season, 6, "The Lost Reel", media=(), released="2016-12-24")
    hollow = Media(id=shelf.world.new_id("media"), parts=())
    file = File(path=f"{_folder(shelf, season)} - S01E07.mkv", duration=51 * MINUTE)
    shelf.episode(season, 7, "The Found Reel", media=(shelf.media(file), hollow), released="2016-12-31")
    shelf.season(show, 2)


def _small_shows(shelf: Shelf) -> None:
    for title, year, titles in (
        ("Das Fenster zum Moor", 2022, ("Nebel über Öhringen", "Das große Schweigen")),
        ("Дачники", 2018, ("Первая электричка", "Огурцы", "Гроза")),
        ("البيت الأخير", 2020, ("الباب", "النافذة")),
        ("מגדלור", 2023, ("פרק ראשון",)),
        ("Το Καφενείο", 2015, ("Καφές", "Τάβλι", "Λογαριασμός")),  # noqa: RUF001  # it is Greek
        ("สถานีปลายทาง", 2024, ("ชานชาลาที่หนึ่ง",)),
        ("Ghost in the 📺", 2021, ("No Signal 👻",)),
    ):
        number = year % 100 + 9_000_000
        show = shelf.show(title, year, external_guids=(f"tvdb://{number}",), tags=Tags(genres=("Drama",)))
        _season(shelf, show, 1, titles, minutes=43, year=year)
    unmatched = shelf.show(
        "tapes from the attic", None, guid=f"local://{shelf.world.new_id('item')}", content_rating=None
    )
    _season(shelf, unmatched, 1, ("Episode 1", "Episode 2"), minutes=60, year=None)


def _season(
    shelf: Shelf, show: Show, index: int, titles: tuple[str, ...], *, minutes: int, year: int | None
) -> Season:
    season = shelf.season(show, index)
    for number, title in enumerate(titles, start=1):
        shelf.world.pass_time(3_607)
        path = f"{_folder(shelf, season)} - S{index:02d}E{number:02d} - {file_name(title)}.mkv"
        media = shelf.media(File(path=path, duration=minutes * MINUTE + len(path) * 311))
        released = f"{year}-{(number - 1) // 4 + 1:02d}-{(number - 1) % 4 * 7 + 1:02d}" if year is not None else None
        _episode(shelf, season, number, title, media, released)
    return season


def _episode(
    shelf: Shelf, season: Season, number: int, title: str, media: Media, released: str | None
) -> Episode:  # fmt: skip
    show = shelf.world.show_of(season)
    numbered = show.guid.startswith("plex://")
    identity = show.id * 10_000 + season.index * 100 + number
    return shelf.episode(
        season,
        number,
        title,
        media=(media,),
        released=released,
        external_guids=(f"tvdb://{90_000_000 + identity}",) if numbered else (),
        rating=7.2,
        tags=Tags(directors=("Chidi Vane",), writers=("Dolores Finch", "Goro Abe"), roles=("Ada Quill",)),
    )


def _folder(shelf: Shelf, season: Season) -> str:
    show = shelf.world.show_of(season)
    name = file_name(show.title, show.year)
    below = "Specials" if season.index == 0 else f"Season {season.index:02d}"
    return f"{name}/{below}/{file_name(show.title)}"
