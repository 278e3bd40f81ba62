"""The fast way to encode entries gives the very bytes of the general one, whatever is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from retrovue_daemon.demo import (
    RELEASE_2016,
    RELEASE_2023,
    RELEASE_2026,
    Changes,
    Release,
    Shape,
    World,
    built_in_library,
    generated_library,
)
from retrovue_daemon.demo.encode import Encoder
from retrovue_daemon.demo.entries import listing_entry
from retrovue_daemon.demo.items import Episode, Item, Movie, Tags
from retrovue_daemon.demo.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator

WITH_GUIDS = Shape(guids=True)
SHAPES = (
    Shape(),
    WITH_GUIDS,
    Shape(guids=True, without=frozenset({"Image", "Media", "summary", "guid", "art"})),
    Shape(guids=True, streams=True, without=frozenset({"Image", "UltraBlurColors"})),
)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Learn each form from the first item."""
    monkeypatch.setattr("retrovue_daemon.demo.stencil.MET_BEFORE", 0)


@pytest.fixture(params=["built-in", "generated"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "built-in":
        return built_in_library()
    return generated_library(movies=120, shows=12, episodes=50)


@pytest.fixture
def encoder(world: World) -> Iterator[Encoder]:
    encoder = Encoder(world)
    yield encoder
    encoder.close()


def assert_right(encoder: Encoder, world: World, shape: Shape = WITH_GUIDS) -> None:
    items = list(world.items.values())
    entries = (msgspec.json.encode(listing_entry(world, item, shape)) for item in items)
    assert encoder.json({}, {}, items, shape) == b'{"MediaContainer":{"Metadata":[%b]}}' % b",".join(entries)


@pytest.mark.parametrize(
    "release", [RELEASE_2016, RELEASE_2023, RELEASE_2026], ids=lambda release: release.version[:4]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_item_has_its_bytes(world: World, encoder: Encoder, shape: Shape, release: Release) -> None:
    """In every shape, of every release, the first time and from what was learnt."""
    world.release = release
    assert_right(encoder, world, shape)
    assert_right(encoder, world, shape)


def test_most_items_fill_a_stencil(world: World, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its forms are known, a page of films and episodes in one file each does not use the general encoder."""
    playable: list[Movie | Episode] = [*world.movies(), *world.episodes()]
    usual = [item for item in playable if len(item.media) == 1 and len(item.media[0].parts) == 1]
    page = [item for item in usual if item.title.isascii()]
    assert len(page) > 20
    before = encoder.json({}, {}, page, WITH_GUIDS)

    def encode_again(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("retrovue_daemon.demo.stencil.listing_entry", encode_again)
    assert encoder.json({}, {}, page, WITH_GUIDS) == before


@pytest.fixture
def alike() -> World:
    """Two films, three episodes: in each pair the same fields are given."""
    world = generated_library(movies=42, shows=1, episodes=3)
    for item in [*world.items.values()]:
        if item.type == "movie" and item.id not in (1, 41):
            world.drop(item.id)
    assert world.item(1).tags is world.item(41).tags
    return world


@pytest.mark.parametrize("kind", ["movie", "episode"])
def test_a_field_may_be_absent_in_one_of_two_that_are_alike(alike: World, kind: str) -> None:
    """The one is not encoded with the holes of the other, whichever came first and whichever field it is."""
    first = next(item for item in alike.items.values() if item.type == kind)
    encoder = Encoder(alike)
    assert_right(encoder, alike)
    for field in msgspec.structs.fields(first):
        if field.default is None:
            absent = getattr(first, field.name) is not None
            value = None if absent else {int: 5, str: "Some", float: 7.5}[field.type.__args__[0]]
            alike.put(msgspec.structs.replace(first, **{field.name: value}))
            assert_right(encoder, alike)
            alike.put(first)
            assert_right(encoder, alike)


@pytest.mark.parametrize(
    ("media", "part"),
    [
        ({"format": None, "duration": None}, {"container": None, "duration": None}),
        ({"display_offset": 50}, {"size": None}),
        ({"proxy_type": 42, "target": "Optimized for TV", "title": "Optimized for TV"}, {"file": None}),
        ({"deleted_at": 5}, {"container": "avi"}),
        ({"title": "Original", "target": "never shown"}, {}),
        ({"parts": ()}, None),
        ({}, {"streams": ()}),
        ({}, {"streams": (Stream(kind="subtitle", codec="srt", external=True), Stream(kind="audio", codec="aac"))}),
    ],
)
def test_a_version_may_be_odd_in_one_of_two_that_are_alike(
    alike: World, media: dict[str, object], part: dict[str, object] | None
) -> None:
    """Likewise."""
    encoder = Encoder(alike)
    for shape in SHAPES:
        assert_right(encoder, alike, shape)
    for item in (alike.item(1), next(alike.episodes())):
        assert isinstance(item, Movie | Episode)
        version = item.media[0]
        parts = () if part is None else (msgspec.structs.replace(version.parts[0], **part),)
        alike.put(
            msgspec.structs.replace(item, media=(msgspec.structs.replace(version, **{"parts": parts, **media}),))
        )
        for shape in SHAPES:
            assert_right(encoder, alike, shape)


def test_several_versions_or_files_are_no_form_of_one(alike: World) -> None:
    """Also where the first of them is as usual."""
    encoder = Encoder(alike)
    assert_right(encoder, alike)
    for item in (alike.item(1), next(alike.episodes())):
        assert isinstance(item, Movie | Episode)
        (version,) = item.media
        for media in ((version, version), (msgspec.structs.replace(version, parts=version.parts * 2),)):
            alike.put(msgspec.structs.replace(item, media=media))
            assert_right(encoder, alike)


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "Вокзал"},  # no slug
        {"guid": "local://1"},  # no slug either
        {"title": 'Night "100%" %d \\ \n \u2028 \x04'},
        {"title": ""},
        {"rating": 0.0, "updated_at": 0, "year": -5},
        {"updated_at": -255598096, "added_at": 2**40},
        {"external_guids": ("imdb://tt1",)},
        {"external_guids": ()},
        {"tags": Tags(genres=("Horror",), roles=("Ada Quill",))},
        {"subtype": "clip"},
    ],
)
def test_values_may_be_odd_in_one_of_two_that_are_alike(alike: World, fields: dict[str, object]) -> None:
    """Likewise, before and after the ordinary one."""
    encoder, odd_first = Encoder(alike), Encoder(alike)
    assert_right(encoder, alike)
    alike.put(msgspec.structs.replace(alike.item(41), **fields))
    assert_right(encoder, alike)
    page = [alike.item(41), alike.item(1)]
    entries = [msgspec.json.encode(listing_entry(alike, item, WITH_GUIDS)) for item in page]
    assert odd_first.json({}, {}, page, WITH_GUIDS) == b'{"MediaContainer":{"Metadata":[%b]}}' % b",".join(entries)


def test_what_an_episode_inherits_is_its_own_seasons() -> None:
    """Episodes of many shows fill one stencil, with the pictures and titles of their own shows, also edited ones."""
    world = generated_library(movies=0, shows=90, episodes=3)
    encoder = Encoder(world)
    assert_right(encoder, world)
    changes = Changes(world)
    season = next(world.seasons())
    for item_id in (season.show_id, season.id, next(world.episodes()).id):
        changes.edit(item_id, title="Edited")
        assert_right(encoder, world)


def test_bytes_stay_right_over_all_changes() -> None:
    """Of every item after every change, wherever it shows."""
    world = built_in_library()
    changes = Changes(world)
    encoder = Encoder(world)
    assert_right(encoder, world)
    charade = next(movie.id for movie in world.movies("1") if movie.title == "Charade")
    show = next(show.id for show in world.shows() if show.title == "The Lighthouse Keepers")
    storm = next(episode.id for episode in world.episodes() if episode.title == "The Storm, Part One")
    for change in (
        lambda: changes.edit(charade, tags={"genres": ["Comedy"]}, title="Шарада"),
        lambda: changes.rematch(charade, "com.plexapp.agents.imdb://tt0056923?lang=en"),
        lambda: changes.split(charade),
        lambda: changes.merge(charade, 1),
        lambda: changes.split_file(charade),
        lambda: changes.upgrade_file(charade),
        lambda: changes.replace_file(charade, size=1, duration=2),
        lambda: changes.rename_file(charade, "/elsewhere/Шарада"),
        lambda: changes.analyse(charade),
        lambda: changes.trash(charade),
        lambda: changes.restore(charade),
        lambda: changes.move(charade, "2"),
        lambda: changes.separate_episodes(storm),
        lambda: changes.move_episode(storm, show, 7, None),
        lambda: changes.add_episode(show, 1, 9, "Postscript"),
        lambda: changes.edit(show, title="The Lamp Keepers", flattened=True, updated_at=None),
        lambda: changes.delete(world.seasons_of(show)[0].id),
        lambda: changes.recreate(show),
        lambda: setattr(world, "release", RELEASE_2016),
        lambda: changes.empty_trash("1"),
        lambda: changes.remove_library("3"),
    ):
        change()
        assert_right(encoder, world)


def test_bytes_of_an_intruder_are_sent_as_they_are(alike: World) -> None:
    """With ends of lines in and around them, between items or alone."""
    encoder = Encoder(alike)
    film = alike.item(1)
    entry = msgspec.json.encode(listing_entry(alike, film, WITH_GUIDS))
    raw = b'{\n"title":"a\nb"}'
    pages: list[tuple[list[Item | dict[str, Any] | bytes], bytes]] = [
        ([raw], raw),
        ([film, raw], entry + b"," + raw),
        ([raw, raw, film], raw + b"," + raw + b"," + entry),
    ]
    for page, expected in pages:
        assert encoder.json({}, {}, page, WITH_GUIDS) == b'{"MediaContainer":{"Metadata":[%b]}}' % expected
