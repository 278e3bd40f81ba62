"""The guard against mass removals."""

from __future__ import annotations

import pytest

from retrovue_daemon.sync.guard import guard


def test_no_removal_needs_no_guard() -> None:
    """Also of an empty library."""
    assert guard(present=0, leaving=0, left_recently=0, max_removed=0.2) is None


def test_removing_everything_always_needs_confirmation() -> None:
    """However small the library is."""
    assert guard(present=1, leaving=1, left_recently=0, max_removed=1.0) is not None


@pytest.mark.parametrize(
    ("present", "leaving", "recently", "held"),
    [(30, 20, 0, False), (30, 21, 0, True), (1000, 200, 0, False), (1000, 201, 0, True), (900, 101, 100, True)],
)
def test_removals_within_a_day_add_up(present: int, leaving: int, recently: int, held: bool) -> None:  # noqa: FBT001 -- a case of the table
    """Up to 20 or the given share of the library as it was; a trickle counts together."""
    reason = guard(present=present, leaving=leaving, left_recently=recently, max_removed=0.2)
    assert (reason is not None) is held
