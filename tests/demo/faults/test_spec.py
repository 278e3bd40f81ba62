"""The text that describes random faults."""

from __future__ import annotations

import pytest

from retrovue_daemon.demo.faults import KINDS, FaultSpec, parse_spec


def test_each_part_is_optional() -> None:
    """Without a text, a tenth of all responses is spoiled, by all kinds."""
    assert parse_spec("") == FaultSpec() == FaultSpec(0, 0.1, tuple(KINDS), "*", None)
    assert parse_spec("seed=7, rate=0.5, kinds=status+reset, paths=/library/*, times=3") == FaultSpec(
        7, 0.5, ("status", "reset"), "/library/*", 3
    )


def test_kinds_can_be_excluded() -> None:
    """With a leading minus."""
    assert set(parse_spec("kinds=-hang+drip").kinds) == set(KINDS) - {"hang", "drip"}


@pytest.mark.parametrize(
    "text", ["seed=0,rate=0.1", "seed=7,rate=1,kinds=status+reset", "seed=-1,rate=0.1,paths=/identity,times=2"]
)
def test_a_specification_prints_the_text_that_it_was_read_from(text: str) -> None:
    """So that a report can name the faults of a run."""
    assert str(parse_spec(text)) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("status", "has no '='"),
        ("kind=status", "did you mean 'kinds'"),
        ("kinds=rest", "did you mean 'reset'"),
        ("kinds=", "unknown kind ''"),
        ("rate=2", "a number from 0 to 1"),
        ("rate=nan", "a number from 0 to 1"),
        ("seed=x", "a whole number"),
        ("times=0", "a whole number from 1"),
        ("seed=1,", "has no '='"),
    ],
)
def test_a_mistake_is_named(text: str, problem: str) -> None:
    """With what would be right."""
    with pytest.raises(ValueError, match=problem):
        parse_spec(text)
