"""What a sync brought, as people read it: a table on a terminal, elsewhere a line for each library."""

from __future__ import annotations

from typing import Any

import pytest

from retrovue_daemon.cli.display.reports import print_summary

COUNTS = dict.fromkeys(("listed", "added", "updated", "unchanged", "removed", "restored", "moved", "skipped"), 0)


def library(title: str, **changes: object) -> dict[str, Any]:
    told = {"library": title, "kind": "full", "status": "ok", "error": None, "duration_s": 1.25, **COUNTS}
    return told | changes


TOLD = {
    "servers": [
        {
            "server": "home",
            "error": None,
            "libraries": [
                library("Movies", listed=21_240, added=1_240, unchanged=20_000),
                library("TV\nShows", kind="quick"),
                library("Empty", status="blocked", listed=0, error="the server lists none of the 400 known items"),
            ],
        },
        {"server": "attic", "error": {"message": "server 'attic' cannot be reached"}, "libraries": []},
    ]
}


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the environment say nothing of terminals."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Each library and each server that failed has one, whatever a title holds; counts of 0 are omitted."""
    print_summary(TOLD, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "home / Movies: full pass ok in 1.2 s: 21,240 listed, 1,240 added, 20,000 unchanged",
        "home / TV\\nShows: quick pass ok in 1.2 s: 0 listed",
        "home / Empty: full pass blocked in 1.2 s: 0 listed; the server lists none of the 400 known items",
        "attic: failed: server 'attic' cannot be reached",
    ]


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, or what the environment says is one, the counts stand below each other."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("LINES", "50")  # rich needs both for a terminal without control sequences
    print_summary(TOLD, as_json=False)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines[0][-7:] == ["pass", "status", "listed", "added", "unchanged", "seconds", "remark"]
    assert ["home", "Movies", "full", "ok", "21,240", "1,240", "20,000", "1.2"] in lines


def test_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing was done nothing is printed."""
    print_summary({"servers": [{"server": "home", "error": None, "libraries": []}]}, as_json=False)
    assert capsys.readouterr().out == ""
