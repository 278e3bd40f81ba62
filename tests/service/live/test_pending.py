"""Hints that wait: with a clock of the test, and no server."""

from __future__ import annotations

import random

import pytest

from retrovue_daemon.records import (
    Changed,
    CollectionChanged,
    LibraryBusy,
    LibrarySettled,
    Refreshed,
    Removed,
    ScanCompleted,
)
from retrovue_daemon.service.live import pending as module
from retrovue_daemon.service.live.pending import ItemsDue, LibraryDue, PendingHints


class Waiting:
    """Pending hints with their clock."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.hints = PendingHints(lambda: self.now)

    def hear(self, *hints) -> None:
        self.hints.note_frame()
        self.hints.add(hints)

    def after(self, seconds: float) -> list:
        self.now += seconds
        return list(self.hints.due())

    @property
    def is_empty(self) -> bool:
        return self.hints.due_in is None


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


def test_hints_wait_until_it_is_quiet(waiting):
    """Two seconds without a hint at any item of the server; a key counts once."""
    waiting.hear(Changed("1", "7"))
    assert waiting.after(0.5) == []
    waiting.hear(Changed("1", "7"), Removed("2", "7"))
    assert waiting.hints.due_in == 2.0
    assert waiting.after(1.9) == []
    assert waiting.after(0.1) == [ItemsDue("7", ("1", "2"), 1_000.0)]
    assert waiting.is_empty
    assert waiting.after(100) == []


def test_hints_that_come_while_others_are_followed_wait_anew(waiting):
    """A pass over the first ones takes time."""
    waiting.hear(Changed("1", "7"), Changed("1", "8"))
    waiting.now += 2
    followed = []
    for due in waiting.hints.due():
        followed.append(due.library)
        waiting.hear(Changed("2", "7"), Changed("2", "8"))
    assert followed == ["7", "8"]
    assert waiting.after(2) == [ItemsDue("7", ("2",), 1_002.0), ItemsDue("8", ("2",), 1_002.0)]


def _waits(waiting: Waiting, seconds: int) -> list[float]:
    """Return how long each item waits on a server that announces one twice a second, in the order of their frames."""
    waits = []
    for number in range(2 * seconds):
        waiting.hear(Changed(str(number), "7"))
        waits += [waiting.now - 1_000.0 - int(key) / 2 for due in waiting.after(0.5) for key in due.rating_keys]
    return waits


def test_changes_that_follow_one_another_do_not_hold_up_the_first(waiting):
    """Each waits one to three seconds, as one alone waits two."""
    waits = _waits(waiting, 60)
    assert len(waits) > 110
    assert min(waits) == 1.0
    assert max(waits) == 3.0


def test_no_hint_waits_longer_than_15_seconds(waiting):
    """A server that is not quiet for an hour has enough to do: items are requested together, with longer pauses."""
    assert max(_waits(waiting, 3_600)) == 15.0
    assert waiting.hints.floods == 0


def test_the_requests_for_a_server_at_work_become_rare(waiting):
    """An hour of a refresh of all items, as many as two per second."""
    batches = 0
    for number in range(7_200):
        waiting.hear(Changed(str(number), "7"))
        batches += len(waiting.after(0.5))
    assert batches < 3_600 / 15 + 100


def test_an_item_to_be_looked_at_again_does_not_wait_for_quiet(waiting):
    """It has waited before. Alone, it is requested on time; on a server that is not quiet, with the next ones."""
    waiting.hints.add_items("7", ["1"], seconds=40)
    assert waiting.after(39) == []
    assert waiting.after(1) == [ItemsDue("7", ("1",), 1_040.0)]
    waiting.hints.add_items("7", ["1"], seconds=40)
    due = []
    for number in range(50):
        waiting.hear(Changed(str(number + 2), "7"))
        due += [(waiting.now, each) for each in waiting.after(1)]
    (at,) = [at for at, each in due if "1" in each.rating_keys]
    assert 1_080 <= at <= 1_081


def test_an_item_in_work_waits_for_its_end(waiting):
    """Or for a minute after its first frame: the last one may never come."""
    waiting.hear(Changed("1", "7", settled=False), Changed("2", "7", settled=False))
    assert waiting.after(30) == []
    waiting.hear(Changed("1", "7"), Changed("2", "7", settled=False))
    assert waiting.after(2) == [ItemsDue("7", ("1",), 1_000.0)]
    assert waiting.hints.due_in == 28
    assert waiting.after(28) == [ItemsDue("7", ("2",), 1_000.0)]


def test_a_scan_that_ends_is_followed_by_two_looks(waiting):
    """At once, and when the library has been quiet for half a minute."""
    waiting.hear(LibraryBusy("a", "7"))
    assert waiting.is_empty
    waiting.hear(LibrarySettled("a", "7"))
    assert waiting.after(0) == [LibraryDue("7", full=False)]
    assert waiting.after(20) == []
    waiting.hear(LibraryBusy("b", "7"))
    assert waiting.after(29) == []
    assert waiting.after(1) == [LibraryDue("7", full=False)]
    assert waiting.after(60) == []
    assert waiting.is_empty


def test_scans_in_a_row_do_not_multiply_looks(waiting):
    """A folder watcher may scan every few seconds."""
    looks = []
    for _ in range(60):
        waiting.hear(LibrarySettled("a", "7"))
        looks += waiting.after(2)
    assert len(looks) <= 5


def test_a_library_whose_passes_are_long_is_looked_at_the_less_often(waiting):
    """Each scan that finds something lists all of it: a big one would be listed without end while it grows."""
    looks = []
    for _ in range(60):
        waiting.hear(LibrarySettled("a", "7"))
        looks += waiting.after(10)
        waiting.hints.note_passes("7", 20 if looks else 0)
        assert waiting.hints.due_in
    assert len(looks) == 6
    looks = waiting.after(100) + waiting.after(30)
    assert looks == [LibraryDue("7", full=False)] * 2
    waiting.after(100)
    assert waiting.is_empty


def test_a_scan_of_no_library_is_one_of_all(waiting):
    """Old servers do not say which; neither does a status text."""
    waiting.hear(LibrarySettled("a"), CollectionChanged("7"))
    assert waiting.after(0) == [LibraryDue(None, full=False), LibraryDue("7", full=False)]


def test_a_text_that_a_scan_is_complete_counts_only_if_nothing_else_says_so(waiting):
    """Every scan sends such a text, before or after the end of its activity, which names the library."""
    waiting.hear(LibrarySettled("a", "7"), ScanCompleted())
    assert waiting.after(10) == [LibraryDue("7", full=False)]
    waiting.hear(ScanCompleted())
    waiting.now += 1
    waiting.hear(LibrarySettled("b", "8"))
    assert waiting.after(10) == [LibraryDue("8", full=False)]
    waiting.after(60)
    waiting.hear(ScanCompleted())
    assert waiting.hints.due_in == 5
    assert waiting.after(5) == [LibraryDue(None, full=False)]
    assert waiting.after(30) == [LibraryDue(None, full=False)]
    waiting.after(60)
    assert waiting.is_empty


def test_too_many_items_become_one_full_listing(waiting):
    """Of that library alone; memory stays as it is."""
    for number in range(2_000):
        waiting.hear(Changed(str(number), "7", settled=number % 2 == 0), Changed("1", "8"))
        waiting.now += 0.01
    assert waiting.hints.floods == 1
    assert waiting.after(2) == [ItemsDue("8", ("1",), 1_000.0)]
    assert waiting.after(28) == [LibraryDue("7", full=True)]
    assert waiting.after(60) == []
    assert waiting.is_empty


def test_a_flood_of_frames_drops_what_waits(waiting):
    """Also of libraries with few items: the server is refreshing everything."""
    waiting.hear(Changed("1", "7"), LibrarySettled("a", "8"))
    for _ in range(2_001):
        waiting.hear(LibraryBusy("a", "7"))
    assert waiting.hints.floods == 1
    assert waiting.after(0) == [LibraryDue("8", full=False)]
    assert waiting.after(30) == [LibraryDue("7", full=True), LibraryDue("8", full=False)]


def test_many_frames_that_come_slowly_are_no_flood(waiting):
    """A scan sends a frame per file."""
    waiting.hear(Changed("1", "7", settled=False))
    for _ in range(4_000):
        waiting.hear(LibraryBusy("a", "7"))
        waiting.now += 0.006
    assert waiting.hints.floods == 0


def test_browsing_costs_a_request_per_item_and_minute(waiting):
    """Whoever opens an item makes the server look at it."""
    due = []
    for _ in range(30):
        waiting.hear(Refreshed("1", likely=False))
        due += waiting.after(4)
    assert len(due) == 2
    waiting.hear(Refreshed("1", likely=True))
    assert waiting.after(2) == [ItemsDue(None, ("1",), waiting.now - 2)]


def test_items_to_be_read_again(waiting):
    """Not before their time."""
    waiting.hints.add_items("7", ["1"], seconds=40)
    assert waiting.after(39) == []
    assert [due.rating_keys for due in waiting.after(3)] == [("1",)]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_grows_and_nothing_is_forgotten(waiting, seed):
    """Whatever comes: bounded, and each library with a hint is read or listed in the end."""
    chance = random.Random(seed)  # noqa: S311 -- not secret
    hinted: set[str] = set()
    seen: set[str | None] = set()
    for _ in range(3_000):
        library = str(chance.randrange(5))
        key = str(chance.randrange(chance.choice([3, 100, 100_000])))
        hint = chance.choice([Changed(key, library), Changed(key, library, settled=False), Removed(key, library)])
        hinted.add(library)
        waiting.hear(hint)
        if chance.random() < 0.2:
            seen |= {due.library for due in waiting.after(chance.choice([0, 0.01, 1, 20]))}
        for each in waiting.hints._libraries.values():
            assert len(each.ready) + len(each.unsettled) + len(each.later) <= module.MOST_PENDING + 1
    seen |= {due.library for due in waiting.after(70)} | {due.library for due in waiting.after(70)}
    assert seen == hinted
    waiting.after(100)
    assert waiting.is_empty


def test_invented_libraries_do_not_fill_the_memory(waiting):
    """There are no more libraries than a server may have."""
    for number in range(5_000):
        waiting.hear(Changed("1", str(number)))
        waiting.now += 0.01
    assert len(waiting.hints._libraries) <= module.MOST_LIBRARIES + 1
