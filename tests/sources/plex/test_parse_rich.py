"""What listings say about items beyond their identity and files: dates, ratings, pictures, versions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from retrovue_daemon.records import Artwork, Show
from retrovue_daemon.sources.plex.parse import parse_page
from retrovue_daemon.store.items.digests import digests


def _items(*entries: dict[str, Any]) -> tuple[Any, ...]:
    body = json.dumps({"MediaContainer": {"size": len(entries), "Metadata": list(entries)}})
    return parse_page(body.encode()).items


def _item(kind: str = "movie", **fields: object) -> Any:
    (item,) = _items({"ratingKey": "11", "type": kind, **fields})
    return item


def _file(**fields: object) -> Any:
    (file,) = _item(Media=[{**fields, "Part": [{"id": 31}]}]).files
    return file


def test_every_kind_has_its_dates_and_ratings() -> None:
    """Ratings are floats, whatever form a server sends."""
    fields = {"addedAt": "1500000000", "titleSort": "Sort", "rating": 8, "audienceRating": "7.5"}
    for kind in ("movie", "show", "season", "episode"):
        item = _item(kind, **fields)
        assert (item.added_at, item.title_sort) == (1_500_000_000, "Sort")
        assert (item.critic_rating, item.audience_rating) == (8.0, 7.5)
        assert type(item.critic_rating) is float


def test_what_only_some_kinds_have() -> None:
    """Films and shows have taglines, shows an order and a network, seasons a summary."""
    assert _item(originalTitle="Le Titre", tagline="Run.").original_title == "Le Titre"
    show = _item("show", tagline="Run.", showOrdering="absolute", Network=[{"tag": "NBC"}, {"tag": "CBS"}])
    assert (show.tagline, show.show_ordering, show.network) == ("Run.", "absolute", "NBC")
    assert _item("season", summary="Ten episodes.").summary == "Ten episodes."
    assert _item("episode", originalTitle="Le Titre").original_title == "Le Titre"


@pytest.mark.parametrize("rating", [-0.1, 10.1, "nan", "inf", 1e400, float("nan"), "good", True, [], {}])
def test_an_impossible_rating_is_none(rating) -> None:
    """It does not spoil the rest of the item."""
    item = _item(rating=rating, title="Film")
    assert (item.critic_rating, item.title) == (None, "Film")


@pytest.mark.parametrize("rating", [-1, 11, float("nan"), "nan"])
def test_an_impossible_rating_is_no_damage(rating) -> None:
    """A film keeps its stored values only if one of them was lost."""
    body = json.dumps({"MediaContainer": {"Metadata": [{"ratingKey": "1", "type": "movie", "rating": rating}]}})
    assert parse_page(body.encode()).mended == ()


@pytest.mark.parametrize("time", [10**17, 1_700_000_000_000, -(10**12), "99999999999999999"])
def test_a_time_without_a_date_is_none_and_no_damage(time) -> None:
    """Milliseconds, or what a file system made up: after the year 9999, which no program can show."""
    entry = {"ratingKey": "1", "type": "movie", "addedAt": time, "updatedAt": time, "title": "Film"}
    page = parse_page(json.dumps({"MediaContainer": {"Metadata": [entry]}}).encode())
    (item,) = page.items
    assert (item.added_at, item.updated_at, item.title, page.mended) == (None, None, "Film", ())  # type: ignore[union-attr]


def test_pictures_of_the_item_are_kept_whole() -> None:
    """With the time in them, which tells caches of a new picture."""
    thumb, art, theme = (f"/library/metadata/11/{name}/1700000000" for name in ("thumb", "art", "theme"))
    for kind in ("movie", "show", "season", "episode"):
        assert _item(kind, thumb=thumb, art=art, theme=theme).artwork == Artwork(thumb, art, theme)


def test_pictures_of_a_parent_are_not_the_childs() -> None:
    """An episode's `art` is its show's: it is stored there."""
    own, shows = "/library/metadata/11/thumb/5", "/library/metadata/1/art/9"
    assert _item("episode", thumb=own, art=shows).artwork == Artwork(own)
    assert _item("season", thumb="/library/metadata/1/thumb/9", art=shows).artwork == Artwork()


def test_a_picture_from_elsewhere_has_no_token() -> None:
    """A path that is not the usual one is kept, without what nobody else may see."""
    path = "/photo?url=a&X-Plex-Token=secret&width=4"
    assert _item(thumb=path).artwork == Artwork("/photo?url=a&width=4")
    assert _item(thumb="/:/resources/movie.png?x-plex-token=secret").artwork == Artwork("/:/resources/movie.png")


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("/library/metadata/11/thumb/5?X-Plex-Token=secret", "/library/metadata/11/thumb/5"),
        ("/a?x-plex-token=secret&width=4", "/a?width=4"),
        ("/a?width=4&X-Plex-Token=secret&height=3&X-Plex-Token=secret", "/a?width=4&height=3"),
        ("/a?url=%2Fb%3FX-Plex-Token%3Dsecret&width=4", "/a?url=%2Fb%3F&width=4"),
        ("/a?url=%2Fb%3Fc%3D1%26X-Plex-Token%3Dsecret%26d%3D2", "/a?url=%2Fb%3Fc%3D1%26%26d%3D2"),
        ("/a?url=%252Fb%253FX-Plex-Token%253Dsecret", "/a?url=%252Fb%253F"),
        ("/library/metadata/12/thumb/5?X-Plex-Token=secret", None),
    ],
)
def test_no_address_has_a_token_wherever_it_stands_in_it(address, kept) -> None:
    assert _item(thumb=address, art=address, theme=address).artwork == Artwork(kept, kept, kept)


def test_the_time_of_a_picture_is_not_in_the_digest() -> None:
    """But whether there is a picture, and where."""
    paths = ["/library/metadata/11/thumb/5", "/library/metadata/11/thumb/6", "/library/metadata/11/poster/5", None]
    found = digests([_item(thumb=path) for path in paths])
    assert found[0] == found[1]
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"addedAt": 1}, {"titleSort": "x"}, {"originalTitle": "x"}, {"tagline": "x"}, {"rating": 1},
        {"audienceRating": 1}, {"Media": [{"title": "4K", "Part": [{"id": 31}]}]},
    ],
)  # fmt: skip
def test_everything_else_is_in_the_digest(changes) -> None:
    """A value that only appears or changes is stored by the next pass."""
    before, after = digests(
        [_item(Media=[{"Part": [{"id": 31}]}]), _item(**{"Media": [{"Part": [{"id": 31}]}]} | changes)]
    )
    assert before != after


def test_a_version_has_a_name_a_shape_and_profiles() -> None:
    """As text where Plex has labels of its own."""
    file = _file(title="Extended", aspectRatio="2.35", videoFrameRate="24p", videoProfile="high", audioProfile="lc")
    assert (file.version_title, file.aspect_ratio, file.frame_rate) == ("Extended", 2.35, "24p")
    assert (file.video_profile, file.audio_profile) == ("high", "lc")
    assert _file(aspectRatio=0).aspect_ratio is None
    assert _file(aspectRatio=1e300).aspect_ratio is None


def test_xml_says_the_same() -> None:
    """Attributes are texts there, and tags are elements."""
    body = (
        '<MediaContainer size="1"><Directory ratingKey="11" type="show" addedAt="5" rating="8.5" titleSort="S"'
        ' thumb="/library/metadata/11/thumb/5" tagline="Run."><Network tag="NBC"/></Directory></MediaContainer>'
    )
    (show,) = parse_page(body.encode()).items
    assert isinstance(show, Show)
    assert (show.added_at, show.critic_rating, show.title_sort, show.network) == (5, 8.5, "S", "NBC")
    assert show.artwork == Artwork("/library/metadata/11/thumb/5")
