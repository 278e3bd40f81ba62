"""What `plex.parse` promises for every input."""

from __future__ import annotations

import json
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrovue_daemon.records import Artwork, Streams
from retrovue_daemon.sources.plex import json_structs
from retrovue_daemon.sources.plex.limits import NotAMediaContainer
from retrovue_daemon.sources.plex.parse import parse_identity, parse_libraries, parse_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrovue_daemon.records import Item, Page

KINDS = ("movie", "show", "season", "episode")
KEYS = [
    field.encode_name
    for struct in (json_structs.Entry, json_structs.Media, json_structs.Part, json_structs.Tag)
    for field in msgspec.structs.fields(struct)
    if "/" not in field.encode_name
]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**66)
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.from_regex(r"\A[-+]?[0-9]{0,25}(\.[0-9]+)?(e[0-9]{1,4})?\Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=8),
    max_leaves=12,
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
numbers = st.integers(-(2**63), 2**63 - 1)
part = st.fixed_dictionaries({}, optional={"id": numbers, "key": words, "file": words, "size": numbers})
media = st.fixed_dictionaries({}, optional={"id": numbers, "container": words, "Part": st.lists(part, max_size=2)})
good_entry = st.fixed_dictionaries(
    {"ratingKey": words, "type": st.sampled_from(KINDS)},
    optional={
        "title": words,
        "guid": words,
        "index": numbers,
        "parentIndex": numbers,
        "updatedAt": numbers,
        "summary": words,
        "Media": st.lists(media, max_size=2),
        "Guid": st.lists(st.fixed_dictionaries({"id": words}), max_size=3),
        "Genre": st.lists(st.fixed_dictionaries({"tag": words}), max_size=2),
    },
)
odd_entry = st.builds(
    lambda key, kind, fields: {**fields, "ratingKey": key, "type": kind},
    words,
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(KEYS), anything, max_size=6),
)


# Machines that run tests are not evenly fast, so a slow example proves nothing.
relaxed = settings(deadline=None, max_examples=80)


def encoded(*entries: object, **container: object) -> bytes:
    return json.dumps({"MediaContainer": {"size": len(entries), **container, "Metadata": list(entries)}}).encode()


def _beside(values: Artwork | Streams) -> object:
    if isinstance(values, Artwork):
        return [values.thumb, values.art, values.theme]
    return [values.hdr, values.digest, values.rows]


def values(item: Item) -> Iterator[Any]:
    """Every value of an item, those of its files and guids too."""
    pending: list[Any] = [msgspec.to_builtins(item, enc_hook=_beside)]
    while pending:
        value = pending.pop()
        if isinstance(value, list | tuple):
            pending.extend(value)
        else:
            yield value


def assert_storable(page: Page) -> None:
    with sqlite3.connect(":memory:") as database:
        for item in page.items:
            for value in values(item):
                row = database.execute("SELECT ?, length(CAST(? AS TEXT))", (value, value)).fetchone()
                assert row[0] == value
                if isinstance(value, str):
                    assert row[1] == len(value)
    database.close()


@relaxed
@given(st.binary(max_size=300))
@example(b"<MediaContainer size='0' " + b"&#56320;" * 3 + b"/>")
@example(b'{"MediaContainer":{"size":0,"Metadata":"\\ud800"}}')
def test_bytes(body: bytes) -> None:
    """Whatever the bytes are, they are read, or refused by NotAMediaContainer and nothing else."""
    for parse in (parse_page, parse_libraries, parse_identity):
        with suppress(NotAMediaContainer):
            parse(body)


@relaxed
@given(anything)
def test_containers(container: object) -> None:
    """Whatever JSON stands instead of the container."""
    for parse in (parse_page, parse_libraries, parse_identity):
        with suppress(NotAMediaContainer):
            parse(json.dumps({"MediaContainer": container}).encode())


@relaxed
@given(st.lists(anything | odd_entry, min_size=1, max_size=5), anything)
def test_odd_entries(entries: list[object], shared: object) -> None:
    """Each entry becomes an item or is skipped, and every value of every item can be stored and read back whole."""
    page = parse_page(encoded(*entries, grandparentRatingKey=shared, parentIndex=shared, totalSize=shared))
    assert page.entries == len(page.items) + len(page.skipped) == len(entries)
    assert_storable(page)


@relaxed
@given(odd_entry)
def test_odd_fields(entry: dict[str, object]) -> None:
    """An entry with rating key and type is an item, however odd its other fields are."""
    page = parse_page(encoded(entry))
    assert [item.rating_key for item in page.items] == [entry["ratingKey"]]


@relaxed
@given(st.lists(good_entry, min_size=1, max_size=4), anything | odd_entry, st.integers(0, 4))
def test_one_bad_entry_never_costs_the_others(good: list[dict[str, Any]], bad: object, position: int) -> None:
    """Good entries give the same records alone, and on a page that has to be mended."""
    alone = parse_page(encoded(*good))
    assert len(alone.items) == len(good)
    mixed = list(parse_page(encoded(*good[:position], bad, *good[position:])).items)
    if len(mixed) > len(good):
        del mixed[min(position, len(good))]
    assert mixed == list(alone.items)


@relaxed
@given(st.lists(good_entry, min_size=1, max_size=4))
def test_both_ways_of_reading_agree(entries: list[dict[str, Any]]) -> None:
    """A page that only the forgiving decoder reads gives the same records."""
    body = encoded(*entries)
    mended = parse_page(body[:-2] + b',"viewMode":NaN}}')
    assert mended.items == parse_page(body).items


@relaxed
@given(st.lists(st.dictionaries(st.sampled_from(KEYS), st.text(), max_size=6), max_size=4), st.text())
def test_xml_attributes(entries: list[dict[str, str]], title: str) -> None:
    """Whatever stands in the attributes of an XML answer, its entries are counted and each is read or skipped."""
    videos = "".join(
        "<Video " + " ".join(f"{key}={quoteattr(value)}" for key, value in entry.items()) + "/>" for entry in entries
    )
    body = f'<MediaContainer size="{len(entries)}" title1={quoteattr(title)}>{videos}</MediaContainer>'
    page = parse_page(body.encode())
    assert page.entries == len(page.items) + len(page.skipped) == len(entries)
    assert_storable(page)
