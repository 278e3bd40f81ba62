"""Times, sizes and durations as people read them."""

from __future__ import annotations

import pytest

from retrovue_daemon.units import ago, lasting, moment, plural, running_time, size


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.6, "1 s"),
        (59, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_400 * 40, "40 d"),
    ],
)
def test_durations_have_two_units(seconds, told) -> None:
    """The two largest."""
    assert lasting(seconds) == told


def test_distances_in_time_are_reported_either_way() -> None:
    """And what never was."""
    assert ago(None) == "never"
    assert ago(1000, 1000.4) == "now"
    assert ago(1000, 1090) == "1 min 30 s ago"
    assert ago(1090, 1000) == "in 1 min 30 s"


def test_times_that_no_calendar_has_are_reported_as_numbers() -> None:
    """Plex sends such."""
    assert moment(None) == ""
    assert moment(1_700_000_000).startswith("2023-11-1")
    assert moment(10**18) == str(10**18)
    assert moment(-(10**18)) == str(-(10**18))


def test_running_times_have_hours() -> None:
    """In the form of a programme guide."""
    assert [running_time(value) for value in (0, 59_999, 3_600_000, 9_180_000)] == [
        "0:00:00",
        "0:00:59",
        "1:00:00",
        "2:33:00",
    ]


def test_sizes_have_a_unit_that_suits_them() -> None:
    """Powers of 1024, named as such."""
    told = [size(value) for value in (0, 1023, 1024, 5 * 1024**2, 3 * 1024**3, 2 * 1024**4)]
    assert told == ["0 bytes", "1023 bytes", "1.0 KiB", "5.0 MiB", "3.0 GiB", "2.0 TiB"]


def test_numbers_have_their_words() -> None:
    """One, and many."""
    assert [plural(1, "film"), plural(2, "film"), plural(1500, "row")] == ["1 film", "2 films", "1,500 rows"]
