"""Progress in plain lines: when there is one, and what it says."""

from __future__ import annotations

import pytest

from retrovue_daemon.cli.display.lines import EVERY_S, Lines, with_lines
from retrovue_daemon.clock import Clock
from retrovue_daemon.sync.progress import Meter, ProgressBoard


class StoppedClock(Clock):
    """A clock that stands where a test has put it."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


class Told:
    """What lines say of a board, whenever a test lets them look."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.board = ProgressBoard()
        self.lines: list[str] = []
        self._lines = Lines(self.lines.append, self.clock)

    def after(self, seconds: float) -> list[str]:
        """Let time pass and return the lines that come then."""
        self.clock.seconds += seconds
        before = len(self.lines)
        self._lines.update(self.board.latest)
        return self.lines[before:]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def episodes(told: Told) -> Meter:
    """A library of whose 20,000 episodes 500 were read when its first line came."""
    meter = told.board.begin("home", "TV Shows ")
    assert told.after(0) == []  # it waits for its turn
    meter.advance("episodes", 500, 20_000)
    assert told.after(0) == ["home / TV Shows: reading"]
    return meter


def test_a_page_is_no_reason_for_a_line(told: Told, episodes: Meter) -> None:
    """A hundred pages within the time of one line are none, or one."""
    lines = []
    for page in range(1, 101):
        episodes.advance("episodes", 500 + page * 100, 20_000)
        lines += told.after(EVERY_S / 100)
    assert lines == ["home / TV Shows: 10,500 of 20,000 episodes, 1,000 per second, 10 s left"]


def test_time_without_progress_is_no_reason_either(told: Told, episodes: Meter) -> None:
    """There is nothing new to report; later progress is reported at once."""
    assert told.after(EVERY_S * 5) == []
    episodes.advance("episodes", 1_000, 20_000)
    assert told.after(0) == ["home / TV Shows: 1,000 of 20,000 episodes, 10 per second, 31 min 40 s left"]


def test_each_listing_is_measured_by_itself(told: Told, episodes: Meter) -> None:
    """The speed of seasons does not predict that of episodes; without a total there is no estimate."""
    told.clock.seconds += 1_000
    episodes.advance("seasons", 100, None)
    assert told.after(0) == ["home / TV Shows: 100 seasons"]
    episodes.advance("seasons", 200, None)
    assert told.after(EVERY_S) == ["home / TV Shows: 200 seasons, 10 per second"]
    episodes.advance("seasons", 300, 300)
    assert told.after(EVERY_S) == ["home / TV Shows: 300 of 300 seasons, 10 per second"]


def test_the_end_of_a_library_says_how_many_there_are(told: Told, episodes: Meter) -> None:
    """Two of one name are two."""
    other = told.board.begin("home", "TV Shows")
    other.advance("shows", 1, 1)
    assert told.after(0) == ["home / TV Shows: reading"]
    episodes.finish()
    assert told.after(0) == ["home / TV Shows: ended (1 of 2 libraries)"]
    other.finish()
    assert told.after(0) == ["home / TV Shows: ended (2 of 2 libraries)"]


def test_a_title_makes_no_line_of_its_own(told: Told) -> None:
    """Whoever named the library may have put a line break into it."""
    told.board.begin("home", "Films\nhome / Films: ended").advance("movies", 1, 1)
    assert told.after(0) == ["home / Films home / Films: ended: reading"]


async def test_lines_end_with_the_work_also_where_it_fails() -> None:
    """What was reported last is complete, and the error is that of the work."""
    board = ProgressBoard()
    lines: list[str] = []

    async def work() -> None:
        board.begin("home", "Movies").advance("movies", 1, 2)
        raise ValueError("the work")

    with pytest.raises(ValueError, match="the work"):
        await with_lines(work(), board, lines.append, StoppedClock())
    assert lines == ["home / Movies: reading"]


def test_details_have_lines_of_their_own(told: Told) -> None:
    """When their reading begins, now and then, and when it ends; of all servers together."""
    told.board.show_details("home", 0, 1_000)
    told.board.show_details("attic", 0, 500)
    assert told.after(0) == ["details: reading those of 1,500 items"]
    told.board.show_details("home", 600, 1_000)
    assert told.after(1) == []
    assert told.after(EVERY_S - 1) == ["details: 600 of 1,500 items, 60 per second, 15 s left"]
    told.board.drop_details("home")
    told.board.drop_details("attic")
    assert told.after(1) == ["details: ended"]
    assert told.after(EVERY_S) == []
