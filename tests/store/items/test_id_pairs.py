"""Pairs of row ids are a mapping that takes little memory."""

from __future__ import annotations

import pytest

from retrovue_daemon.store.items.id_pairs import IdPairs


def test_pairs_are_a_mapping() -> None:
    """Like a dictionary of them."""
    pairs = IdPairs([(1, 70), (5, 60), (2**62, 2**62 + 1)])
    assert pairs == {1: 70, 5: 60, 2**62: 2**62 + 1}
    assert [row_id in pairs for row_id in (0, 1, 2, 5, 6, 2**62, 2**62 + 1)] == [
        False,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert pairs[5] == 60
    assert pairs.get(6) is None
    assert not IdPairs()


def test_keys_come_in_order() -> None:
    """They are found by bisection."""
    with pytest.raises(ValueError, match="5 after 5"):
        IdPairs([(5, 1), (5, 2)])
