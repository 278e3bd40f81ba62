"""Which rows a listing has shown."""

from __future__ import annotations

import pytest

from retrovue_daemon.sync.seen import SeenIds


@pytest.mark.parametrize("ids", [[], [0], [7, 8, 9], [1_000_000, 3, 3, 64, 63]])
def test_what_was_marked_is_seen_and_nothing_else(ids: list[int]) -> None:
    """Also ids beyond the highest that was marked, and one that was marked twice counts once."""
    seen = SeenIds()
    seen.update(ids)
    asked = [*range(100), 999_999, 1_000_000, 1_000_001, 5_000_000]
    assert [row_id for row_id in asked if row_id in seen] == [row_id for row_id in asked if row_id in ids]
    assert list(seen.unseen(asked)) == [row_id for row_id in asked if row_id not in ids]
    assert len(seen) == len(set(ids))
    seen.update([12])
    assert 12 in seen
