"""The parts of a MediaContainer that are read, as msgspec structs.

Only fields that end up in a record are declared; msgspec skips the others without building them. Everything is
optional, because real responses may lack any field. Fields are in the order in which servers send them, because
msgspec looks for the next key where it found the last one.

Decode and convert with ``strict=False``: servers send the same number as ``8``, ``"8"`` or ``8.0``. ``repair``
handles what does not fit even then.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import field

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
EARLIEST = -62_135_596_800
LATEST = 253_402_300_799
"""Unix seconds of the first and the last moment with a date, in the years 1 and 9999."""

Whole: TypeAlias = Annotated[int, msgspec.Meta(ge=INT64_MIN, le=INT64_MAX)] | None
"""A number that SQLite can store: larger ones fail the decode, so that ``repair`` makes them None."""

Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=INT64_MAX)] | None
"""A size or a length: a negative value is invalid and becomes None."""

Moment: TypeAlias = Annotated[int, msgspec.Meta(ge=EARLIEST, le=LATEST)] | None
"""A time in Unix seconds; one that has no date is invalid and becomes None: programs fail to show it."""

LONGEST_TEXT = 1_000
LONGEST_SUMMARY = 10_000
LONGEST_NAME = 4_096
LONGEST_KEY = 255
"""Characters."""

MOST_ELEMENTS = 100
"""Versions of an item, files of a version, external ids, genres."""

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_TEXT)] | None
"""A title or the like; ``repair`` cuts longer ones."""

Summary: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_SUMMARY)] | None

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_NAME)] | None
"""A path or an identifier: cut, it would be another one, so a longer one is lost."""

Key: TypeAlias = Annotated[str, msgspec.Meta(max_length=LONGEST_KEY)] | int | None
"""A rating key: a string on items, but an integer where old servers hoist it to the container."""

Flag: TypeAlias = bool | None

Number: TypeAlias = float | None
"""A number with a fraction; whether it is plausible is decided where it is used."""

NESTED = "Directory/Video"
"""Key of the entries that an XML response nests in other entries: they are items, but not counted in ``size``."""

MENDED = "Directory/Mended"
"""Key of the names of an entry's lost fields; it is not one of Plex's keys."""

CUT = "Directory/Cut"
"""The same for fields that were too long."""


class GuidRef(msgspec.Struct, gc=False):
    """An element of ``Guid``, the external ids; ``guid``, which differs only by case, is Plex's own."""

    id: Name = None


class Tag(msgspec.Struct, gc=False):
    """An element of ``Genre``, ``Director`` and similar lists."""

    tag: Text = None


class Stream(msgspec.Struct, gc=False, rename="camel"):
    """One video, audio or subtitle stream of a file, or its lyrics."""

    stream_type: Whole = None
    key: Name = None
    default: Flag = None
    forced: Flag = None
    codec: Text = None
    index: Natural = None
    bitrate: Natural = None
    language_tag: Text = None
    language_code: Text = None
    dovi_present: Flag = field(default=None, name="DOVIPresent")
    dovi_profile: Natural = field(default=None, name="DOVIProfile")
    audio_channel_layout: Text = None
    bit_depth: Natural = None
    channels: Natural = None
    color_trc: Text = None
    frame_rate: Number = None
    hearing_impaired: Flag = None
    height: Natural = None
    profile: Text = None
    sampling_rate: Natural = None
    scan_type: Text = None
    title: Text = None
    width: Natural = None


StreamList: TypeAlias = list[Stream] | None
"""Of any length: too many are cut when the rows are made, because a page with one such file is not damaged."""


class Part(msgspec.Struct, gc=False, rename="camel"):
    """One file."""

    id: Whole = None
    key: Name = None
    duration: Natural = None
    file: Name = None
    size: Natural = None
    container: Text = None
    deleted_at: Whole = None
    streams: StreamList = field(default=None, name="Stream")


GuidList: TypeAlias = Annotated[list[GuidRef], msgspec.Meta(max_length=MOST_ELEMENTS)] | None
TagList: TypeAlias = Annotated[list[Tag], msgspec.Meta(max_length=MOST_ELEMENTS)] | None
PartList: TypeAlias = Annotated[list[Part], msgspec.Meta(max_length=MOST_ELEMENTS)] | None


class Media(msgspec.Struct, gc=False, rename="camel"):
    """One version of an item, of one or more files."""

    id: Whole = None
    title: Text = None
    duration: Natural = None
    bitrate: Natural = None
    width: Natural = None
    height: Natural = None
    aspect_ratio: Number = None
    audio_channels: Natural = None
    audio_codec: Text = None
    video_codec: Text = None
    video_resolution: Text = None
    container: Text = None
    video_frame_rate: Text = None
    audio_profile: Text = None
    video_profile: Text = None
    proxy_type: Whole = None
    deleted_at: Whole = None
    parts: PartList = field(default=None, name="Part")


MediaList: TypeAlias = Annotated[list[Media], msgspec.Meta(max_length=MOST_ELEMENTS)] | None


class Entry(msgspec.Struct, gc=False, rename="camel"):
    """One entry of a listing, whatever its type."""

    rating_key: Key = None
    parent_rating_key: Key = None
    grandparent_rating_key: Key = None
    guid: Name = None
    edition_title: Text = None
    studio: Text = None
    type: Text = None
    title: Text = None
    title_sort: Text = None
    original_title: Text = None
    content_rating: Text = None
    summary: Summary = None
    index: Whole = None
    parent_index: Whole = None
    rating: Number = None
    audience_rating: Number = None
    year: Whole = None
    tagline: Text = None
    thumb: Name = None
    art: Name = None
    theme: Name = None
    duration: Natural = None
    originally_available_at: Text = None
    show_ordering: Text = None
    leaf_count: Whole = None
    child_count: Whole = None
    added_at: Moment = None
    updated_at: Moment = None
    deleted_at: Whole = None
    media: MediaList = field(default=None, name="Media")
    genres: TagList = field(default=None, name="Genre")
    guids: GuidList = field(default=None, name="Guid")
    directors: TagList = field(default=None, name="Director")
    networks: TagList = field(default=None, name="Network")
    mended: Text = field(default=None, name=MENDED)
    cut: Text = field(default=None, name=CUT)


class Container(msgspec.Struct, gc=False, rename="camel"):
    """A page of a listing; keys of entries are here if all entries share them."""

    size: Whole = None
    total_size: Whole = None
    offset: Whole = None
    grandparent_rating_key: Key = None
    parent_rating_key: Key = None
    library_section_uuid: Name = field(default=None, name="librarySectionUUID")
    parent_index: Whole = None
    directories: list[Entry] | None = field(default=None, name="Directory")
    entries: list[Entry] | None = field(default=None, name="Metadata")
    nested: list[Entry] | None = field(default=None, name=NESTED)


class LibraryOfEntry(msgspec.Struct, gc=False, rename="camel"):
    """The part of an entry that names its library; present only in responses that span several libraries."""

    rating_key: Key = None
    library_section_id: Key = field(default=None, name="librarySectionID")
    library_section_title: Text = None


class LibrariesOfEntries(msgspec.Struct, gc=False, rename="camel"):
    """The container of such a response; it may name the library if all entries are in the same one."""

    library_section_id: Key = field(default=None, name="librarySectionID")
    library_section_title: Text = None
    directories: list[LibraryOfEntry] | None = field(default=None, name="Directory")
    entries: list[LibraryOfEntry] | None = field(default=None, name="Metadata")


class Location(msgspec.Struct, gc=False):
    """One folder of a library."""

    path: Name = None


class Section(msgspec.Struct, gc=False, rename="camel"):
    """One library."""

    refreshing: Flag = None
    key: Key = None
    type: Text = None
    title: Text = None
    agent: Text = None
    uuid: Name = None
    updated_at: Whole = None
    scanned_at: Whole = None
    content_changed_at: Whole = None
    locations: list[Location] | None = field(default=None, name="Location")


class Sections(msgspec.Struct, gc=False, rename="camel"):
    """The container of ``/library/sections``, whose entries are directories in JSON and in XML."""

    size: Whole = None
    directories: list[Section] | None = field(default=None, name="Directory")
    entries: list[Section] | None = field(default=None, name="Metadata")


class Identity(msgspec.Struct, gc=False, rename="camel"):
    """The container of ``/identity``."""

    size: Whole = None
    machine_identifier: Name = None
    version: Text = None
