"""The page about reliability shows the figures of docs/chaos.json, and no others."""

from __future__ import annotations

from tests.chaos.page import FIGURES, PAGE, ROWS, filled, section
from tests.chaos.results import Figures
from tests.chaos.trials import TRIALS


def test_the_page_shows_the_figures() -> None:
    """`make docs` writes them."""
    page = PAGE.read_text("utf-8")
    assert filled(page, Figures.read(FIGURES)) == page


def test_every_kind_of_trial_was_played() -> None:
    """A new kind gets a line, and figures."""
    assert set(ROWS) == set(TRIALS)
    assert set(Figures.read(FIGURES).trials) == set(TRIALS)


def test_a_failure_is_shown() -> None:
    """The page does not say that a promise held if it did not."""
    figures = Figures()
    figures.trials.update(kills=20, copies=3)
    figures.failed.update(kills=2)
    figures.done.update({"kills: sync": 1200, "kills: migration": 7})
    kills, copies = section(figures).splitlines()[2:4]
    assert "| 2 of 20 trials broke a promise | 1,200 SIGKILLs |" in kills
    assert "| every promise held |" in copies
