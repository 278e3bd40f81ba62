"""What is wrong, as lines of text."""

from __future__ import annotations

from retrovue_daemon.cli.display.findings import finding_lines
from retrovue_daemon.service.status import Finding
from retrovue_daemon.store.tables.problems import Problem


def test_each_hint_stands_below_what_it_is_about() -> None:
    """Once below neighbours that share it, and not at all if there is none."""
    problems = [
        ("down", "start it"),
        ("away", "start it"),
        ("odd", None),
        ("full", "make room"),
        ("down", "start it"),
    ]
    findings = [Finding(Problem("Trouble", message, hint), server="home") for message, hint in problems]
    assert finding_lines(findings) == [
        "problem: home: down",
        "problem: home: away",
        "hint: start it",
        "problem: home: odd",
        "problem: home: full",
        "hint: make room",
        "problem: home: down",
        "hint: start it",
    ]
