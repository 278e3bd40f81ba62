"""Which pass a library is due for, and how long one that went wrong is left alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from retrovue_daemon.records import LibraryListing
from retrovue_daemon.service.due import full_is_due
from retrovue_daemon.service.schedule import LONGEST_LIBRARY_BACKOFF_S, LibraryBackoff
from retrovue_daemon.store.tables.libraries import StoredLibrary

HOUR = 3_600
NOW = 1_700_000_000

LISTING = LibraryListing("1", "Movies", "movie", "u1", updated_at=50, scanned_at=60, content_changed_at=70)
ROW = StoredLibrary(
    1, "1", "u1", "Movies", "movie", "/a", content_changed_at=70, section_updated_at=50, scanned_at=60,
    last_full_sync_at=NOW - HOUR,
)  # fmt: skip
OLD_LISTING = replace(LISTING, content_changed_at=None)
OLD_ROW = replace(ROW, content_changed_at=None)


def _due(row: StoredLibrary = ROW, listing: LibraryListing = LISTING, *, now: int = NOW) -> bool:
    return full_is_due(row, listing, now=now, full_interval=6 * HOUR)


def test_an_unchanged_library_is_not_due() -> None:
    """Its mark is the one from before its last complete listing, and that was not long ago."""
    assert not _due()


def test_a_library_that_was_never_listed_completely_is_due() -> None:
    """Whatever its marks say."""
    assert _due(replace(ROW, last_full_sync_at=None))


@pytest.mark.parametrize("state", ["blocked", "missing"])
def test_a_library_in_trouble_is_due(state: str) -> None:
    """What is held back, or was gone, must be looked at in full to be released."""
    assert _due(replace(ROW, state=state))


@pytest.mark.parametrize("counter", [69, 71, None])
def test_another_mark_than_before_makes_it_due(counter: int | None) -> None:
    """In either direction: a server that was restored from a backup counts on from an older number."""
    assert _due(listing=replace(LISTING, content_changed_at=counter))


def test_a_mark_that_is_reported_for_the_first_time_makes_it_due() -> None:
    """The server was upgraded."""
    assert _due(OLD_ROW, LISTING)


@pytest.mark.parametrize(("updated_at", "scanned_at"), [(51, 61), (51, 60), (49, 60), (None, None)])
def test_times_are_ignored_if_the_server_reports_a_mark(updated_at: int | None, scanned_at: int | None) -> None:
    """They move with every scan, also with one that found nothing."""
    assert not _due(listing=replace(LISTING, updated_at=updated_at, scanned_at=scanned_at))


@pytest.mark.parametrize(
    ("updated_at", "scanned_at", "due"),
    [(50, 60, False), (51, 60, True), (50, 61, True), (50, 59, True), (None, 60, True)],
)
def test_times_count_if_the_server_reports_no_mark(updated_at: int | None, scanned_at: int | None, due: bool) -> None:  # noqa: FBT001 -- a case of the table
    """Old servers have nothing better."""
    listing = replace(OLD_LISTING, updated_at=updated_at, scanned_at=scanned_at)
    assert _due(OLD_ROW, listing) is due


@pytest.mark.parametrize(("later", "due"), [(0, False), (6 * HOUR - 1, False), (6 * HOUR, True), (60 * HOUR, True)])
def test_the_interval_makes_it_due_whatever_the_marks_say(later: int, due: bool) -> None:  # noqa: FBT001 -- likewise
    """A replaced file moves no mark."""
    assert _due(now=NOW - HOUR + later) is due


def test_a_last_time_that_lies_ahead_says_nothing() -> None:
    """The clock was set back: waiting for it to catch up could take years."""
    assert _due(now=NOW - HOUR - 1)


# What went wrong -------------------------------------------------------------------------------------------------


def _wait(backoff: LibraryBackoff, failures: int) -> float:
    """Return the seconds for which a library is not ready after so many failures at once."""
    for _ in range(failures):
        backoff.failed(1, 1_000.0)
    low, high = 0.0, 1e7
    while high - low > 0.5:
        middle = (low + high) / 2
        low, high = (low, middle) if backoff.ready(1, 1_000.0 + middle) else (middle, high)
    return round(high)


def test_a_library_that_never_failed_is_ready() -> None:
    """At any time of a clock whose beginning means nothing."""
    assert LibraryBackoff(300).ready(1, 0.0)
    assert LibraryBackoff(300).ready(1, -5.0)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 240), (2, 540), (3, 1140), (4, 2340), (5, 3540), (99, 3540)])
def test_the_wait_doubles_from_failure_to_failure(failures: int, seconds: int) -> None:
    """From a little less than an interval, so that the next poll is not missed, up to an hour."""
    assert _wait(LibraryBackoff(300), failures) == seconds


def test_an_interval_longer_than_the_longest_wait_is_waited_for_once() -> None:
    """Who looks once a day is not made to look less often."""
    day = 24 * HOUR
    assert day > LONGEST_LIBRARY_BACKOFF_S
    assert _wait(LibraryBackoff(day), 7) == day - day // 5


def test_a_success_forgets_the_failures() -> None:
    """The next failure begins anew."""
    backoff = LibraryBackoff(300)
    _wait(backoff, 5)
    backoff.succeeded(1)
    assert backoff.ready(1, 1_000.0)
    assert _wait(backoff, 1) == 240


def test_libraries_wait_each_for_itself() -> None:
    """One that fails holds up no other, and its success forgives no other."""
    backoff = LibraryBackoff(300)
    backoff.failed(1, 0.0)
    assert backoff.ready(2, 0.0)
    backoff.succeeded(2)
    assert not backoff.ready(1, 0.0)
