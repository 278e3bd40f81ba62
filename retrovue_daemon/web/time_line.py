"""Chapters and markers on a line as long as the film: where each is, in thousandths of its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.items.catalog import Row

LENGTH: Final = 1000
_KNOWN: Final = frozenset({"intro", "credits", "commercial"})
_MOST: Final = 500


class Span(msgspec.Struct, frozen=True):
    """A marker: its place, and the class of its color."""

    start: float
    length: float
    color: str


class TimeLine(msgspec.Struct, frozen=True):
    """The line: where chapters begin, the markers, and the kinds of them; ``duration`` is in milliseconds."""

    duration: int
    chapters: list[float]
    spans: list[Span]
    kinds: list[str]


def time_line(duration: object, chapters: Sequence[Row], markers: Sequence[Row]) -> TimeLine | None:
    """Return the line of a film; None if there is nothing to show on it. It ends where the last of all ends."""
    ends = [row["ends_at"] for row in (*chapters, *markers)] + [row["starts_at"] for row in chapters]
    whole = max([duration if isinstance(duration, int) else 0, *(end for end in ends if isinstance(end, int))])
    if whole <= 0 or not (chapters or markers):
        return None
    starts = [_place(row["starts_at"], whole) for row in chapters[:_MOST]]
    spans = []
    for row in markers[:_MOST]:
        start, end = _place(row["starts_at"], whole), _place(row["ends_at"], whole)
        color = str(row["kind"]) if row["kind"] in _KNOWN else "other"
        spans.append(Span(start, round(max(2.0, end - start), 1), color))
    return TimeLine(whole, starts, spans, list(dict.fromkeys(span.color for span in spans)))


def _place(milliseconds: object, whole: int) -> float:
    place = milliseconds if isinstance(milliseconds, int) else 0
    return round(min(max(place / whole, 0.0), 1.0) * LENGTH, 1)
