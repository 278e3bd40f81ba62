"""Chapters and markers: what lies where in a film or an episode, in milliseconds from its start.

Both belong to the item, not to one of its versions. Only details show them, and only on request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.demo.shape import Entry

CHAPTER_ID = 4
"""All chapters of an item have one id, because it is the id of a tag; so have all markers of an item."""
MARKER_ID = 300_000
CREDITS_VERSION = 4


class Chapter(msgspec.Struct, frozen=True, gc=False):
    """A chapter. Without an `end` it lasts until the item's end."""

    start: int
    end: int | None = None
    title: str | None = None


class Marker(msgspec.Struct, frozen=True, gc=False):
    """An intro, credits, a commercial or another section, by Plex's name of its type.

    The offsets of a marker `from_end` are counted back from the item's end, so that episodes of different lengths
    can share it.
    """

    type: str
    start: int
    end: int
    final: bool = False
    from_end: bool = False


class Timed(Protocol):
    """A film or an episode."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def duration(self) -> int | None:
        """Its length in milliseconds."""

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Its chapters."""

    @property
    def markers(self) -> tuple[Marker, ...]:
        """Its markers."""


def chapters_of(item: Timed) -> tuple[Chapter, ...]:
    """Return an item's chapters, all with an end."""
    return tuple(
        chapter if chapter.end is not None else msgspec.structs.replace(chapter, end=item.duration or chapter.start)
        for chapter in item.chapters
    )


def markers_of(item: Timed) -> tuple[Marker, ...]:
    """Return an item's markers, all counted from its start."""
    duration = item.duration or 0
    return tuple(
        Marker(marker.type, duration - marker.start, duration - marker.end, marker.final)
        if marker.from_end
        else marker
        for marker in item.markers
    )


def chapter_entries(item: Timed, media_id: int) -> list[Entry]:
    """Return the elements of `Chapter`, with pictures from the version of that id."""
    return [
        {
            "id": CHAPTER_ID,
            "filter": f"thumb={CHAPTER_ID}",
            **({"tag": chapter.title} if chapter.title is not None else {}),
            "index": index,
            "startTimeOffset": chapter.start,
            "endTimeOffset": chapter.end,
            "thumb": f"/library/media/{media_id}/chapterImages/{index}",
        }
        for index, chapter in enumerate(chapters_of(item), start=1)
    ]


def marker_entries(item: Timed) -> list[Entry]:
    """Return the elements of `Marker`, in the order of the item: real servers do not sort them by time."""
    marker_id = MARKER_ID + item.id
    return [
        {
            **({"final": True} if marker.final else {}),
            "id": marker_id,
            "type": marker.type,
            "startTimeOffset": marker.start,
            "endTimeOffset": marker.end,
            "Attributes": {"id": marker_id, **({"version": CREDITS_VERSION} if marker.type == "credits" else {})},
        }
        for marker in markers_of(item)
    ]
