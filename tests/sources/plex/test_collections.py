"""Collections and labels: what is read of responses, in either format and whatever is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from retrovue_daemon.records import Collection, Kind, Label
from retrovue_daemon.sources.plex.collections import parse_collections
from retrovue_daemon.sources.plex.labels import may_hold_tags, parse_labels
from retrovue_daemon.sources.plex.limits import NotAMediaContainer

PLAIN: dict[str, Any] = {
    "ratingKey": "161", "key": "/library/collections/161/children", "guid": "collection://2fa1", "type": "collection",
    "title": "Trilogy", "titleSort": "Tril", "subtype": "movie", "summary": "Three", "index": 1161,
    "thumb": "/library/collections/161/composite/1600000000?width=400&height=600", "addedAt": 1500000000,
    "updatedAt": 1600000000, "childCount": "3", "maxYear": "1990", "minYear": "1985", "librarySectionID": 1,
}  # fmt: skip


def body(*entries: object, **container: object) -> bytes:
    listed = {"Metadata": list(entries)} if entries else {}
    return json.dumps({"MediaContainer": {"size": len(entries), **container, **listed}}).encode()


def only(entry: dict[str, Any], **container: object) -> Collection:
    (found,) = parse_collections(body(entry, **container)).collections
    return found


def test_a_collection_is_read_as_listed() -> None:
    """Its number of members is a text on older servers."""
    found = only(PLAIN)
    assert found == Collection(
        "161", "1", "Trilogy", "Tril", "Three", Kind.MOVIE, bool(0), None, PLAIN["thumb"], None, 3, 1500000000,
        1600000000, "collection://2fa1",
    )  # fmt: skip
    assert only({**PLAIN, "childCount": 3}) == found


@pytest.mark.parametrize("smart", [True, "1", 1, "true"])
def test_a_smart_one_says_so_in_several_ways(smart) -> None:
    """Absent means no."""
    assert only({**PLAIN, "smart": smart}).is_smart
    assert not only(PLAIN).is_smart


def test_the_library_may_stand_in_the_container() -> None:
    """As in the list of one library; without either, it is unknown."""
    entry = {name: value for name, value in PLAIN.items() if name != "librarySectionID"}
    assert only(entry, librarySectionID="7").library_key == "7"
    assert only(entry).library_key is None


def test_a_collection_in_the_list_of_another_library_stays_in_its_own() -> None:
    """Some servers list those of all libraries for each; only one that names none is in the library asked for."""
    (found,) = parse_collections(body(PLAIN), library_key="2").collections
    assert found.library_key == "1"
    entry = {name: value for name, value in PLAIN.items() if name != "librarySectionID"}
    (found,) = parse_collections(body(entry, librarySectionID="7"), library_key="2").collections
    assert found.library_key == "2"


def test_its_pictures_have_no_token_and_its_times_a_date() -> None:
    found = only({**PLAIN, "thumb": "/a?X-Plex-Token=x&width=4", "art": "/b?x-plex-token=x", "addedAt": 10**17})
    assert (found.thumb, found.art, found.added_at) == ("/a?width=4", "/b", None)


def test_xml_is_read_likewise() -> None:
    """A collection is a directory there, and all values are texts."""
    attributes = " ".join(f'{name}="{str(value).replace("&", "&amp;")}"' for name, value in PLAIN.items())
    xml = f'<MediaContainer size="1" totalSize="1"><Directory {attributes} smart="1"/></MediaContainer>'
    (found,) = parse_collections(xml.encode(), content_type="text/xml").collections
    assert found == only({**PLAIN, "smart": True})


def test_bad_entries_cost_themselves_only() -> None:
    """Those of another type, without a key, or with values that no column holds."""
    entries = (
        PLAIN,
        {"type": "movie", "ratingKey": "1"},
        {"type": "collection"},
        {**PLAIN, "ratingKey": "2", "updatedAt": "x"},
    )
    page = parse_collections(body(*entries, 7))
    assert [collection.rating_key for collection in page.collections] == ["161", "2"]
    assert page.collections[1].updated_at is None
    assert len(page.skipped) == 3


@pytest.mark.parametrize("text", [b"", b"<html></html>", b'{"MediaContainer": {"size": 3}}', b"{}"])
def test_no_list_is_no_empty_list(text) -> None:
    """An empty one says that its size is 0."""
    with pytest.raises(NotAMediaContainer):
        parse_collections(text)
    with pytest.raises(NotAMediaContainer):
        parse_labels(text)
    assert parse_collections(body(totalSize=0)).collections == ()
    assert parse_labels(body()) == ()


def test_labels_have_keys_and_names() -> None:
    """Each once, without control characters; those without either are dropped."""
    directories = [
        {"key": "11", "title": "Kids"}, {"key": 12, "title": "Late\u0007 Night"}, {"key": "13", "title": "Kids"},
        {"title": "None"}, {"key": "14", "title": " "},
    ]  # fmt: skip
    text = json.dumps({"MediaContainer": {"size": 5, "Directory": directories}}).encode()
    assert parse_labels(text) == (Label("11", "Kids"), Label("12", "Late Night"))


def test_tags_are_absent_only_where_the_server_counts_none() -> None:
    """A page beyond the end is empty, too, and an answer that counts nothing says nothing."""
    assert not may_hold_tags(body(totalSize=0))
    assert not may_hold_tags(body(totalSize="0"))
    assert not may_hold_tags(body(), total=0)
    assert not may_hold_tags(b'<MediaContainer size="0" totalSize="0"/>', content_type="text/xml")
    for listed in (body(), body(totalSize=1), body(totalSize=0, size=None), body(totalSize=0), body({"key": "1"})):
        assert may_hold_tags(listed, total=2)
    assert may_hold_tags(body())
    assert may_hold_tags(body({"key": "1"}), total=0)
    assert may_hold_tags(b'{"MediaContainer": {"totalSize": 0}}')
    with pytest.raises(NotAMediaContainer):
        may_hold_tags(b"<html></html>")
