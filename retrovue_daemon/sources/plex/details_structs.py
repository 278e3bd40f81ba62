"""The parts of a response with details that are read, as msgspec structs: see ``json_structs``.

Lists are as long as the server makes them: what is too much is cut when records are built, and counted.
"""

from __future__ import annotations

import msgspec
from msgspec import field

from retrovue_daemon.sources.plex.json_structs import (  # noqa: TC001 -- msgspec reads the annotations
    Flag,
    Key,
    Name,
    Natural,
    Tag,
    Text,
    Whole,
)


class Person(msgspec.Struct, gc=False, rename="camel"):
    """An element of ``Role``, ``Director``, ``Writer`` or ``Producer``."""

    tag: Text = None
    tag_key: Name = None
    role: Text = None
    thumb: Name = None


class ChapterEntry(msgspec.Struct, gc=False, rename="camel"):
    """An element of ``Chapter``; its id is the same for all chapters of an item."""

    tag: Text = None
    start_time_offset: Whole = None
    end_time_offset: Whole = None


class MarkerEntry(msgspec.Struct, gc=False, rename="camel"):
    """An element of ``Marker``; its id is the same for all markers of an item."""

    type: Text = None
    start_time_offset: Whole = None
    end_time_offset: Whole = None
    final: Flag = None


class DetailsEntry(msgspec.Struct, gc=False, rename="camel"):
    """One item."""

    rating_key: Key = None
    type: Text = None
    duration: Natural = None
    chapter_source: Text = None
    genres: list[Tag] | None = field(default=None, name="Genre")
    countries: list[Tag] | None = field(default=None, name="Country")
    labels: list[Tag] | None = field(default=None, name="Label")
    networks: list[Tag] | None = field(default=None, name="Network")
    moods: list[Tag] | None = field(default=None, name="Mood")
    styles: list[Tag] | None = field(default=None, name="Style")
    directors: list[Person] | None = field(default=None, name="Director")
    writers: list[Person] | None = field(default=None, name="Writer")
    producers: list[Person] | None = field(default=None, name="Producer")
    roles: list[Person] | None = field(default=None, name="Role")
    chapters: list[ChapterEntry] | None = field(default=None, name="Chapter")
    markers: list[MarkerEntry] | None = field(default=None, name="Marker")


class DetailsContainer(msgspec.Struct, gc=False, rename="camel"):
    """The items of a response."""

    size: Whole = None
    directories: list[DetailsEntry] | None = field(default=None, name="Directory")
    entries: list[DetailsEntry] | None = field(default=None, name="Metadata")


STRUCTS = (Person, ChapterEntry, MarkerEntry, DetailsEntry, DetailsContainer)

CHILDREN = tuple(each.encode_name for each in msgspec.structs.fields(DetailsEntry) if each.encode_name[0].isupper())
"""The names of an item's lists, which are elements in XML."""
