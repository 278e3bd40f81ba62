"""What records say of themselves."""

from __future__ import annotations

import pytest

from retrovue_daemon.records import Movie, Show


def _movie(*guids: tuple[str, str]) -> Movie:
    return Movie("1", None, "", None, None, None, None, None, None, None, None, None, None, False, guids, ())  # noqa: FBT003 -- not trashed


def _show(*guids: tuple[str, str]) -> Show:
    return Show("1", None, "", None, None, None, None, None, None, None, None, None, False, guids)  # noqa: FBT003 -- not trashed


ALL = (("plex", "x/1"), ("anidb", "5"), ("tvdb", "4"), ("tmdb", "3"), ("imdb", "tt2"), ("local", "9"), ("mbid", "m"))


def test_films_prefer_imdb_and_shows_tvdb() -> None:
    """Then the other catalogues, then Plex's own, wherever they stand in the list."""
    order = ["imdb://tt2", "tmdb://3", "tvdb://4", "plex://x/1", "anidb://5", None]
    left = list(ALL)
    for expected in order:
        assert _movie(*left).guid_primary == expected
        left = [pair for pair in left if expected is None or pair[0] != expected.split(":")[0]]
    assert _show(*ALL).guid_primary == "tvdb://4"
    assert _show(*(pair for pair in ALL if pair[0] != "tvdb")).guid_primary == "tmdb://3"


def test_the_first_of_two_ids_of_a_provider_counts() -> None:
    """The server lists what it trusts first."""
    assert _show(("tvdb", "1"), ("tvdb", "2")).guid_primary == "tvdb://1"


@pytest.mark.parametrize("guids", [(), (("local", "1"),), (("unknown", "?"),)])
def test_an_unmatched_item_has_no_primary_guid(guids) -> None:
    """A row number of one server identifies nothing."""
    assert _movie(*guids).guid_primary is None
