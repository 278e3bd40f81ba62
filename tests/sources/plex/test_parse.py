"""What `plex.parse` makes of answers as servers really send them, one oddity a test."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest

from retrovue_daemon.records import (
    Episode,
    Item,
    Kind,
    LibraryListing,
    MediaFile,
    Movie,
    Page,
    Season,
    ServerIdentity,
    Show,
    Skipped,
)
from retrovue_daemon.sources.plex.json_structs import EARLIEST, LATEST
from retrovue_daemon.sources.plex.limits import NotAMediaContainer
from retrovue_daemon.sources.plex.parse import parse_identity, parse_libraries, parse_page

PART = {
    "id": 31,
    "key": "/library/parts/31/1367972661/file.mkv",
    "duration": 5400000,
    "file": "/films/Metropolis (1927).mkv",
    "size": 4000000000,
    "container": "mkv",
}
MEDIA = {
    "id": 21,
    "duration": 5400000,
    "bitrate": 4676,
    "width": 1920,
    "height": 1080,
    "audioChannels": 6,
    "audioCodec": "eac3",
    "videoCodec": "h264",
    "videoResolution": "1080",
    "container": "mkv",
    "Part": [PART],
}
MOVIE = {
    "ratingKey": "11",
    "guid": "plex://movie/5d776825880197001ec967c0",
    "editionTitle": "Restored",
    "studio": "UFA",
    "type": "movie",
    "title": "Metropolis",
    "contentRating": "NR",
    "summary": "A city above, a city below.",
    "rating": 9.7,
    "year": 1927,
    "duration": 5400000,
    "originallyAvailableAt": "1927-01-10",
    "updatedAt": 1700000000,
    "Media": [MEDIA],
    "Genre": [{"tag": "Drama"}, {"tag": "Science Fiction"}],
    "Director": [{"tag": "Fritz Lang"}],
    "Guid": [{"id": "imdb://tt0017136"}, {"id": "tmdb://19"}],
    "Rating": [{"image": "imdb://image.rating", "value": 8.3}],
}
EPISODE = {
    "ratingKey": "43",
    "parentRatingKey": "42",
    "grandparentRatingKey": "41",
    "guid": "plex://episode/5d9c08254eefaa001f5d6dcb",
    "type": "episode",
    "title": "Pilot",
    "contentRating": "TV-14",
    "summary": "",
    "index": 1,
    "parentIndex": 1,
    "duration": 2501600,
    "originallyAvailableAt": "2014-03-19",
    "updatedAt": 1700000001,
    "Media": [MEDIA],
    "Guid": [{"id": "tvdb://4815673"}],
}
FILE = MediaFile(
    media_id=21,
    part_id=31,
    part_index=0,
    plex_path="/films/Metropolis (1927).mkv",
    duration=5400000,
    size=4000000000,
    container="mkv",
    video_codec="h264",
    audio_codec="eac3",
    audio_channels=6,
    width=1920,
    height=1080,
    video_resolution="1080",
    bitrate=4676,
    optimized=False,
    change_stamp=1367972661,
    trashed=False,
)


def answer(*entries: object, **container: object) -> bytes:
    listed = {"Metadata": list(entries)} if entries else {}
    return json.dumps({"MediaContainer": {"size": len(entries), **container, **listed}}).encode()


def only(body: bytes) -> Any:
    page = parse_page(body)
    assert page.skipped == ()
    (item,) = page.items
    return item


def movie(**changes: object) -> Movie:
    item = only(answer({**MOVIE, **changes}))
    assert isinstance(item, Movie)
    return item


def episode(**changes: object) -> Episode:
    item = only(answer({**EPISODE, **changes}))
    assert isinstance(item, Episode)
    return item


def file_of(media: object) -> MediaFile:
    (file,) = movie(Media=[media]).files
    return file


# -- the four kinds -------------------------------------------------------------------------------------------------


def test_movie() -> None:
    """Every field of a movie arrives where it belongs; `rating` is the content rating, `Rating` is not `rating`."""
    assert movie() == Movie(
        rating_key="11",
        guid="plex://movie/5d776825880197001ec967c0",
        title="Metropolis",
        year=1927,
        edition_title="Restored",
        rating="NR",
        summary="A city above, a city below.",
        genre="Drama, Science Fiction",
        director="Fritz Lang",
        studio="UFA",
        originally_available_at="1927-01-10",
        duration=5400000,
        updated_at=1700000000,
        trashed=False,
        guids=(("plex", "movie/5d776825880197001ec967c0"), ("imdb", "tt0017136"), ("tmdb", "19")),
        files=(FILE,),
        critic_rating=9.7,
    )


def test_episode() -> None:
    """An episode names its show and its season."""
    assert episode() == Episode(
        rating_key="43",
        guid="plex://episode/5d9c08254eefaa001f5d6dcb",
        show_rating_key="41",
        season_rating_key="42",
        episode_title="Pilot",
        season_number=1,
        episode_number=1,
        rating="TV-14",
        summary="",
        originally_available_at="2014-03-19",
        duration=2501600,
        updated_at=1700000001,
        trashed=False,
        guids=(("plex", "episode/5d9c08254eefaa001f5d6dcb"), ("tvdb", "4815673")),
        files=(FILE,),
    )


def test_show() -> None:
    """A show counts its seasons in `childCount` and its episodes in `leafCount`."""
    show = {
        "ratingKey": "41",
        "key": "/library/metadata/41/children",
        "guid": "com.plexapp.agents.thetvdb://268592?lang=en",
        "type": "show",
        "title": "The 100",
        "contentRating": "TV-14",
        "index": 1,
        "childCount": "7",
        "leafCount": 100,
        "year": 2014,
        "Genre": [{"tag": "Drama"}],
    }
    assert only(answer(show)) == Show(
        rating_key="41",
        guid="com.plexapp.agents.thetvdb://268592?lang=en",
        title="The 100",
        year=2014,
        total_seasons=7,
        total_episodes=100,
        show_rating="TV-14",
        show_summary=None,
        genre="Drama",
        studio=None,
        originally_available_at=None,
        updated_at=None,
        trashed=False,
        guids=(("tvdb", "268592"),),
    )


def test_season() -> None:
    """A season's own index is its number; the container's `parentIndex` is its show's."""
    season = {"ratingKey": "42", "type": "season", "title": "Specials", "index": 0, "parentIndex": 1, "updatedAt": 5}
    assert only(answer(season, parentRatingKey="41", parentIndex=1)) == Season(
        "42", None, "41", 0, "Specials", 5, trashed=False
    )


# -- values of another type than declared ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("1999", 1999),
        (1999.0, 1999),
        ("1999.0", 1999),
        (" 1999 ", 1999),
        ("", None),
        (None, None),
        (1999.5, None),
        ("19 99", None),
        (True, None),
        ([1999], None),
        ({}, None),
        (0, 0),
        (-255598096, -255598096),
        (LATEST, LATEST),
        (EARLIEST, EARLIEST),
        (LATEST + 1, None),
        (EARLIEST - 1, None),
        (2**63 - 1, None),
        (-(2**63), None),
        (2**63, None),
        (-(2**63) - 1, None),
        (2**64, None),
        (10**30, None),
        (str(2**63), None),
        (1e300, None),
    ],
)
def test_numbers(sent: object, read: int | None) -> None:
    """A number may be a text or a float; what is none, or no time of a calendar, becomes None, alone."""
    assert movie(updatedAt=sent) == msgspec.structs.replace(movie(), updated_at=read)


@pytest.mark.parametrize(
    ("sent", "read"),
    [(2**63 - 1, 2**63 - 1), (-(2**63), -(2**63)), (2**63, None), (-(2**63) - 1, None), (str(2**63), None)],
)
def test_numbers_that_are_no_times(sent: object, read: int | None) -> None:
    """Those are only too large if they are so for SQLite."""
    (file,) = movie(Media=[{"id": sent, "Part": [{"id": 31}]}]).files
    assert file.media_id == read


def test_number_with_more_digits_than_python_reads() -> None:
    """A number of 5,000 digits costs itself."""
    body = answer({**MOVIE, "year": 4711}, MOVIE).replace(b"4711", b"9" * 5000)
    first, second = parse_page(body).items
    assert first == movie(year=None)
    assert second == movie()


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_no_json(constant: bytes) -> None:
    """NaN and infinity cost themselves."""
    body = answer({**MOVIE, "year": 4711, "title": 4711}).replace(b"4711", constant)
    assert only(body) == movie(year=None, title=None)


@pytest.mark.parametrize(
    ("sent", "read"),
    [(24, "24"), (7.0, "7"), (3.14, "3.14"), (None, ""), (True, ""), ({}, ""), ("", ""), ("null", "null")],
)
def test_titles(sent: object, read: str) -> None:
    """A title may be a number; a missing one is empty and loses no item."""
    assert movie(title=sent).title == read


def test_rating_key_as_a_number() -> None:
    """Rating keys are texts, also where the server sends a number."""
    item = episode(ratingKey=43, parentRatingKey=42.0, grandparentRatingKey=41)
    assert (item.rating_key, item.season_rating_key, item.show_rating_key) == ("43", "42", "41")


def test_rating_key_that_is_no_number() -> None:
    """Rating keys are opaque."""
    assert movie(ratingKey="a/b c").rating_key == "a/b c"


@pytest.mark.parametrize("guid", ["", "none://", "com.plexapp.agents.none://?lang=xn"])
def test_a_guid_without_an_id_is_none(guid: str) -> None:
    """All items of its kind may have it."""
    assert movie(guid=guid).guid is None


def test_single_object_instead_of_a_list() -> None:
    """A list of one may come without its brackets, at every level."""
    body = answer(size=1, Metadata={**MOVIE, "Guid": {"id": "imdb://tt0017136"}, "Media": {**MEDIA, "Part": PART}})
    item = only(body)
    assert item.files == (FILE,)
    assert item.guids[1:] == (("imdb", "tt0017136"),)


def test_texts_instead_of_objects_with_one_value() -> None:
    """`Guid` and tags may come as plain texts."""
    item = movie(Guid=["imdb://tt0017136", 5, None], Genre=["Drama", None, {"tag": None}, {}])
    assert item.guids[1:] == (("imdb", "tt0017136"),)
    assert item.genre == "Drama"


def test_date_with_a_time() -> None:
    """Of a date with a time the date stays."""
    assert movie(originallyAvailableAt="1927-01-10 00:00:00").originally_available_at == "1927-01-10"


def _bare(kind: type[Item], **fields: object) -> Item:
    """Make an item of which nothing but these fields is known."""
    needed = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    values: dict[str, Any] = {**dict.fromkeys(kind.__struct_fields__[:needed]), "trashed": False, **fields}
    return kind(**values)


def test_minimal_entries() -> None:
    """An item needs a rating key and a type, nothing else."""
    page = parse_page(answer(*({"ratingKey": kind, "type": kind} for kind in ("movie", "show", "season", "episode"))))
    assert page.items == (
        _bare(Movie, rating_key="movie", title="", guids=(), files=()),
        _bare(Show, rating_key="show", title="", guids=()),
        _bare(Season, rating_key="season", title=""),
        _bare(Episode, rating_key="episode", episode_title="", guids=(), files=()),
    )


# -- characters -----------------------------------------------------------------------------------------------------


def test_bad_utf8() -> None:
    """Bytes that are no UTF-8 are replaced."""
    assert only(answer(MOVIE).replace(b"Metropolis", b"Metro\xffpolis", 1)).title == "Metro\ufffdpolis"


def test_control_characters() -> None:
    """A raw control character in a text does no harm, nor does a raw NUL, which is dropped."""
    body = answer({**MOVIE, "title": "a_b#c"}).replace(b"a_b#c", b"a\x04b\x00c")
    assert only(body).title == "a\x04bc"


def test_escaped_nul() -> None:
    """NUL is dropped, wherever it stands: half of SQLite's functions end a text there."""
    item = movie(title="a\0b", Genre=[{"tag": "Dra\0ma"}])
    assert item.title == "ab"
    assert item.genre == "Drama"


@pytest.mark.parametrize("escapes", [0, 1, 198, 199, 200, 201, 5_000])
def test_escaped_nul_behind_other_escapes(escapes: int) -> None:
    """It is found behind any number of other escapes."""
    assert only(answer({"tagline": '"' * escapes, **MOVIE, "title": "a\0b"})).title == "ab"


def test_escaped_nul_is_distinguished_from_a_backslash() -> None:
    r"""`\\u0000` is a backslash and a word, such as in a Windows path."""
    assert file_of({**MEDIA, "Part": [{**PART, "file": r"D:\u0000\film.mkv"}]}).plex_path == r"D:\u0000\film.mkv"


def test_lone_surrogates() -> None:
    """Half a surrogate pair is replaced, because it is no UTF-8; a whole pair is the character that it encodes."""
    body = answer({**MOVIE, "title": "T1"}, {**MOVIE, "title": "T2"})
    body = body.replace(b"T1", b"a\\ud83d").replace(b"T2", b"a\\ud83d\\ude00")
    assert [item.title for item in parse_page(body).items if isinstance(item, Movie)] == ["a\ufffd", "a\U0001f600"]


def test_lone_surrogate_in_a_key() -> None:
    """An unknown key is ignored, whatever it holds."""
    body = answer({**MOVIE, "unknown": 1, "year": 4711}).replace(b"unknown", b"\\ud800").replace(b"4711", b"NaN")
    assert only(body) == movie(year=None)


def test_byte_order_mark() -> None:
    """A byte order mark before the answer is no part of it."""
    assert only(b"\xef\xbb\xbf" + answer(MOVIE)) == movie()


# -- media and parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "media", [None, [], {}, [None], "x", [{"id": 21}], [{"id": 21, "Part": []}], [{"Part": [None]}]]
)
def test_no_file(media: object) -> None:
    """An item without Media, or whose Media has no Part, has no files."""
    assert movie(Media=media).files == ()


def test_part_without_file() -> None:
    """A Part without a path is kept, and is not playable."""
    file = file_of({**MEDIA, "Part": [{"id": 31}]})
    assert file.plex_path is None
    assert not file.playable


def test_versions_and_stacked_parts() -> None:
    """Every Part of every Media is a file, in the server's order, whatever the ids."""
    stacked = [{**PART, "id": 9, "file": "cd1"}, {"id": 8, "file": "cd2"}]
    item = movie(Media=[MEDIA, {"id": 22, "duration": 7, "container": "avi", "Part": stacked}])
    assert [(file.media_id, file.part_id, file.part_index, file.plex_path) for file in item.files] == [
        (21, 31, 0, "/films/Metropolis (1927).mkv"),
        (22, 9, 0, "cd1"),
        (22, 8, 1, "cd2"),
    ]
    second_part = item.files[2]
    assert second_part.container == "avi"
    assert second_part.duration is None


def test_duration_of_the_only_part() -> None:
    """Where a Media has one Part, and only the Media a duration, that is the file's."""
    assert file_of({**MEDIA, "duration": 77, "Part": [{**PART, "duration": None}]}).duration == 77


def test_part_id_from_the_key() -> None:
    """A missing part id stands in the Part's key."""
    assert file_of({**MEDIA, "Part": [{**PART, "id": None}]}).part_id == 31


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "/library/parts/31/file.mkv",
        "/library/parts/x/y/file.mkv",
        "/x/y/1/2/file.mkv",
        f"/library/parts/1/{10**20}/f",
    ],
)
def test_part_key_of_another_form(key: str | None) -> None:
    """A key without a change stamp gives none."""
    file = file_of({**MEDIA, "Part": [{**PART, "key": key}]})
    assert file.change_stamp is None
    assert file.part_id == 31


def test_change_stamp_before_1970() -> None:
    """The change stamp is a file's modification time and may be negative."""
    assert file_of({**MEDIA, "Part": [{**PART, "key": "/library/parts/31/-5/file.mkv"}]}).change_stamp == -5


def test_optimized_version() -> None:
    """`proxyType` 42 marks a version made for another device; `optimizedForStreaming` does not."""
    assert file_of({**MEDIA, "proxyType": 42}).optimized
    assert not file_of({**MEDIA, "optimizedForStreaming": True}).optimized


def test_trash() -> None:
    """What is deleted but not yet emptied from the trash says so, on the item, the Media or the Part."""
    assert movie(deletedAt=1700000000).trashed
    assert file_of({**MEDIA, "deletedAt": "1700000000"}).trashed
    assert file_of({**MEDIA, "Part": [{**PART, "deletedAt": 1700000000}]}).trashed
    assert not movie().trashed


# -- containers -----------------------------------------------------------------------------------------------------


def test_hoisted_attributes_fill_gaps_only() -> None:
    """What all entries share may stand on the container, there even as a number; an item's own value wins."""
    bare = {"ratingKey": "90", "type": "episode"}
    own = {**bare, "grandparentRatingKey": "5", "parentRatingKey": "6", "parentIndex": 0}
    page = parse_page(answer(bare, own, grandparentRatingKey=22, parentRatingKey=89, parentIndex=3, parentTitle=""))
    assert [
        (item.show_rating_key, item.season_rating_key, item.season_number)
        for item in page.items
        if isinstance(item, Episode)
    ] == [("22", "89", 3), ("5", "6", 0)]


def test_specials_and_episode_zero() -> None:
    """Season 0 and episode 0 are real; no index at all is another thing."""
    assert (episode(parentIndex=0, index=0).season_number, episode(parentIndex=0, index=0).episode_number) == (0, 0)
    assert (episode(parentIndex=None).season_number, episode(index=None).episode_number) == (None, None)


def test_library_uuid() -> None:
    """A page names the library that it is of, where the container does."""
    assert parse_page(answer(MOVIE, librarySectionUUID="u")).library_uuid == "u"
    assert parse_page(answer(MOVIE, librarySectionUUID="")).library_uuid is None


def test_total_never_comes_from_size() -> None:
    """The total is the header's, else `totalSize`, else unknown."""
    assert parse_page(answer(MOVIE)).total is None
    assert parse_page(answer(MOVIE, totalSize="900")).total == 900
    assert parse_page(answer(MOVIE, totalSize=900), total=901).total == 901
    assert parse_page(answer(MOVIE, totalSize=-1)).total is None


def test_offset_is_the_servers_word() -> None:
    """A page that starts elsewhere than requested says so; otherwise it starts where requested."""
    assert parse_page(answer(MOVIE, offset=0), offset=500).offset == 0
    assert parse_page(answer(MOVIE), offset=500).offset == 500


def test_pseudo_entry() -> None:
    """The entry "All episodes" stands in an array of its own, has neither key nor type, and counts in `size`."""
    season = {"ratingKey": "42", "type": "season", "title": "Season 1", "index": 1}
    pseudo = {"key": "/library/metadata/41/allLeaves", "title": "All episodes", "leafCount": 18}
    page = parse_page(answer(season, size=2, Directory=[pseudo]))
    assert page.entries == 2
    assert len(page.items) == 1
    assert page.skipped == (Skipped(None, "All episodes", "no ratingKey"),)


@pytest.mark.parametrize(
    ("entry", "skipped"),
    [
        ({"ratingKey": "5", "type": "collection", "title": "Noir"}, Skipped("5", "Noir", "type 'collection'")),
        ({"ratingKey": "5", "type": "clip", "title": "Trailer"}, Skipped("5", "Trailer", "type 'clip'")),
        ({"ratingKey": "5", "title": "?"}, Skipped("5", "?", "no type")),
        ({"ratingKey": "", "type": "movie"}, Skipped(None, None, "no ratingKey")),
        ({"ratingKey": [], "type": "movie"}, Skipped(None, None, "no ratingKey")),
        ({"ratingKey": "5", "type": 1}, Skipped("5", None, "type '1'")),
        ({}, Skipped(None, None, "no ratingKey")),
        ("x", Skipped(None, None, "no ratingKey")),
        (None, Skipped(None, None, "no ratingKey")),
    ],
)
def test_entries_that_cannot_be_used(entry: object, skipped: Skipped) -> None:
    """An entry without rating key or usable type is skipped with the reason, is counted, and costs no other."""
    page = parse_page(answer(MOVIE, entry, EPISODE))
    assert page.items == (movie(), episode())
    assert page.skipped == (skipped,)
    assert page.entries == 3


def test_items_of_another_kind() -> None:
    """Where one kind is requested the others are omitted: the rows of a listing all go to one table."""
    body = answer(MOVIE, {**EPISODE, "ratingKey": "5", "title": "Pilot"})
    page = parse_page(body, kind=Kind.MOVIE)
    assert [item.rating_key for item in page.items] == [MOVIE["ratingKey"]]
    assert page.skipped == (Skipped("5", "Pilot", "type 'episode'"),)
    assert page.entries == len(parse_page(body).items) == 2


def test_home_video() -> None:
    """A home video is a movie of the subtype clip."""
    assert movie(subtype="clip").title == "Metropolis"


def test_empty_page() -> None:
    """An empty page has no list at all."""
    body = b'{"MediaContainer":{"size":0,"totalSize":10}}'
    assert parse_page(body) == Page(0, 10, 0, (), (), None, len(body))


# -- what is no answer of Plex --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty body"),
        (b" \n", "an empty body"),
        (b"<!DOCTYPE html><html><body>Not Found</body></html>", "an HTML page"),
        (b"\n<html lang=en>", "an HTML page"),
        (b'{"ok":true}', "JSON without a MediaContainer"),
        (b"[]", "JSON without a MediaContainer"),
        (b"null", "JSON without a MediaContainer"),
        (b'{"MediaContainer":[]}', "JSON without a MediaContainer"),
        (b'{"MediaContainer":{"size":1,"Metadata":[{"ratingKey"', "no JSON: "),
        (b'{"MediaContainer":{}}', "a MediaContainer of size None without entries"),
        (b'{"MediaContainer":{"size":3}}', "a MediaContainer of size 3 without entries"),
        (b'{"_elementType":"MediaContainer","_children":[]}', "JSON in the form of servers before 2017"),
        (b'{"MediaContainer":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON that is nested too deeply"),
        (b"plain text", "no JSON: "),
    ],
)
def test_not_a_media_container(body: bytes, reason: str) -> None:
    """What is not Plex's, or not whole, is refused as a whole, in one short line."""
    with pytest.raises(NotAMediaContainer) as raised:
        parse_page(body)
    assert raised.value.reason.startswith(reason)
    assert str(raised.value) == raised.value.reason
    assert len(raised.value.reason) <= 200


def test_content_type_that_promised_something_else() -> None:
    """The reason names a content type that surprises."""
    with pytest.raises(NotAMediaContainer, match=r"^no JSON \(called text/plain\)"):
        parse_page(b"hello", content_type="text/plain")


# -- libraries and identity -----------------------------------------------------------------------------------------


def test_libraries() -> None:
    """A library has a key, a type and all its roots; `contentChangedAt` is a counter."""
    section = {
        "key": "3",
        "type": "show",
        "title": "TV Series ",
        "agent": "tv.plex.agents.series",
        "uuid": "8f0b",
        "updatedAt": 1788414024,
        "scannedAt": 1788413969,
        "contentChangedAt": 3048979,
        "refreshing": "1",
        "hidden": 2,
        "Location": [{"id": 1, "path": "/tv"}, {"id": 2, "path": "M:\\TV"}],
    }
    body = json.dumps({"MediaContainer": {"size": 1, "Directory": [section]}}).encode()
    assert parse_libraries(body).listings == (
        LibraryListing(
            key="3",
            title="TV Series ",
            kind="show",
            uuid="8f0b",
            agent="tv.plex.agents.series",
            locations=("/tv", "M:\\TV"),
            updated_at=1788414024,
            scanned_at=1788413969,
            content_changed_at=3048979,
            refreshing=True,
        ),
    )


def test_libraries_with_odd_values() -> None:
    """A library without key or type is skipped; odd values in one cost no other."""
    sections = [
        {"key": 1, "type": "movie", "title": 24, "uuid": "", "refreshing": "maybe", "Location": {"path": "/m"}},
        {"type": "movie", "title": "keyless"},
        {"key": "2", "title": "typeless"},
    ]
    libraries = parse_libraries(json.dumps({"MediaContainer": {"size": 3, "Directory": sections}}).encode())
    assert libraries.listings == (LibraryListing("1", "24", "movie", locations=("/m",)),)
    assert libraries.skipped == (Skipped(None, "keyless", "no key"), Skipped(None, "typeless", "no type"))


def test_no_libraries() -> None:
    """A server may have no library; an answer that only seems to say so is refused."""
    assert parse_libraries(b'{"MediaContainer":{"size":0}}').listings == ()
    with pytest.raises(NotAMediaContainer, match="without libraries"):
        parse_libraries(b'{"MediaContainer":{"size":2}}')


def test_identity() -> None:
    """A server says who it is."""
    body = b'{"MediaContainer":{"size":0,"apiVersion":"1.2.2","machineIdentifier":"9f","version":"1.43.3"}}'
    assert parse_identity(body) == ServerIdentity("9f", "1.43.3")


def test_identity_of_something_else() -> None:
    """A container that does not name the server may come from any program."""
    for body in (b'{"MediaContainer":{"size":0}}', b'{"MediaContainer":{"machineIdentifier":"","version":"1.43.3"}}'):
        with pytest.raises(NotAMediaContainer, match="without machineIdentifier"):
            parse_identity(body)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [("7", "7"), ('"7"', "7"), ("-1.5e9", "-1500000000"), ('" "', " "), ('"9f\\n"', r"9f\n")],
)
def test_identity_that_names_no_server(sent: str, shown: str) -> None:
    """Two programs may both send a number or a blank: rows must not be stored under such an identity."""
    with pytest.raises(NotAMediaContainer, match=re.escape(f"machineIdentifier '{shown}', which names no server")):
        parse_identity(b'{"MediaContainer":{"machineIdentifier":%s,"version":"1.43.3"}}' % sent.encode())


def test_identity_that_is_too_long() -> None:
    """A part of it would be another identity."""
    with pytest.raises(NotAMediaContainer, match="without machineIdentifier"):
        parse_identity(b'{"MediaContainer":{"machineIdentifier":"%s"}}' % (b"9f" * 5000))


def test_identity_of_digits_alone() -> None:
    """40 hexadecimal digits may all be decimal ones."""
    machine = "0123456789" * 4
    body = b'{"MediaContainer":{"machineIdentifier":"%s"}}' % machine.encode()
    assert parse_identity(body).machine_identifier == machine


@pytest.mark.parametrize(
    ("came", "stored"),
    [
        ("2016-05-01", "2016-05-01"), (" 2016-05-01", "2016-05-01"), ("2016-05-01 00:00:00", "2016-05-01"),
        ("2016-05-01T00:00:00Z", "2016-05-01"), ("0000-00-00", None), ("-0001-11-30", None), ("12016-01-01", None),
        ("01/05/2016", None), ("2016", None), ("2016-05", None), ("2016-W01-1", None), ("2016-02-30", None),
    ],
)  # fmt: skip
def test_a_date_that_is_none_is_unknown(came: str, stored: str | None) -> None:
    """Readers compare texts and call date()."""
    assert movie(originallyAvailableAt=came).originally_available_at == stored


def test_negative_lengths_and_years_that_are_none_are_unknown() -> None:
    """They are no damage: the server has nothing better."""
    odd = {**MEDIA, "bitrate": -1, "width": -2, "duration": -3, "Part": [{**PART, "size": -4, "duration": -5}]}
    page = parse_page(answer({**MOVIE, "year": 0, "duration": -1, "Media": [odd]}))
    (item,) = page.items
    assert isinstance(item, Movie)
    (file,) = item.files
    assert (item.year, item.duration, file.bitrate, file.width, file.size, file.duration) == (None,) * 6
    assert page.mended == ()


def test_each_tag_is_named_once() -> None:
    """As it is spelt first."""
    assert movie(Genre=[{"tag": "Drama"}, {"tag": "drama"}, {"tag": "Noir"}]).genre == "Drama, Noir"


@pytest.mark.parametrize(
    ("good", "bad", "fields"),
    [
        (b'"Metropolis"', b'"Metro\xffpolis"', "title"),
        (b'"Metropolis"', b'"Metro\\ud800polis"', "title"),
        (b'"duration": 5400000', b'"duration": NaN', "duration, Media.duration, Media.Part.duration"),
        (b'"Metropolis"', b'"Metro\xef\xbf\xbdpolis \\u0000"', None),
        (b'"year": 1927', b'"year": "1927"', None),
    ],
)
def test_an_entry_says_which_values_were_lost(good: bytes, bad: bytes, fields: str | None) -> None:
    """A replacement character of the server's own is no damage, nor is another spelling."""
    body = answer(MOVIE, {**MOVIE, "ratingKey": "12", "title": "M"}).replace(good, bad)
    mended = dict(parse_page(body).mended)
    assert mended.get("11") == fields
    assert ("12" in mended) == (fields is not None and "duration" in fields)
