"""What `plex.parse` makes of XML."""

from __future__ import annotations

import pytest

from retrovue_daemon.records import (
    Episode,
    LibraryListing,
    MediaFile,
    Movie,
    Season,
    ServerIdentity,
    Show,
    Skipped,
    Streams,
)
from retrovue_daemon.sources.plex import xmltree
from retrovue_daemon.sources.plex.limits import NotAMediaContainer
from retrovue_daemon.sources.plex.parse import parse_identity, parse_libraries, parse_page

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
EPISODES = (
    HEAD
    + """<MediaContainer size="1" totalSize="10" offset="0" librarySectionUUID="9053" grandparentRatingKey="30">
<Video ratingKey="35" parentRatingKey="20" guid="plex://episode/60d5" type="episode" title="Salda&#241;a &amp; Söhne"
 index="5" parentIndex="0" duration="3421936" originallyAvailableAt="2021-09-19" updatedAt="1631586401" year="">
<Media id="396946" duration="3421936" bitrate="14119" width="1920" height="1080" audioChannels="6" audioCodec="eac3"
 videoCodec="h264" videoResolution="1080" container="mkv" proxyType="0">
<Part id="397384" key="/library/parts/397384/1631586385/file.mkv" file="/tv/S00E05.mkv" size="6040228848">
<Stream id="1" streamType="1"/></Part>
</Media>
<Guid id="imdb://tt1"/><Guid id="tvdb://2"/>
<Genre tag="Drama"/><Role tag="Some Actor"/>
</Video>
</MediaContainer>""".encode()
)


def test_episode() -> None:
    """XML gives the same records as JSON."""
    page = parse_page(EPISODES)
    assert (page.total, page.offset, page.entries, page.library_uuid) == (10, 0, 1, "9053")
    assert page.items == (
        Episode(
            rating_key="35",
            guid="plex://episode/60d5",
            show_rating_key="30",
            season_rating_key="20",
            episode_title="Saldaña & Söhne",
            season_number=0,
            episode_number=5,
            rating=None,
            summary=None,
            originally_available_at="2021-09-19",
            duration=3421936,
            updated_at=1631586401,
            trashed=False,
            guids=(("plex", "episode/60d5"), ("imdb", "tt1"), ("tvdb", "2")),
            files=(
                MediaFile(
                    media_id=396946,
                    part_id=397384,
                    part_index=0,
                    plex_path="/tv/S00E05.mkv",
                    duration=3421936,
                    size=6040228848,
                    container="mkv",
                    video_codec="h264",
                    audio_codec="eac3",
                    audio_channels=6,
                    width=1920,
                    height=1080,
                    video_resolution="1080",
                    bitrate=14119,
                    optimized=False,
                    change_stamp=1631586385,
                    trashed=False,
                    streams=Streams([(None, "video", *[None] * 16, 0, 0, 0, 0)], "sdr"),
                ),
            ),
        ),
    )


def test_entries_of_all_tags() -> None:
    """Shows, seasons and pseudo entries are all `Directory`; `Meta` is none; the order is the server's."""
    page = parse_page(
        b"""<MediaContainer size="5"><Meta><Type key="/all" type="show"/></Meta>
        <Directory ratingKey="1" type="show" title="A" childCount="2" leafCount="9"/>
        <Directory key="/library/metadata/1/allLeaves" title="All episodes"/>
        <Directory ratingKey="2" type="season" title="Season 1" index="1" parentRatingKey="1"/>
        <Track ratingKey="3" type="track"/><Video ratingKey="4" type="movie" title="B"/></MediaContainer>"""
    )
    assert page.entries == 5
    assert [type(item) for item in page.items] == [Show, Season, Movie]
    assert page.skipped == (Skipped(None, "All episodes", "no ratingKey"), Skipped("3", None, "type 'track'"))


def test_videos_nested_in_a_directory() -> None:
    """An episode inside its show's element is an item, but no entry of the page."""
    page = parse_page(
        b'<MediaContainer size="1"><Directory ratingKey="20" type="show" title="A">'
        b'<Video ratingKey="35" type="episode" title="B"/><Genre tag="Action"/></Directory></MediaContainer>'
    )
    assert page.entries == 1
    assert [item.rating_key for item in page.items] == ["20", "35"]


@pytest.mark.parametrize(
    "bad",
    [
        b"\x04",
        b"&#4;",
        b"&#x4;",
        b"&#0;",
        b"&#xD800;",
        b"&#xFFFFFFFF;",
        b"&#99999999999;",
        b"&#00031;",
        b"&#65535;",
        b"&#X1F;",
        b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
        b"\x00",
    ],
)
def test_characters_that_xml_forbids(bad: bytes) -> None:
    """Servers send control characters, raw and as references; they are dropped, and the entry lives."""
    page = parse_page(EPISODES.replace(b"Salda", b"Sal" + bad + b"da"))
    assert isinstance(page.items[0], Episode)
    assert page.items[0].episode_title == "Saldaña & Söhne"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("&nbsp;", "\xa0"),
        ("&eacute;", "é"),
        ("&LT;&AMP;&QUOT;", '<&"'),
        ("&nosuch;", "&nosuch;"),
        ("&", "&"),
        ("&&amp;", "&&"),
        ("&amp", "&amp"),
        ("&#;&#x;", "&#;&#x;"),
        ("&#abc;", "&#abc;"),
        ("&#12", "&#12"),
        ("&#XE9;&#0233;", "éé"),
        pytest.param("&" * 60, "&" * 60, id="many"),
        pytest.param("&" + "a" * 60 + ";", "&" + "a" * 60 + ";", id="long"),
    ],
)
@pytest.mark.parametrize("fed", [7, 256 * 1024])
def test_an_ampersand_that_begins_no_reference(written: str, read: str, fed: int, monkeypatch) -> None:
    """It is text, or what HTML means by it; it costs no entry, wherever a piece of the body ends."""
    monkeypatch.setattr(xmltree, "_FED_AT_ONCE", fed)
    page = parse_page(EPISODES.replace(b"Salda", f"Sal{written}da".encode()))
    assert isinstance(page.items[0], Episode)
    assert page.items[0].episode_title == f"Sal{read}daña & Söhne"


def test_bytes_that_are_no_utf8() -> None:
    """Bad bytes are replaced."""
    page = parse_page(EPISODES.replace(b"Salda", b"Sal\xffda"))
    assert isinstance(page.items[0], Episode)
    assert page.items[0].episode_title == "Sal\ufffddaña & Söhne"


def test_bad_value_costs_itself() -> None:
    """A number that is none becomes None, as in JSON."""
    page = parse_page(EPISODES.replace(b'duration="3421936"', b'duration="long"'))
    assert isinstance(page.items[0], Episode)
    assert page.items[0].duration is None
    assert page.items[0].updated_at == 1631586401


def test_empty_container() -> None:
    """An empty listing is one element without children."""
    page = parse_page(b'<MediaContainer size="0" totalSize="10" offset="0"/>')
    assert (page.entries, page.total) == (0, 10)


def test_libraries() -> None:
    """Libraries are directories with locations; booleans are 0 and 1."""
    body = (
        b'<MediaContainer size="1"><Directory refreshing="1" key="1" type="movie" title="Movies" uuid="41a2"'
        b' contentChangedAt="116893155"><Location id="1" path="/a"/><Location id="2" path="/b"/></Directory>'
        b"</MediaContainer>"
    )
    assert parse_libraries(body).listings == (
        LibraryListing(
            "1", "Movies", "movie", "41a2", locations=("/a", "/b"), content_changed_at=116893155, refreshing=True
        ),
    )


def test_identity() -> None:
    """The identity of a server that answers in XML."""
    body = b'\xef\xbb\xbf<MediaContainer size="0" claimed="1" machineIdentifier="9f" version="1.20"></MediaContainer>'
    assert parse_identity(body) == ServerIdentity("9f", "1.20")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (EPISODES[:200], "XML that cannot be read: not well-formed"),
        (
            b'<!DOCTYPE x [<!ENTITY a "b">]><MediaContainer size="0" title1="&a;"/>',
            "XML that cannot be read: holds a DTD",
        ),
        (
            b'<!DOCTYPE MediaContainer SYSTEM "http://x/"><MediaContainer size="0"/>',
            "XML that cannot be read: holds a DTD",
        ),
        (
            b'<Response code="503" title="Maintenance" status="The server is\nrunning migrations."/>',
            "XML <Response>: The server is running migrations. instead of a MediaContainer",
        ),
        (b"<rss/>", "XML <rss> instead of a MediaContainer"),
        (b'<MediaContainer size="4"/>', "a MediaContainer of size 4 without entries"),
        (b'<?xml version="1.0" encoding="x-none"?><MediaContainer size="0"/>', ""),
    ],
)
def test_not_a_media_container(body: bytes, reason: str) -> None:
    """XML of others, with entities, or cut off is refused as a whole."""
    if not reason:
        assert parse_page(body).entries == 0
        return
    with pytest.raises(NotAMediaContainer) as raised:
        parse_page(body)
    assert raised.value.reason.startswith(reason)
