"""The parts of collections and of lists of labels that are read, as msgspec structs: see ``json_structs``."""

from __future__ import annotations

import msgspec
from msgspec import field

from retrovue_daemon.sources.plex.json_structs import (  # noqa: TC001 -- msgspec reads the annotations
    Flag,
    Key,
    Moment,
    Name,
    Natural,
    Summary,
    Text,
    Whole,
)


class CollectionEntry(msgspec.Struct, gc=False, rename="camel"):
    """One collection; the number of its members is a text before 1.41, and ``smart`` is absent if it is not."""

    rating_key: Key = None
    guid: Name = None
    type: Text = None
    subtype: Text = None
    title: Text = None
    title_sort: Text = None
    summary: Summary = None
    smart: Flag = None
    thumb: Name = None
    art: Name = None
    child_count: Natural = None
    collection_sort: Whole = None
    added_at: Moment = None
    updated_at: Moment = None
    library_section_id: Key = field(default=None, name="librarySectionID")


class CollectionContainer(msgspec.Struct, gc=False, rename="camel"):
    """A list of collections; it names the library if all of them are in the same one."""

    size: Whole = None
    library_section_id: Key = field(default=None, name="librarySectionID")
    directories: list[CollectionEntry] | None = field(default=None, name="Directory")
    entries: list[CollectionEntry] | None = field(default=None, name="Metadata")


class LabelEntry(msgspec.Struct, gc=False):
    """One label of a library."""

    key: Key = None
    title: Text = None


class LabelContainer(msgspec.Struct, gc=False, rename="camel"):
    """The labels of a library."""

    size: Whole = None
    directories: list[LabelEntry] | None = field(default=None, name="Directory")
    entries: list[LabelEntry] | None = field(default=None, name="Metadata")


class TagContainer(msgspec.Struct, gc=False, rename="camel"):
    """A page of the tags of a server, of which only the number matters."""

    size: Whole = None
    total_size: Whole = None
    directories: list[LabelEntry] | None = field(default=None, name="Directory")
    entries: list[LabelEntry] | None = field(default=None, name="Metadata")


STRUCTS = (CollectionEntry, CollectionContainer, LabelEntry, LabelContainer, TagContainer)
