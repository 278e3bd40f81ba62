"""What channels are scheduled by, for some of the built-in library: tags, streams, chapters, markers, collections.

The films' people and parts are real. Everything is added without moving a timestamp, as if it had always been there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from retrovue_daemon.demo.items import Collection, Episode, Item, Movie, Show
from retrovue_daemon.demo.memberships import BY_RELEASE, CUSTOM
from retrovue_daemon.demo.shelf import HD, UHD, collection_guid, title_sort
from retrovue_daemon.demo.streams import Stream, Streams, usual_streams
from retrovue_daemon.demo.timeline import Chapter, Marker
from retrovue_daemon.demo.versions import with_first_part

if TYPE_CHECKING:
    from retrovue_daemon.demo.world import World

MINUTE: Final = 60_000  # ms
FILMS, IN_4K, SHOWS, ANIME = "1", "2", "3", "4"

CAST: Final = {
    "Nosferatu": {
        "Max Schreck": "Count Orlok",
        "Greta Schröder": "Ellen Hutter",
        "Gustav von Wangenheim": "Thomas Hutter",
        "Alexander Granach": "Knock",
        "Georg H. Schnell": "Harding",
        "Ruth Landshoff": "Ruth",
        "John Gottowt": "Professor Bulwer",
        "Gustav Botz": "Professor Sievers",
        "Max Nemetz": "Captain of the Empusa",
    },
    "Night of the Living Dead": {
        "Duane Jones": "Ben",
        "Judith O'Dea": "Barbra",
        "Karl Hardman": "Harry Cooper",
        "Marilyn Eastman": "Helen Cooper",
        "Keith Wayne": "Tom",
        "Judith Ridley": "Judy",
        "Kyra Schon": "Karen Cooper",
    },
}
"""Who played which part, in billing order."""

TAGS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Nosferatu": {
        "genres": ("Horror", "Fantasy", "Drama", "Thriller", "Silent"),
        "producers": ("Enrico Dieckmann", "Albin Grau"),
    },
    "Metropolis": {
        "genres": ("Drama", "Science Fiction", "Thriller", "Romance", "Silent"),
        "producers": ("Erich Pommer",),
    },
    "Sherlock Jr.": {"genres": ("Comedy", "Mystery", "Romance", "Action", "Silent")},
    "Night of the Living Dead": {
        "countries": ("United States of America",),
        "producers": ("Russell Streiner", "Karl Hardman"),
        "labels": ("Late Night", "Not Before 22:00"),
    },
    "House on Haunted Hill": {"labels": ("Late Night",), "producers": ("William Castle",)},
    "Charade": {"producers": ("Stanley Donen",)},
    "The Lighthouse Keepers": {
        "genres": ("Comedy", "Drama", "Maritime", "Mystery", "Horror"),
        "characters": ("The First Keeper", "The Second Keeper", "The Third Keeper", "The Inspector"),
        "labels": ("Staff Pick",),
        "networks": ("Marsden Bay",),
    },
    "The Nightly Almanac": {"networks": ("Marsden Bay",)},
    "Ghost in the 📺": {"genres": ("Drama", "Comedy", "Mystery", "Science Fiction", "Horror")},
}

SUBTITLE: Final = Stream(kind="subtitle", codec="srt")
SOUND: Final = Stream(kind="audio", codec="eac3", channels=6, layout="5.1(side)", bitrate=768, sampling_rate=48_000)
HDR10: Final = replace(usual_streams(UHD)[0], bit_depth=10, color_trc="smpte2084", level=153)

STREAMS: Final[dict[tuple[str, str], Streams]] = {
    (FILMS, "Nosferatu"): (
        *usual_streams(HD),
        *(replace(SUBTITLE, language=language) for language in ("en", "de", "fr")),
        replace(SUBTITLE, language="pl", external=True),
    ),
    (FILMS, "生れてはみたけれど"): (
        usual_streams(HD)[0],
        replace(usual_streams(HD)[1], language="ja"),
        replace(SUBTITLE, language="en", external=True, default=True),
    ),
    (FILMS, "His Girl Friday"): (
        *usual_streams(HD),
        replace(usual_streams(HD)[1], language="de", default=False),
        replace(SUBTITLE, language="en", hearing_impaired=True, title="SDH"),
        replace(SUBTITLE, language="de", forced=True),
    ),
    (IN_4K, "Night of the Living Dead"): (
        HDR10,
        replace(SOUND, language="en", default=True),
        replace(SOUND, codec="aac", language="en", channels=2, layout="stereo", title="Commentary"),
        replace(SUBTITLE, codec="pgs", language="en", hearing_impaired=True),
        replace(SUBTITLE, codec="pgs", language="es", forced=True),
    ),
    (IN_4K, "Charade"): (
        replace(HDR10, dolby_vision=8),
        replace(SOUND, language="en", default=True),
        replace(SOUND, language="de"),
        replace(SUBTITLE, codec="pgs", language="en"),
        replace(SUBTITLE, language="el", external=True),
        replace(SUBTITLE, codec=None),
    ),
}
"""The streams of a film's first file, by library and title."""

ACTS: Final = ("Act One", "Act Two", "Act Three", "Act Four", "Act Five")
INTRO: Final = Marker("intro", 42_000, 78_500)
CREDITS: Final = Marker("credits", 65_000, 20_000, from_end=True)
ADVERTS: Final = (Marker("commercial", 7 * MINUTE, 9 * MINUTE), Marker("commercial", 15 * MINUTE, 17 * MINUTE))
LAST_CREDITS: Final = Marker("credits", 12_000, 0, final=True, from_end=True)


def enrich(world: World) -> None:
    """Add it all."""
    for movie in [*world.movies(FILMS), *world.movies(IN_4K)]:
        world.put(_film(movie))
    for show in [*world.shows(SHOWS), *world.shows(ANIME)]:
        world.put(_show(show))
    _of_episodes(world)
    _collections(world)


def _film(movie: Movie) -> Movie:
    cast = CAST.get(movie.title, {})
    tags = replace(
        movie.tags,
        **({"roles": tuple(cast), "characters": tuple(cast.values())} if cast else {}),
        **TAGS.get(movie.title, {}),
    )
    movie = replace(movie, tags=tags)
    if streams := STREAMS.get((movie.library, movie.title)):
        movie = replace(movie, media=with_first_part(movie.media, {}, streams=streams))
    match movie.title:
        case "Nosferatu":
            length = (movie.duration or 0) // len(ACTS)
            acts = tuple(Chapter(n * length, (n + 1) * length, act) for n, act in enumerate(ACTS))
            return replace(movie, chapters=acts, chapter_source="agent")
        case "Night of the Living Dead":
            reels = (*(Chapter(n * 12 * MINUTE, (n + 1) * 12 * MINUTE) for n in range(7)), Chapter(84 * MINUTE))
            return replace(movie, chapters=reels, chapter_source="media", markers=(LAST_CREDITS,))
        case "Charade":
            return replace(movie, markers=(CREDITS, LAST_CREDITS))
    return movie


def _show(show: Show) -> Show:
    fields: dict[str, object] = {"tags": replace(show.tags, **TAGS.get(show.title, {}))}
    match show.title:
        case "The Lighthouse Keepers":
            fields |= {"tagline": "Somebody has to.", "has_theme": True}
        case "Sakana no Tantei":
            fields |= {"show_ordering": "absolute", "original_title": "さかなの探偵"}
    return replace(show, **fields)


def _of_episodes(world: World) -> None:
    """Give the episodes of one show breaks at chapters, intros and credits, and those of another commercials."""
    for episode in _episodes(world, "The Lighthouse Keepers"):
        if episode.season_index:
            breaks = (Chapter(0, 9 * MINUTE, "Cold Open"), Chapter(9 * MINUTE, 19 * MINUTE), Chapter(19 * MINUTE))
            markers = (LAST_CREDITS, INTRO)
            world.put(replace(episode, chapters=breaks, chapter_source="media", markers=markers))
    for episode in _episodes(world, "The Nightly Almanac"):  # recorded from television
        world.put(replace(episode, markers=ADVERTS))
    for episode in _episodes(world, "Sakana no Tantei"):
        world.put(replace(episode, original_title="さかなの探偵"))


def _collections(world: World) -> None:
    """Add three collections of films, one of shows, one of episodes, and two smart ones."""
    midnight = [
        _titled(world, title).id
        for title in ("Night of the Living Dead", "Carnival of Souls", "Plan 9 from Outer Space", "Nosferatu")
    ]
    fog = [e.id for e in _episodes(world, "The Lighthouse Keepers") if "Fog" in e.title]
    _collection(world, FILMS, "The Silent Era", "movie", sort=BY_RELEASE, summary="Quiet, please.")
    _collection(world, FILMS, "Midnight Movies", "movie", midnight, sort=CUSTOM, labels=("Late Night",))
    _collection(world, ANIME, "Saturday Morning", "show", sort=1)
    _collection(world, SHOWS, "Fog Nights", "episode", fog, sort=CUSTOM)
    _collection(world, FILMS, "Pre-War Laughs", "movie", wanted="genre=Comedy&year%3C%3C=1939&sort=year")
    _collection(world, FILMS, "Latest Three", "movie", wanted="sort=addedAt:desc&limit=3")


def _collection(
    world: World,
    library: str,
    title: str,
    item_type: str,
    members: list[int] | None = None,
    *,
    sort: int = 0,
    summary: str = "",
    labels: tuple[str, ...] = (),
    wanted: str | None = None,
) -> None:
    for item in [world.item(item_id) for item_id in members or ()]:
        world.put(replace(item, tags=replace(item.tags, collections=(*item.tags.collections, title))))
    collection = Collection(
        id=world.new_id("item"),
        library=library,
        guid=collection_guid(library, title),
        title=title,
        title_sort=title_sort(title),
        item_type=item_type,
        summary=summary,
        sort=sort,
        order=tuple(members or ()),
        filter=wanted,
        added_at=world.now,
        updated_at=world.now,
    )
    world.put_collection(replace(collection, tags=replace(collection.tags, labels=labels)))


def _titled(world: World, title: str) -> Item:
    return next(movie for movie in world.movies(FILMS) if movie.title == title)


def _episodes(world: World, title: str) -> list[Episode]:
    show = next(show for show in [*world.shows(SHOWS), *world.shows(ANIME)] if show.title == title)
    return world.leaves_of(show.id)
