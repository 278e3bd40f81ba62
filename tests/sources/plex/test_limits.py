"""What a response may hold: bombs are refused before anything is built from them, long texts are cut."""

from __future__ import annotations

import json
import re
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrovue_daemon.records import Movie
from retrovue_daemon.sources.plex.limits import (
    LONGEST_TEXT,
    Limits,
    NotAMediaContainer,
    TooLargeContent,
    takes_long,
    without_long_texts,
)
from retrovue_daemon.sources.plex.parse import MOST_LIBRARIES, parse_libraries, parse_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1024 * 1024
ENTRY = '{"ratingKey":"1","type":"movie","title":"Alien","Guid":[%s],"Media":[{"Part":[%s]}]}'


def page(guids: str = "", parts: str = "", *, more: str = "") -> bytes:
    return f'{{"MediaContainer":{{"size":1,"Metadata":[{ENTRY % (guids, parts)}{more}]}}}}'.encode()


def xml(inner: str) -> bytes:
    return f'<MediaContainer size="1">{inner}</MediaContainer>'.encode()


BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "external ids": (
        lambda: page(guids="{}," * 1_000_000 + "{}"),
        r"\d{7} objects, although 500 entries were requested",
    ),
    "files": (lambda: page(parts="{}," * 1_000_000 + "{}"), r"\d{7} objects, although 500 entries were requested"),
    "entries": (lambda: page(more=",{}" * 1_000_000), r"\d{7} objects, although 500 entries were requested"),
    "nulls": (lambda: page(guids="null," * 300_000 + "null"), r"\d{6} values, although 500 entries were requested"),
    "many nulls": (lambda: page(guids="null," * 1_000_000 + "null"), r"\d{7} bytes of JSON that needs repair"),
    "numbers": (lambda: page(guids="1000," * 300_000 + "1000"), r"\d{6} values, although 500 entries were requested"),
    "escaped NULs": (lambda: page(guids='"\\u0000",' * 300_000 + '""'), r"\d{7} bytes of JSON that needs repair"),
    "elements": (lambda: xml("<Video/>" * 100_000), r"10000\d tags, although 500 entries were requested"),
    "text elements": (lambda: xml("<a>" * 100_000), r"10000\d tags, although 500 entries were requested"),
    "attributes": (
        lambda: xml("<Video " + " ".join(f'a{i}=""' for i in range(300_000)) + "/>"),
        r"30000\d attributes, although 500 entries were requested",
    ),
    "large XML": (lambda: xml("<!-- -->" * 600_000), r"48000\d\d bytes of XML"),
}
"""Functions, because together they take half a second and 30 MB, in every process that collects the tests."""


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    """Give a body, and the pattern of the reason for which it is refused."""
    body, reason = BOMBS[request.param]
    return body(), reason


@pytest.fixture
def traced() -> Iterator[Callable[[], int]]:
    """Give the most bytes that were allocated since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def test_a_response_with_more_than_any_server_sends_is_refused_before_anything_is_built(
    bomb: tuple[bytes, str], traced: Callable[[], int]
) -> None:
    """Its objects would take up to a hundred times its size."""
    body, reason = bomb
    with pytest.raises(TooLargeContent) as caught:
        parse_page(body, asked=500)
    assert re.fullmatch(reason, caught.value.reason)
    assert traced() < 2 * MIB


@pytest.mark.parametrize(
    "body",
    [
        page(guids="[" * 100_000),
        page(guids='{"a":' * 3_000),
        xml("<Video>" * 1_000),
        xml("<a>" * 17),
    ],
)
def test_a_response_that_is_nested_deeply_is_refused(body: bytes) -> None:
    """No level of it is an object that is kept."""
    with pytest.raises(NotAMediaContainer):
        parse_page(body, asked=500)


def test_a_response_may_hold_as_much_as_was_requested_many_times_over() -> None:
    """A film with a hundred versions, ids and files among 500; and a listing of 9,000 that comes unpaged."""
    movie = ENTRY % (",".join(['{"id":"imdb://tt1"}'] * 100), ",".join(['{"id":1,"file":"/a"}'] * 100))
    body = f'{{"MediaContainer":{{"size":500,"Metadata":[{",".join([movie] * 250)}]}}}}'.encode()
    assert len(parse_page(body, asked=500).items) == 250
    unpaged = ",".join(f'{{"ratingKey":"{number}","type":"movie"}}' for number in range(9_000))
    assert parse_page(f'{{"MediaContainer":{{"Metadata":[{unpaged}]}}}}'.encode(), asked=500).entries == 9_000


@pytest.mark.parametrize("asked", [1, 25])
def test_a_response_to_a_request_for_few_entries_may_hold_less(asked: int) -> None:
    """What is too much for one entry is not for five hundred."""
    entries = ",".join('{"ratingKey":"1","type":"movie"}' for _ in range(Limits(asked).entries + 1))
    body = f'{{"MediaContainer":{{"Metadata":[{entries}]}}}}'.encode()
    assert parse_page(body, asked=500).entries == 1_001 + 20 * asked
    with pytest.raises(TooLargeContent, match=rf"{1_001 + 20 * asked} entries, although {asked} were requested"):
        parse_page(body, asked=asked)


def test_a_server_has_a_limited_number_of_libraries() -> None:
    """Each of them has a row and a schedule; the limit is twenty times what is requested."""
    sections = [{"key": str(number), "type": "movie", "title": "t"} for number in range(100_000)]
    body = json.dumps({"MediaContainer": {"Directory": sections}}).encode()
    with pytest.raises(TooLargeContent, match="100002 objects"):
        parse_libraries(body)
    few = json.dumps({"MediaContainer": {"Directory": sections[:MOST_LIBRARIES]}}).encode()
    assert len(parse_libraries(few).listings) == MOST_LIBRARIES
    more = json.dumps({"MediaContainer": {"Directory": sections[: MOST_LIBRARIES + 1]}}).encode()
    with pytest.raises(TooLargeContent, match="1001 libraries, of at most 1000"):
        parse_libraries(more)


# -- long texts -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(['"', "\\", "ä", "😀", "\n", "x", "{,}", "\\u"]), st.integers(0, LONGEST_TEXT)),
        max_size=4,
    ),
    st.booleans(),
)
def test_long_texts_are_cut_and_nothing_else_changes(parts: list[tuple[str, int]], ascii_only: bool) -> None:  # noqa: FBT001
    """Wherever the cut is: within an escape, a character, or behind either."""
    texts = ["short", *(piece * number for piece, number in parts), "".join(piece * 9 for piece, _ in parts)]
    body = json.dumps(texts, ensure_ascii=ascii_only).encode()
    cut = json.loads(without_long_texts(body))
    assert len(cut) == len(texts)
    for text, whole in zip(cut, texts, strict=True):
        size = len(json.dumps(whole, ensure_ascii=ascii_only).encode()) - 2
        if size <= LONGEST_TEXT:
            assert text == whole
        else:
            # Of a character in two escapes, the first half may be left.
            assert whole.startswith(text.rstrip("\ud83d"))
            assert LONGEST_TEXT - 12 < len(json.dumps(text, ensure_ascii=ascii_only).encode()) - 2 <= LONGEST_TEXT


@pytest.mark.parametrize("filling", ["x", '\\"', "\\u00e4"])
def test_a_text_of_many_megabytes_is_cut_before_it_is_built(filling: str, traced: Callable[[], int]) -> None:
    """One emoji in it would quadruple its size."""
    body = page().replace(b"Alien", "😀".encode() + filling.encode() * (8 * MIB // len(filling)))
    tracemalloc.clear_traces()
    assert takes_long(body)
    (movie,) = parse_page(body, asked=500).items
    assert isinstance(movie, Movie)
    assert len(movie.title) == 1_000
    assert traced() < 2 * MIB


def entry(**fields: Any) -> dict[str, Any]:
    return {"ratingKey": "1", "type": "movie", "title": "Alien", **fields}


def as_json(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"MediaContainer": {"size": len(entries), "Metadata": entries}}).encode()


def test_texts_are_cut_at_their_longest_and_the_page_says_so() -> None:
    """A cut title still is a title."""
    body = as_json(
        entry(title="t" * 1_001, summary="s" * 10_001, Genre=[{"tag": "g" * 1_001}]),
        entry(ratingKey="2", title="t" * 1_000, summary="s" * 10_000),
    )
    parsed = parse_page(body)
    cut, whole = parsed.items
    assert isinstance(cut, Movie)
    assert isinstance(whole, Movie)
    assert (cut.title, cut.summary, cut.genre) == ("t" * 1_000, "s" * 10_000, "g" * 1_000)
    assert (whole.title, whole.summary) == ("t" * 1_000, "s" * 10_000)
    assert parsed.cut == (("1", "title, summary, Genre.tag"),)
    assert parsed.mended == ()


def test_what_identifies_something_is_lost_if_it_is_too_long() -> None:
    """A cut path is another path, a cut id another id."""
    part = {"id": 7, "file": "/" + "f" * 4_096, "key": "/library/parts/7/1/file.mkv"}
    body = as_json(
        entry(guid="plex://movie/" + "a" * 4_096, Media=[{"Part": [part]}], Guid=[{"id": "imdb://" + "t" * 4_096}]),
        entry(ratingKey="9" * 256),
    )
    parsed = parse_page(body)
    (movie,) = parsed.items
    assert isinstance(movie, Movie)
    assert (movie.guid, movie.guids, movie.files[0].plex_path, movie.files[0].part_id) == (None, (), None, 7)
    assert dict(parsed.mended)["1"] == "guid, Media.Part.file, Guid.id"
    assert [skipped.reason for skipped in parsed.skipped] == ["no ratingKey"]


def test_lists_of_an_entry_are_cut() -> None:
    """An item has at most a hundred versions of a hundred files, and as many external ids."""
    parts = [{"id": number, "file": f"/{number}"} for number in range(101)]
    body = as_json(entry(Media=[{"Part": parts}], Guid=[{"id": f"imdb://tt{number}"} for number in range(101)]))
    parsed = parse_page(body)
    (movie,) = parsed.items
    assert isinstance(movie, Movie)
    assert [file.part_id for file in movie.files] == list(range(100))
    assert len(movie.guids) == 100
    assert dict(parsed.cut) == {"1": "Media.Part, Guid"}


def test_xml_is_cut_likewise() -> None:
    """Also if the text is longer than anything is built for."""
    body = xml(f'<Video ratingKey="1" type="movie" title="{"t" * 200_000}" summary="a"/>')
    parsed = parse_page(body)
    (movie,) = parsed.items
    assert isinstance(movie, Movie)
    assert (movie.title, movie.summary) == ("t" * 1_000, "a")
    assert parsed.cut == (("1", "title"),)
