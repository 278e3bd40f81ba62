"""What only the response for a single item has: all tags, credits, chapters and markers.

Lists keep the server's order, which is the order of billing for credits. ``None`` instead of a list means that the
response said nothing about it; an empty list means that there is nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.records.items import Kind

TagKind: TypeAlias = Literal["genre", "label", "country", "network", "mood", "style"]

Job: TypeAlias = Literal["director", "writer", "producer", "actor"]


class Credit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A person who worked on an item; one person may have several credits."""

    job: Job
    name: str
    person_key: str
    """Plex's ``tagKey``, the same on every server; empty if there is none."""
    role: str | None
    """The part that an actor plays."""
    thumb: str | None


class Chapter(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chapter; times are milliseconds from the start."""

    title: str | None
    starts_at: int
    ends_at: int


class Marker(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A section that the server has recognized; ``kind`` is Plex's ``type``, such as ``intro``."""

    kind: str
    starts_at: int
    ends_at: int
    is_final: bool


class Details(msgspec.Struct, frozen=True, gc=False):
    """The details of one film, show or episode. ``dropped`` says which elements were unusable, and why."""

    kind: Kind
    rating_key: str
    tags: dict[TagKind, tuple[str, ...]] | None
    credits: tuple[Credit, ...] | None
    chapters: tuple[Chapter, ...] | None
    markers: tuple[Marker, ...] | None
    dropped: tuple[str, ...] = ()
    has_chapters: bool = False
    """Whether the server says that there are chapters, which the response may lack."""

    @property
    def elements(self) -> int:
        """The number of tags, credits, chapters and markers."""
        tags = sum(map(len, (self.tags or {}).values()))
        return tags + sum(map(len, (self.credits or (), self.chapters or (), self.markers or ())))


class DetailsPage(msgspec.Struct, frozen=True):
    """The details in one response; ``skipped`` counts entries that are no item, ``size`` the bytes of the body."""

    items: tuple[Details, ...]
    skipped: int
    size: int
