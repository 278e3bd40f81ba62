"""Which of many unlisted items are requested one by one."""

from __future__ import annotations

from retrovue_daemon.sync.confirmation import MOST_AT_ONCE, samples


def test_a_few_items_are_all_requested() -> None:
    assert [[*places] for places in samples([3, 0, 2], MOST_AT_ONCE)] == [[0, 1, 2], [], [0, 1]]


def test_of_many_items_a_random_sample_is_requested() -> None:
    """From all kinds together, and each place once."""
    seen = set()
    for _ in range(50):
        films, none, episodes = samples([300, 0, 700], MOST_AT_ONCE)
        assert (len(films) + len(episodes), len(none)) == (MOST_AT_ONCE, 0)
        assert (len(set(films)), len(set(episodes))) == (len(films), len(episodes))
        assert {*films} <= {*range(300)}
        assert {*episodes} <= {*range(700)}
        seen |= {("film", place) for place in films} | {("episode", place) for place in episodes}
    assert len(seen) > 900
