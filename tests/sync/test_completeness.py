"""When a listing counts as complete."""

from __future__ import annotations

from typing import Any

import pytest

from retrovue_daemon.records import Kind, Movie, Page, Skipped
from retrovue_daemon.sync import faults
from retrovue_daemon.sync.completeness import MOST_KEYLESS, ListingLog
from retrovue_daemon.sync.seen import SeenIds


def _log(*pages: Page) -> ListingLog:
    log = ListingLog()
    for page in pages:
        log.note(page)
    return log


def _page(offset: int, entries: int, total: int | None, *skipped: Skipped) -> Page:
    return Page(offset, total, entries, (), skipped, size=100)


def test_as_many_different_items_as_the_server_counts_are_a_whole_listing() -> None:
    """Over any number of pages."""
    assert _log(_page(0, 2, 3), _page(2, 1, 3)).incomplete(distinct=3) is None


def test_entries_without_a_key_are_no_items() -> None:
    """The server counts them; they can be neither stored nor missed."""
    assert _log(_page(0, 3, 3, Skipped(None, "All", "no ratingKey"))).incomplete(distinct=2) is None


def test_many_entries_without_a_key_are_counted_and_not_kept() -> None:
    """A server that sends nothing else fills neither the memory nor the library's row; one more is another fault."""
    skipped = [Skipped(None, "x" * 10_000, "no ratingKey")] * (MOST_KEYLESS - 2)

    def read(more: int) -> ListingLog:
        return _log(_page(0, len(skipped), None, *skipped), _page(len(skipped), more, 5_000, *skipped[:more]))

    log = read(7)
    assert (len(log.keyless), log.keyless_more, log.expected) == (MOST_KEYLESS, 5, 5_000 - MOST_KEYLESS - 5)
    told = faults.describe_keyless(log.keyless, log.keyless_more)
    assert told.startswith(f"{MOST_KEYLESS + 5} entries have no rating key")
    assert len(told) < 200

    def marks(more: int) -> set[str]:
        log = read(more)
        return set(faults.keyless(Kind.MOVIE, log.keyless, log.keyless_more))

    assert marks(7) == marks(7)
    assert not marks(8) <= marks(7)


def test_many_entries_without_a_key_are_the_same_in_any_order() -> None:
    """The ones that are kept do not depend on where the server lists them."""
    entries = [Skipped(None, str(number), "no ratingKey") for number in range(MOST_KEYLESS + 500)]
    halves = _page(0, 750, None, *entries[:750]), _page(750, 750, None, *entries[750:])
    log, turned = _log(*halves), _log(*reversed(halves))
    assert (len(log.keyless), log.keyless_more) == (MOST_KEYLESS, 500)
    assert faults.keyless(Kind.MOVIE, log.keyless, 500) == faults.keyless(Kind.MOVIE, turned.keyless, 500)


@pytest.mark.parametrize(("distinct", "total"), [(2, 3), (4, 3), (0, 1)])
def test_any_other_number_is_doubtful(distinct: int, total: int) -> None:
    """Too few may be a hiccup, too many a listing that moved."""
    assert _log(_page(0, total, total)).incomplete(distinct) is not None


def test_a_total_that_moves_is_doubtful() -> None:
    """Something was added or deleted while the pages were read, so rows may have been passed over."""
    assert "changed from 4 to 3" in (_log(_page(0, 2, 4), _page(2, 1, 3)).incomplete(3) or "")
    assert "changed from 4 to 5" in (_log(_page(0, 2, 4), _page(2, 1, 5), _page(3, 1, 4)).incomplete(4) or "")


def test_an_unknown_total_is_whole_when_an_empty_page_ends_it() -> None:
    """Without that, there may have been more."""
    assert _log(_page(0, 2, None), _page(2, 0, None)).incomplete(2) is None
    assert _log(_page(0, 2, None)).incomplete(2) is not None


@pytest.mark.parametrize(
    ("keys", "others"), [("1 2 - 5 9", "6 8 12"), ("- 5 9", "6 12"), ("1 2 -", "1"), ("1 - 5 -", "")]
)
def test_an_unread_entry_of_a_sorted_listing_stands_between_its_neighbours(keys: str, others: str) -> None:
    """What has another key than it can have is another item."""
    log = _read(keys)
    assert _unread(log, *others.split()) == []
    assert _unread(log, "4" if keys[0] != "1" else "3") != []


@pytest.mark.parametrize("keys", ["9 2 - 5", "1 - 9 5", "1 5 3 - 9", "3 - 1", "1 - x"])
def test_an_unread_entry_of_an_unsorted_listing_may_be_any(keys: str) -> None:
    """Some servers do not sort as requested."""
    assert _unread(_read(keys), "0", "4", "7", "12", "y") == ["0", "4", "7", "12", "y"]


def test_unread_entries_each_stand_in_their_own_place() -> None:
    """Those beside each other share a place, and one may be an item whose key is next to it."""
    log = _read("10 - - 20 - 30 40 -")
    keys = ["5", "10", "15", "20", "25", "30", "35", "40", "45", "x"]
    assert _unread(log, *keys) == [key for key in keys if key not in {"5", "35"}]


def test_a_listing_without_unread_entries_lacks_none() -> None:
    """Whether it is sorted does not matter."""
    assert _unread(_read("9 2 5"), "1", "x") == []


def _unread(log: ListingLog, *keys: str) -> list[str]:
    """Return those of these keys whose items may be entries that the server cannot send."""
    rows = dict(enumerate(keys))
    return [key for row_id, key in rows.items() if row_id not in log.without_unread(rows)]


def _read(keys: str) -> ListingLog:
    """Read a listing of one entry a page; a dash is one that the server cannot send."""
    pages = []
    for at, key in enumerate(keys.split()):
        items = () if key == "-" else (_movie(key),)
        pages.append(Page(at, None, 1, items, unreadable="HTTP 500" if key == "-" else None))
    return _log(*pages)


def _movie(key: str) -> Movie:
    nothing: dict[str, Any] = dict.fromkeys(Movie.__struct_fields__)
    return Movie(**{**nothing, "rating_key": key, "title": "", "trashed": False, "guids": (), "files": ()})


def test_seen_ids_are_a_set() -> None:
    """Each id counts once, wherever it lies."""
    seen = SeenIds()
    seen.update([1, 8, 9, 1_000_003, 8])
    assert len(seen) == 4
    assert [number for number in (0, 1, 7, 8, 9, 10, 1_000_003, 9_999_999) if number in seen] == [1, 8, 9, 1_000_003]
