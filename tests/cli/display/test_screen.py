"""A screen that is too small for everything."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from retrovue_daemon.cli.display.screen import picture
from retrovue_daemon.cli.display.table import Table

HEAD = ["database  mirror.db", "daemon    is running"]
FOOT = ["36 films; 0 missing", "held back: home / Movies: 27 of 27 items are gone"]


def shown(height: int, rows: int, foot: list[str], width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
    table = Table("server", "library", repeats=True)
    for number in range(rows):
        table.add_row("home", f"library {number}")
    drawn = picture(console, HEAD, table, foot)
    assert len(drawn.wrap(console, width)) == len(drawn.plain.splitlines())
    return [line.rstrip() for line in drawn.plain.split("\n")]


def test_what_fits_is_shown_as_it_is() -> None:
    lines = shown(24, 5, FOOT)
    assert (lines[:2], lines[-2:]) == (HEAD, FOOT)
    assert not any("more line" in line for line in lines)


@pytest.mark.parametrize("rows", [18, 200])
def test_the_table_is_cut_and_the_lines_below_it_stay(rows) -> None:
    """The totals and what is held back: nobody can scroll here."""
    lines = shown(24, rows, FOOT)
    assert len(lines) == 24
    assert (lines[:2], lines[-2:]) == (HEAD, FOOT)
    assert "library 0" in "\n".join(lines)
    hidden = rows - sum("library " in line for line in lines)
    assert lines[-3] == f"… {hidden + 1} more lines"


def test_a_long_foot_is_cut_where_it_matters_least() -> None:
    """Its first lines and a few rows of the table stay."""
    lines = shown(24, 50, [*FOOT, *(f"problem: home / library {number}: it failed" for number in range(60))])
    assert len(lines) == 24
    assert {*HEAD, *FOOT} < {*lines}
    assert "more lines" in lines[-1]
    assert "  home     library 0" in lines


def test_a_long_line_counts_as_many() -> None:
    """It is wrapped, and would push the last lines off the screen."""
    lines = shown(24, 50, [*FOOT, "problem: " + "it is broken " * 20])
    assert len(lines) == 24
    assert FOOT[0] in lines
    assert lines[-1].endswith("it is broken")


@pytest.mark.parametrize("height", range(1, 9))
def test_a_tiny_screen_breaks_nothing(height) -> None:
    """It shows what it can."""
    assert shown(height, 50, FOOT)
