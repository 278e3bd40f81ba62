"""Guids of every form that servers are known to send, and of none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrovue_daemon.sources.plex.guid import GUIDParser

PARSER = GUIDParser()

FORMS = {
    # Plex's own catalogue, and the ids that stand in Guid lists
    "plex://movie/5d7768ba96b655001fdc0408": ("plex", "movie/5d7768ba96b655001fdc0408"),
    "plex://episode/5d9c1307ba2e21001f2f5a4d": ("plex", "episode/5d9c1307ba2e21001f2f5a4d"),
    "imdb://tt0111161": ("imdb", "tt0111161"),
    "tmdb://278": ("tmdb", "278"),
    "tvdb://81189": ("tvdb", "81189"),
    "mbid://6f33e0f0-cde2-38f9-9aee-2c60af8d1a61": ("mbid", "6f33e0f0-cde2-38f9-9aee-2c60af8d1a61"),
    "iva://404421": ("iva", "404421"),
    # agents of the time before 2020
    "com.plexapp.agents.imdb://tt0111161?lang=en": ("imdb", "tt0111161"),
    "com.plexapp.agents.themoviedb://278?lang=de": ("tmdb", "278"),
    "com.plexapp.agents.thetvdb://268592?lang=en": ("tvdb", "268592"),
    "com.plexapp.agents.thetvdb://268592/1?lang=en": ("tvdb", "268592/1"),
    "com.plexapp.agents.thetvdb://268592/1/2?lang=en": ("tvdb", "268592/1/2"),
    "com.plexapp.agents.none://1a2b3c?lang=xn": ("none", "1a2b3c"),
    # HAMA, by itself and as the agent is called in guids
    "com.plexapp.agents.hama://anidb-69?lang=en": ("anidb", "69"),
    "com.plexapp.agents.hama://anidb-69/1/2?lang=en": ("anidb", "69/1/2"),
    "com.plexapp.agents.hama://tvdb-81797/1/2?lang=en": ("tvdb", "81797/1/2"),
    "hama://tvdb-81797": ("tvdb", "81797"),
    "hama://tsdb-1396": ("tmdb", "1396"),
    "hama://imdb-tt0245429": ("imdb", "tt0245429"),
    # renumbered by HAMA: the series is TVDB's, the number of an episode only with tvdb2
    "hama://tvdb4-81797": ("tvdb", "81797"),
    "hama://tvdb2-81797/1/2": ("tvdb", "81797/1/2"),
    "hama://tvdb4-81797/1/2": ("tvdb4", "81797/1/2"),
    "hama://anidb2-69/1/2": ("anidb2", "69/1/2"),
    "hama://something": ("hama", "something"),
    # unmatched
    "local://4711": ("local", "4711"),
    "tv.plex.agents.none://4711": ("none", "4711"),
    "none://4711": ("none", "4711"),
    # third-party metadata providers, and unknown schemes
    "tv.plex.agents.custom.stash://movie/12": ("tv.plex.agents.custom.stash", "movie/12"),
    "com.plexapp.agents.xbmcnfo://tt0111161?lang=en": ("com.plexapp.agents.xbmcnfo", "tt0111161"),
    "net.example.agent://a?b=c&d=e": ("net.example.agent", "a?b=c&d=e"),
    "collection://17": ("collection", "17"),
    "file:///media/a.mkv": ("file", "/media/a.mkv"),
    # spelled oddly
    "  IMDB://tt0111161\n": ("imdb", "tt0111161"),
    "COM.plexapp.agents.HAMA://AniDB-69": ("anidb", "69"),
    "imdb://": ("imdb", ""),
    "tt0111161": ("unknown", "tt0111161"),
    "imdb": ("unknown", "imdb"),
    "IMDb:tt0111161": ("unknown", "IMDb:tt0111161"),
    "://tt0111161": ("unknown", "://tt0111161"),
    "фильм://12": ("фильм", "12"),
    "": ("unknown", ""),
    "   ": ("unknown", ""),
    None: ("unknown", ""),
}


@pytest.mark.parametrize(("guid", "pair"), FORMS.items())
def test_each_form_gives_provider_and_id(guid: str | None, pair: tuple[str, str]) -> None:
    """Catalogues have one name each, whichever agent used them; all else keeps its scheme."""
    assert PARSER.parse_guid(guid) == pair


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """Whatever a server sends as a guid, it is a pair of texts, whose provider is not empty."""
    provider, external_id = PARSER.parse_guid(text)
    assert provider
    assert isinstance(external_id, str)


@given(
    st.sampled_from(["imdb", "tmdb", "tvdb", "plex"]), st.text("abcdefghijklmnopqrstuvwxyz0123456789/", min_size=1)
)
def test_ids_of_catalogues_are_kept_whole(scheme: str, external_id: str) -> None:
    """What stands after the scheme is the id, to the last character."""
    assert PARSER.parse_guid(f"{scheme}://{external_id}") == (scheme, external_id)


def test_a_huge_guid_is_a_guid() -> None:
    """The length of a guid is no reason to fail, nor to take long."""
    assert PARSER.parse_guid("x://" + "9" * 10_000_000) == ("x", "9" * 10_000_000)
    assert PARSER.parse_guid("hama://" + "a" * 100_000)[0] == "hama"


# -- external_ids ---------------------------------------------------------------------------------------------------


def test_external_ids_come_in_order_and_once() -> None:
    """The primary guid is first, then the list as the server has it, without repetition."""
    ids = ["imdb://tt0111161", "tmdb://278", "imdb://tt0111161", "tvdb://190"]
    assert PARSER.external_ids("plex://movie/5d77", ids) == (
        ("plex", "movie/5d77"),
        ("imdb", "tt0111161"),
        ("tmdb", "278"),
        ("tvdb", "190"),
    )
    assert PARSER.external_ids("com.plexapp.agents.imdb://tt0111161?lang=en", ids)[0] == ("imdb", "tt0111161")
    assert len(PARSER.external_ids("com.plexapp.agents.imdb://tt0111161?lang=en", ids)) == 3


def test_what_names_nothing_is_omitted() -> None:
    """Empty ids and the agent that looks nothing up are no external ids; a local one stays."""
    assert PARSER.external_ids(None, []) == ()
    assert PARSER.external_ids("", ["imdb://", "  "]) == ()
    assert PARSER.external_ids("com.plexapp.agents.none://1a2b?lang=xn", []) == ()
    assert PARSER.external_ids("local://4711", []) == (("local", "4711"),)


@given(st.none() | st.text(), st.lists(st.text() | st.sampled_from([guid for guid in FORMS if guid])))
def test_external_ids_are_what_parse_guid_says(primary: str | None, ids: list[str]) -> None:
    """The fast way for common forms gives what the general way gives."""
    pairs = [PARSER.parse_guid(guid) for guid in (primary, *ids)]
    expected = dict.fromkeys(pair for pair in pairs if pair[1] and pair[0] != "none")
    assert PARSER.external_ids(primary, ids) == tuple(expected)


def test_spaces_take_no_short_cut() -> None:
    """A guid with a space at its end is the guid without it, also in a list."""
    assert PARSER.external_ids("imdb://tt0111161 ", ["imdb://tt0111161", "imdb"]) == (
        ("imdb", "tt0111161"),
        ("unknown", "imdb"),
    )


# -- extract_guids_from_plex_metadata -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "guids"),
    [
        ({"guid": "plex://movie/1", "Guid": [{"id": "imdb://tt1"}, {"id": "tmdb://2"}]},
         ["plex://movie/1", "imdb://tt1", "tmdb://2"]),
        ({"guid": "imdb://tt1", "Guid": [{"id": "imdb://tt1"}, {"id": " imdb://tt1 "}]}, ["imdb://tt1"]),
        ({"Guid": {"id": "imdb://tt1"}}, ["imdb://tt1"]),
        ({"Guid": ["imdb://tt1"]}, ["imdb://tt1"]),
        ({"Guid": "imdb://tt1"}, ["imdb://tt1"]),
        ({"guid": "local://1"}, ["local://1"]),
        ({"guid": 17, "Guid": [{"id": None}, {}, None, 5, [], {"id": ""}]}, []),
        ({"guid": None, "Guid": None}, []),
        ({}, []),
    ],
)  # fmt: skip
def test_metadata_gives_its_guids(metadata: dict[str, object], guids: list[str]) -> None:
    """Primary guid and list come out raw, in order and once; what is odd or missing is passed over."""
    assert PARSER.extract_guids_from_plex_metadata(metadata) == guids
