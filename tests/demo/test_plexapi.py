"""python-plexapi, written for real servers, works with the simulated one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import plexapi.exceptions
import pytest
import requests
from plexapi.server import PlexServer

from retrovue_daemon.demo import Memberships, SimulatedPlex, built_in_library, generated_library
from retrovue_daemon.demo.files import streams_of
from retrovue_daemon.demo.items import Episode, Movie, Show
from retrovue_daemon.demo.streams import NUMBERS
from retrovue_daemon.demo.timeline import chapters_of, markers_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

Answer = TypeVar("Answer")


class Ask(Protocol):
    async def __call__(self, question: Callable[[PlexServer], Answer], token: str | None = None) -> Answer: ...


@pytest.fixture
def ask(plex: SimulatedPlex) -> Iterator[Ask]:
    """Runs a query of the blocking client in a thread."""
    with requests.Session() as session:

        async def ask(question: Callable[[PlexServer], Any], token: str | None = None) -> Any:
            return await asyncio.to_thread(
                lambda: question(PlexServer(plex.url, token or plex.token, session=session, timeout=10))
            )

        yield ask


async def test_it_connects(ask: Ask, plex: SimulatedPlex) -> None:
    """Name, version and identity are read."""
    server = await ask(lambda server: server)
    assert server.friendlyName == plex.world.name
    assert server.machineIdentifier == plex.world.machine_identifier
    assert await ask(lambda server: server.identity().version) == plex.world.release.version
    assert await ask(lambda server: server.sessions()) == []


async def test_it_is_refused_with_a_wrong_token(ask: Ask) -> None:
    """With the library's own exception."""
    with pytest.raises(plexapi.exceptions.Unauthorized):
        await ask(lambda server: server, token="wrong")


async def test_it_lists_libraries(ask: Ask, plex: SimulatedPlex) -> None:
    """Of all types, with folders and the number of entries."""
    found = await ask(
        lambda server: [(s.key, s.type, s.title, s.locations, s.totalSize) for s in server.library.sections()]
    )
    assert found == [
        (
            int(library.key),
            library.type,
            library.title,
            [location.path for location in library.locations],
            len(plex.world.in_library(library.key, library.type)),
        )
        for library in plex.world.libraries.values()
    ]


async def test_it_reads_films(ask: Ask, plex: SimulatedPlex) -> None:
    """Every film with its files, guids and genres."""

    def read(server: PlexServer) -> dict[int, tuple[Any, ...]]:
        return {
            movie.ratingKey: (
                movie.title,
                movie.year,
                movie.guid,
                movie.editionTitle,
                [guid.id for guid in movie.guids],
                [[(part.id, part.file, part.size, part.duration) for part in media.parts] for media in movie.media],
            )
            for movie in server.library.section("Movies").search()
        }

    assert await ask(read) == {
        movie.id: (
            movie.title,
            movie.year,
            movie.guid,
            movie.edition_title,
            list(movie.external_guids),
            [[(part.id, part.file, part.size, part.duration) for part in media.parts] for media in movie.media],
        )
        for movie in plex.world.movies("1")
    }


async def test_it_reads_shows_seasons_and_episodes(ask: Ask, plex: SimulatedPlex) -> None:
    """Down from the show, with specials, numbers, guids and paths."""
    truth = next(show for show in plex.world.shows() if show.title == "The Lighthouse Keepers")

    def read(server: PlexServer) -> tuple[Any, ...]:
        show = server.library.section("TV Shows").get("The Lighthouse Keepers")
        episodes = [
            (e.parentIndex, e.index, e.title, e.guid, e.locations, e.duration, e.grandparentTitle)
            for e in show.episodes()
        ]
        specials = [episode.title for episode in show.season(season=0).episodes()]
        return [guid.id for guid in show.guids], [season.title for season in show.seasons()], specials, episodes

    guids, seasons, specials, episodes = await ask(read)
    assert guids == list(truth.external_guids)
    assert seasons == ["Specials", "Season 1", "Season 2"]
    assert specials == ["The Making of the Lamp", "A Keeper's Christmas"]
    assert episodes == [
        (
            e.season_index,
            e.index,
            e.title,
            e.guid,
            [p.file for m in e.media for p in m.parts],
            e.duration,
            truth.title,
        )
        for e in plex.world.leaves_of(truth.id)
    ]


async def test_it_walks_up_from_an_episode(ask: Ask) -> None:
    """To the season and the show."""

    def read(server: PlexServer) -> tuple[str, str, str]:
        episode = server.library.section("TV Shows").get("The Lighthouse Keepers").episode(season=1, episode=4)
        return episode.title, episode.season().title, episode.show().title

    assert await ask(read) == ("Sardines", "Season 1", "The Lighthouse Keepers")


@pytest.mark.parametrize(
    ("search", "titles"),
    [
        (
            lambda s: s.library.section("Movies").search("phantom", editionTitle="Reissue"),
            ["The Phantom of the Opera"],
        ),
        (
            lambda s: s.library.section("Movies").search(genre="Crime", sort="year:desc"),
            ["D.O.A.", "Detour", "The Cabinet of Dr. Caligari"],
        ),
        (
            lambda s: s.library.section("Movies").search(filters={"year>>": 1962}, sort="year"),
            ["Charade", "Night of the Living Dead"],
        ),
        (lambda s: s.library.section("Movies").search(unmatched=True, title="VTS"), ["VTS_01_1"]),
        (
            lambda s: s.library.section("TV Shows").searchEpisodes(title="fog", sort="titleSort"),
            ["Fog", "More Fog", "Return of the Fog"],
        ),
        (lambda s: s.library.section("TV Shows").searchSeasons(title="Specials"), ["Specials"]),
        (lambda s: s.library.search("Charade", libtype="movie"), ["Charade", "Charade"]),
        (lambda s: s.fetchItems([16, 30]), ["Charade", "The Lighthouse Keepers"]),
        (lambda s: s.library.section("Documentaries").all(), []),
        (
            lambda s: s.library.section("Music").all(),
            ["Bessie Smith", "Original Dixieland Jass Band", "Scott Joplin"],
        ),
    ],
)
async def test_it_searches(ask: Ask, search: Callable[[PlexServer], list[Any]], titles: list[str]) -> None:
    """By title, tag, number and state, in a library or in all."""
    assert await ask(lambda server: [item.title for item in search(server)]) == titles


async def test_it_offers_genres(ask: Ask, plex: SimulatedPlex) -> None:
    """All of a library, though listings cut them."""
    genres = {genre for movie in plex.world.movies("1") for genre in movie.tags.genres}
    choices = await ask(lambda server: server.library.section("Movies").listFilterChoices("genre"))
    assert [choice.title for choice in choices] == sorted(genres)


async def test_it_reloads_an_item(ask: Ask) -> None:
    """The detail brings what the listing had cut: all genres, all actors, streams."""

    def read(server: PlexServer) -> tuple[int, int, list[int]]:
        movie = server.library.section("Movies").get("Charade")
        movie.reload()
        streams = [stream.streamType for stream in movie.media[0].parts[0].streams]
        return len(movie.genres), len(movie.roles), streams

    assert await ask(read) == (3, 4, [1, 2])


async def test_it_finds_what_is_not_there(ask: Ask) -> None:
    """With the library's own exception."""
    with pytest.raises(plexapi.exceptions.NotFound):
        await ask(lambda server: server.fetchItem(99999))


async def test_it_pages_through_a_large_library() -> None:
    """A hundred entries at a time, its default."""
    async with SimulatedPlex(generated_library(movies=0, shows=3, episodes=100)) as plex:
        with requests.Session() as session:
            server = await asyncio.to_thread(PlexServer, plex.url, plex.token, session, 10)
            episodes = await asyncio.to_thread(lambda: server.library.section("TV Shows").searchEpisodes())
        assert {episode.ratingKey for episode in episodes} == {episode.id for episode in plex.world.episodes()}
        starts = [
            request.headers["x-plex-container-start"] for request in plex.requests_for("/library/sections/2/all")
        ]
        assert starts == ["0", "100", "200"]


@pytest.fixture(params=["built-in", "generated"])
async def rich(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedPlex]:
    world = built_in_library() if request.param == "built-in" else generated_library(movies=60, shows=9, episodes=4)
    async with SimulatedPlex(world) as plex:
        yield plex


def connected(plex: SimulatedPlex, session: requests.Session) -> PlexServer:
    return PlexServer(plex.url, plex.token, session=session, timeout=10)


async def test_it_reads_details_as_they_were_made(rich: SimulatedPlex) -> None:
    """Chapters, markers, tags, people with their parts, labels, collections and streams of every item."""

    def read() -> dict[int, Any]:
        with requests.Session() as session:
            items = connected(rich, session).fetchItems([*rich.world.items])
            return {item.ratingKey: (described(item), timed(item), streams(item)) for item in items}

    def names(tags: list[Any]) -> list[str]:
        return [tag.tag for tag in tags]

    def described(item: Any) -> tuple[Any, ...]:
        lists = ("genres", "countries", "directors", "writers", "producers", "labels", "collections")
        people = [(role.tag, role.role) for role in getattr(item, "roles", [])]
        return tuple(names(getattr(item, name, [])) for name in lists), people, item.addedAt.timestamp()

    def timed(item: Any) -> tuple[Any, ...]:
        chapters = [(c.title, c.start, c.end) for c in getattr(item, "chapters", [])]
        return chapters, [(m.type, m.start, m.end, bool(m.final)) for m in getattr(item, "markers", [])]

    def streams(item: Any) -> list[tuple[Any, ...]]:
        found = [s for media in getattr(item, "media", []) for part in media.parts for s in part.streams]
        return [(s.streamType, s.codec, s.languageTag, bool(s.default), s.title, bool(s.key)) for s in found]

    answers = await asyncio.to_thread(read)
    for item in rich.world.items.values():
        if item.type in ("artist", "photo"):
            continue
        tags, chapters, markers, made = item.tags, [], [], []
        if isinstance(item, Movie | Episode):
            chapters = [(c.title, c.start, c.end) for c in chapters_of(item)]
            markers = [(m.type, m.start, m.end, m.final) for m in markers_of(item)]
            made = [
                (NUMBERS[s.kind], s.codec, s.language, s.default, s.title, s.external)
                for media in item.media
                for part in media.parts
                for s in streams_of(media, part)
            ]
        (*lists, labels, collections), people, added_at = answers[item.id][0]
        if isinstance(item, Movie):
            kinds = (tags.genres, tags.countries, tags.directors, tags.writers, tags.producers)
            assert lists == [*map(list, kinds)]
        elif isinstance(item, Show):
            assert lists[0] == list(tags.genres)
        elif isinstance(item, Episode):
            assert lists[2:4] == [list(tags.directors), list(tags.writers)]
        assert (labels, collections) == (list(tags.labels), list(tags.collections))
        assert [name for name, _ in people] == list(tags.roles)
        assert [part for _, part in people][: len(tags.characters)] == list(tags.characters)
        assert added_at == item.added_at
        assert answers[item.id][1] == (chapters, markers)
        assert answers[item.id][2] == made


async def test_it_reads_collections_as_they_were_made(rich: SimulatedPlex) -> None:
    """All of every library, with their members in order, plain and smart."""

    def read() -> list[tuple[Any, ...]]:
        with requests.Session() as session:
            sections = connected(rich, session).library.sections()
            return [
                (c.ratingKey, c.title, c.smart, c.subtype, c.collectionSort, [item.ratingKey for item in c.items()])
                for section in sections
                if section.type != "photo"
                for c in section.collections()
            ]

    memberships = Memberships(rich.world)
    assert sorted(await asyncio.to_thread(read)) == sorted(
        (c.id, c.title, c.filter is not None, c.item_type, c.sort, [item.id for item in memberships.of(c)])
        for c in rich.world.collections.values()
    )
    assert len({collection.filter is None for collection in rich.world.collections.values()}) == 2


async def test_it_finds_items_by_label_and_collection(rich: SimulatedPlex) -> None:
    """Through the lists of a library."""
    movies = list(rich.world.movies("1"))

    def read() -> tuple[list[list[int]], list[list[int]]]:
        with requests.Session() as session:
            section = connected(rich, session).library.section("Movies")
            found = [
                [[item.ratingKey for item in section.search(**{kind: name})] for name in sorted(wanted)]
                for kind, wanted in (("label", labels), ("collection", titles))
            ]
            return found[0], found[1]

    labels = {label for movie in movies for label in movie.tags.labels}
    titles = {title for movie in movies for title in movie.tags.collections}
    assert labels
    assert titles
    by_label, by_title = await asyncio.to_thread(read)
    assert [sorted(found) for found in by_label] == [
        sorted(movie.id for movie in movies if label in movie.tags.labels) for label in sorted(labels)
    ]
    assert [sorted(found) for found in by_title] == [
        sorted(movie.id for movie in movies if title in movie.tags.collections) for title in sorted(titles)
    ]
