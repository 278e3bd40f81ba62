"""Tags, streams, chapters and markers of generated libraries.

There are forty of each, which all items share: a million items cost no more to make, and few forms to encode.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from retrovue_daemon.demo.items import Collection, Tags
from retrovue_daemon.demo.shelf import UHD, collection_guid, title_sort
from retrovue_daemon.demo.streams import Format, Stream, Streams, usual_streams
from retrovue_daemon.demo.timeline import Chapter, Marker

if TYPE_CHECKING:
    from retrovue_daemon.demo.world import Library, World

FORMS: Final = 40
"""How many sets of each kind there are; an item's number decides which it has."""
PLAIN_COLLECTIONS, SMART_COLLECTIONS = 20, 5  # in each library
MINUTE: Final = 60_000  # ms

GENRES: Final = ("Comedy", "Drama", "Mystery", "Adventure", "Documentary", "Western", "Fantasy", "Romance")
PEOPLE: Final = (
    "Ada Quill", "Bram Ostrow", "Chidi Vane", "Dolores Finch", "Emil Søby", "Farah Lind", "Goro Abe", "Hana Wu",
)  # fmt: skip
GUESTS: Final = tuple(f"{first.split()[0]} {second.split()[1]}" for first in PEOPLE for second in PEOPLE)
PARTS: Final = ("The Stranger", "The Neighbour", "Second Clerk", "The Ferryman", "Aunt Vesna", "Himself")
LABELS: Final = {3: "Late Night", 8: "Holiday", 13: "Staff Pick", 18: "Restored", 23: "Matinee"}
RANGES: Final = (("smpte2084", None), ("arib-std-b67", None), ("smpte2084", 8), (None, 5))
"""colorTrc and Dolby Vision profile of files in 4K; profile 5 has no colorTrc."""
LANGUAGES: Final = ("en", "de", "fr", "es", "pl", "ja", "zh")


def tags(number: int) -> Tags:
    """Return the tags of the films and shows of this number: two to five genres, a cast of up to 24."""
    start = number * 5 % len(GUESTS)
    cast = (*(PEOPLE[(number + j) % 8] for j in range(5)), *GUESTS[start : start + number % 20])
    genres = (GENRES[number % 8], *(GENRES[(number * step + step) % 8] for step in range(3, 4 + number % 4)))
    return Tags(
        genres=tuple(dict.fromkeys(genres)),
        countries=("United Kingdom",) if number % 2 else ("Poland", "France"),
        directors=(PEOPLE[number % 8],),
        writers=(PEOPLE[(number + 3) % 8], PEOPLE[(number + 5) % 8]),
        roles=cast,
        characters=tuple(PARTS[(number + j) % len(PARTS)] for j in range(len(cast))),
        producers=(PEOPLE[(number + 1) % 8],),
        collections=(collection_title(number),) if number < PLAIN_COLLECTIONS else (),
        labels=(LABELS[number],) if number in LABELS else (),
        networks=("Channel Nine and a Half",),
    )


def episode_tags(number: int) -> Tags:
    """Return the tags of the episodes of the shows of this number: two writers, a director, some guests."""
    of_show = tags(number)
    return Tags(directors=of_show.directors, writers=of_show.writers, roles=GUESTS[number : number + number % 6])


@lru_cache(maxsize=1_000)
def streams(number: int, form: Format) -> Streams:
    """Return the streams of the files of this number: one or two languages, up to four subtitles, HDR in 4K."""
    picture, sound = usual_streams(form)
    if form is UHD:
        color_trc, vision = RANGES[number % len(RANGES)]
        picture = replace(picture, bit_depth=10, color_trc=color_trc, dolby_vision=vision)
    dubbed = (replace(sound, language=LANGUAGES[number % 7], default=False),) if number % 3 == 0 else ()
    subtitles = (
        Stream(kind="subtitle", codec="srt", language=LANGUAGES[(number + j) % 7], external=j == 3, forced=j == 2)  # noqa: PLR2004
        for j in range(number % 5)
    )
    return (picture, sound, *dubbed, *subtitles)


def chapters(number: int, minutes: int) -> tuple[Chapter, ...]:
    """Return the chapters of items that last at least that many minutes; a third has none."""
    if number % 3 == 0:
        return ()
    length = minutes // (4 + number % 3) * MINUTE
    starts = range(0, minutes * MINUTE - length // 2, length)
    ends = [*starts[1:], None]
    return tuple(Chapter(start, end) for start, end in zip(starts, ends, strict=True))


def markers(number: int) -> tuple[Marker, ...]:
    """Return the markers of episodes; three in eight shows have none."""
    if number % 8 < 3:  # noqa: PLR2004  # of eight
        return ()
    start = 15_000 + number * 1_500
    credits_ = Marker("credits", 40_000 + number * 500, 0, final=True, from_end=True)
    return credits_, Marker("intro", start, start + 45_000)


def collection_title(number: int) -> str:
    """Return the title of a plain collection, which the items of that number name."""
    return f"The {GUESTS[number]} Collection"


def add_collections(world: World, library: Library) -> None:
    """Add the plain collections that items of a library name, and some smart ones."""
    named = {title for item in world.in_library(library.key, library.type) for title in item.tags.collections}
    for number in range(PLAIN_COLLECTIONS):
        if collection_title(number) in named:
            _add(world, library, collection_title(number), sort=number % 2)
    if named:
        for genre in GENRES[:SMART_COLLECTIONS]:
            _add(world, library, f"New {genre}", wanted=f"genre={genre}&sort=addedAt:desc&limit=100")


def _add(world: World, library: Library, title: str, *, sort: int = 0, wanted: str | None = None) -> None:
    world.put_collection(
        Collection(
            id=world.new_id("item"),
            library=library.key,
            guid=collection_guid(library.key, title),
            title=title,
            title_sort=title_sort(title),
            item_type=library.type,
            sort=sort,
            filter=wanted,
            added_at=world.now,
            updated_at=world.now,
        )
    )
