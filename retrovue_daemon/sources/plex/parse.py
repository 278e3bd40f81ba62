"""Responses of a Plex Media Server, from bytes to records: pure functions, without I/O and logging.

A page that fits the declared types, as nearly all do, is decoded in one go. Otherwise a forgiving decoder reads it
again, and ``repair`` saves what it can of each entry. An unusable entry is returned as a value with the reason. An
unreadable response raises NotAMediaContainer; nothing else is ever raised.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from retrovue_daemon.records import (
    FoundPage,
    FoundShow,
    LibraryListing,
    LocatedPage,
    Page,
    ServerIdentity,
    Show,
    Skipped,
)
from retrovue_daemon.sources.plex.items import build_items
from retrovue_daemon.sources.plex.json_structs import (
    Container,
    Identity,
    LibrariesOfEntries,
    Sections,
)
from retrovue_daemon.sources.plex.limits import (
    BOM,
    MOST_ENTRIES,
    Limits,
    NotAMediaContainer,
    TooLargeContent,
    is_xml,
    may_hold_nul,
    without_long_texts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.sources.plex.json_structs import Entry, Section

TAGS_LISTED: Final = 2
"""Per kind, in the entries of a listing."""

MOST_LIBRARIES: Final = 1_000
"""Per server: each of them has a row, a schedule and passes."""

_DIGITS_OF_INT64: Final = 20
_NUMBER: Final = re.compile(r"[+-]?[0-9.]{1,20}(?:[eE][+-]?[0-9]{1,3})?")

_AS_SURROGATE: Final = "retrovue_daemon.surrogate"
codecs.register_error(_AS_SURROGATE, lambda error: ("\udcff", cast("UnicodeDecodeError", error).end))
"""Inserts a character that no response contains instead of U+FFFD, so that a server's own U+FFFD is no damage."""

_UNSTORABLE_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")

C = TypeVar("C", bound=msgspec.Struct)
T = TypeVar("T")


class Libraries(msgspec.Struct, frozen=True):
    """The libraries in ``/library/sections``; ``skipped`` are those without a key or a type."""

    listings: tuple[LibraryListing, ...]
    skipped: tuple[Skipped, ...] = ()


def parse_page(
    body: bytes,
    *,
    content_type: str = "",
    offset: int = 0,
    total: int | None = None,
    kind: Kind | None = None,
    show_key: str | None = None,
    details: bool = False,
    asked: int = MOST_ENTRIES,
) -> Page:
    """Parse one page of a listing, of one ``kind`` of items if given; ``asked`` entries were requested.

    ``show_key`` is the show of all entries, for servers that do not repeat it. ``details`` says that the entries have
    all of their tags, which are then cut to the few that a listing has. ``offset`` is the requested start of the
    page, ``total`` the size of the whole listing from the response's headers. ``Page.offset`` is the offset that the
    server states, if any, which reveals a server that ignores the requested one. Raise NotAMediaContainer.
    """
    container = _PAGE.read(body, content_type, asked)
    if show_key is not None:
        _belongs_to(show_key, container, kind)
    entries = _all_of(container.directories, container.entries)
    if details:
        _cut_tags(entries)
    if not entries and (container.size is None or container.size > 0):
        # Treated as an empty page, it would end the listing early, and items would count as deleted.
        raise NotAMediaContainer(f"a MediaContainer of size {container.size} without entries")
    listed = _all_of(entries, container.nested)
    items, skipped = build_items(container, listed, kind)
    return Page(
        offset if container.offset is None else container.offset,
        _counted(container.total_size) if total is None else total,
        len(entries),
        tuple(items),
        tuple(skipped),
        container.library_section_uuid or None,
        len(body),
        mended=tuple([(str(entry.rating_key), entry.mended) for entry in listed if entry.mended]),
        cut=tuple([(str(entry.rating_key), entry.cut) for entry in listed if entry.cut]),
    )


def parse_found_shows(
    body: bytes, *, content_type: str = "", total: int | None = None, asked: int = MOST_ENTRIES
) -> FoundPage:
    """Parse a page of the response to a search for shows in all libraries; other entries are omitted.

    A server that misunderstands the request lists its libraries: none of them counts as a show, because they have no
    rating key. Raise NotAMediaContainer.
    """
    page = parse_page(body, content_type=content_type, total=total, asked=asked)
    libraries = _libraries_of_entries(body, content_type, asked)
    shows = [show for show in page.items if isinstance(show, Show)]
    found = [FoundShow(show, *libraries.get(show.rating_key, (None, None))) for show in shows]
    return FoundPage(tuple(found), page.entries, page.total)


def parse_located(body: bytes, *, content_type: str = "", asked: int = MOST_ENTRIES) -> LocatedPage:
    """Parse single items of any library, whose tags are cut to those of a listing. Raise NotAMediaContainer."""
    page = parse_page(body, content_type=content_type, details=True, asked=asked)
    libraries = _libraries_of_entries(body, content_type, asked)
    return LocatedPage(page, {rating_key: key for rating_key, (key, _) in libraries.items() if key is not None})


def _libraries_of_entries(body: bytes, content_type: str, asked: int) -> dict[str, tuple[str | None, str | None]]:
    """Return the key and title of each entry's library, as far as the response names them, by rating key."""
    container = _LIBRARIES.read(body, content_type, asked)
    libraries: dict[str, tuple[str | None, str | None]] = {}
    for entry in _all_of(container.directories, container.entries):
        key = container.library_section_id if entry.library_section_id is None else entry.library_section_id
        title = entry.library_section_title or container.library_section_title
        libraries[str(entry.rating_key)] = None if key is None else str(key), title
    return libraries


def parse_libraries(body: bytes, *, content_type: str = "") -> Libraries:
    """Parse the response to ``/library/sections``. Raise NotAMediaContainer."""
    container = _SECTIONS.read(body, content_type, MOST_LIBRARIES)
    sections = _all_of(container.directories, container.entries)
    if len(sections) > MOST_LIBRARIES:
        raise TooLargeContent(f"{len(sections)} libraries, of at most {MOST_LIBRARIES}")
    if not sections and (container.size is None or container.size > 0):
        raise NotAMediaContainer(f"a MediaContainer of size {container.size} without libraries")
    return Libraries(
        tuple(_library(section, section.type) for section in sections if section.key and section.type),
        tuple(
            Skipped(None, section.title, "no type" if section.key else "no key")
            for section in sections
            if not (section.key and section.type)
        ),
    )


def parse_identity(body: bytes, *, content_type: str = "") -> ServerIdentity:
    """Parse the response to ``/identity``. Raise NotAMediaContainer, also if it does not name the server."""
    identity = _IDENTITY.read(body, content_type, 1)
    machine = identity.machine_identifier
    if not machine:
        raise NotAMediaContainer("a MediaContainer without machineIdentifier")
    # All items of a server belong to this value: one that several machines may share must not be stored.
    if _NUMBER.fullmatch(machine) or not machine.isprintable() or not machine.strip():
        raise NotAMediaContainer(f"machineIdentifier {machine[:40]!r}, which names no server")
    return ServerIdentity(machine, identity.version or None)


class Reader(Generic[C]):
    """Reads bodies as a container of one type."""

    def __init__(self, container: type[C]) -> None:
        self._container: type[C] = container
        envelope = msgspec.defstruct("Envelope", [("MediaContainer", container)], gc=False)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(envelope, strict=False)

    def read(self, body: bytes, content_type: str, asked: int) -> C:
        """Decode a body of either format, of ``asked`` entries. Raise NotAMediaContainer."""
        limits = Limits(asked)
        marked_up = is_xml(body)
        (limits.check_xml if marked_up else limits.check_json)(body)
        body = without_long_texts(body, xml=marked_up)
        if not marked_up:
            if not may_hold_nul(body):
                try:
                    container: C = self._decoder.decode(body).MediaContainer
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    pass
                else:
                    self._check_entries(container, limits)
                    return container
            limits.check_repair(body)
        read = _xml_container if marked_up else _json_container
        raw, unstorable = read(body, content_type)
        # Few responses need it, and importing it would delay every process.
        from retrovue_daemon.sources.plex.repair import mend_container  # noqa: PLC0415

        try:
            container = mend_container(raw, self._container, unstorable=unstorable)
        except RecursionError:
            raise NotAMediaContainer("JSON that is nested too deeply") from None
        self._check_entries(container, limits)
        return container

    @staticmethod
    def _check_entries(container: C, limits: Limits) -> None:
        lists = (getattr(container, name, None) for name in ("directories", "entries", "nested"))
        limits.check_entries(sum(len(entries) for entries in lists if entries))


_PAGE: Final = Reader(Container)
_SECTIONS: Final = Reader(Sections)
_IDENTITY: Final = Reader(Identity)
_LIBRARIES: Final = Reader(LibrariesOfEntries)


def _xml_container(body: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """Read XML; the second value says that it contained invalid UTF-8, which is now surrogates."""
    if re.match(rb"\s*<(?:!doctype\s+)?html", body.removeprefix(BOM)[:1024], re.IGNORECASE):
        raise NotAMediaContainer("an HTML page" + _called(content_type, unless="html"))
    # Few servers send XML, and importing its parser would delay every process.
    from retrovue_daemon.sources.plex.xmltree import UnreadableXml, read_xml  # noqa: PLC0415

    try:
        tag, container, damaged = read_xml(body)
    except UnreadableXml as error:
        reason = f"XML that cannot be read: {error}"
    else:
        if tag == "MediaContainer":
            return container, damaged
        # A starting server sends <Response code="503" title="Maintenance" status="…"/>.
        status = container.get("status")
        reason = f"XML <{tag[:40]}>" + (f": {status}" if status else "") + " instead of a MediaContainer"
    raise NotAMediaContainer(reason)


def _json_container(body: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """Decode JSON that the fast decoder refused: invalid UTF-8, control characters, overlong numbers, NaN.

    The second value says that texts may contain NUL or surrogates; one surrogate replaces each invalid piece of
    UTF-8.
    """
    if not body.strip():
        raise NotAMediaContainer("an empty body")
    try:
        text, damaged = body.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        text, damaged = body.decode("utf-8-sig", _AS_SURROGATE), True
    try:
        decoded = json.loads(text, strict=False, parse_int=_int_or_infinity)
    except json.JSONDecodeError as error:
        reason = f"no JSON{_called(content_type, unless='json')}: {error.msg} at character {error.pos}"
    except RecursionError:
        reason = "JSON that is nested too deeply"
    else:
        unstorable = damaged or "\0" in text or _UNSTORABLE_ESCAPE.search(text) is not None
        return _media_container(decoded), unstorable
    raise NotAMediaContainer(reason)


def _media_container(decoded: object) -> dict[str, Any]:
    if isinstance(decoded, dict):
        if "_elementType" in decoded or "_children" in decoded:
            raise NotAMediaContainer("JSON in the form of servers before 2017 (_children): update the server")
        container = decoded.get("MediaContainer")
        if isinstance(container, dict):
            return container
    raise NotAMediaContainer("JSON without a MediaContainer")


def _int_or_infinity(digits: str) -> int | float:
    # int() refuses thousands of digits; numbers beyond 64 bits are repaired in library.
    return int(digits) if len(digits) <= _DIGITS_OF_INT64 else math.inf


def _called(content_type: str, *, unless: str) -> str:
    """Return a remark on a content type that promised something else."""
    return f" (called {content_type[:60]})" if content_type and unless not in content_type else ""


def _all_of(first: Sequence[T] | None, second: Sequence[T] | None) -> Sequence[T]:
    if not first:
        return second or ()
    return [*first, *second] if second else first


def _belongs_to(show_key: str, container: Container, kind: Kind | None) -> None:
    """Store the show where its children look up what they do not state themselves."""
    if kind == "episode" and container.grandparent_rating_key is None:
        container.grandparent_rating_key = show_key
    elif kind == "season" and container.parent_rating_key is None:
        container.parent_rating_key = show_key


def _cut_tags(entries: Sequence[Entry]) -> None:
    for entry in entries:
        entry.genres = entry.genres[:TAGS_LISTED] if entry.genres else None
        entry.directors = entry.directors[:TAGS_LISTED] if entry.directors else None


def _counted(total: int | None) -> int | None:
    return None if total is None or total < 0 else total


def _library(section: Section, kind: str | None) -> LibraryListing:
    return LibraryListing(
        str(section.key),
        section.title or "",
        kind or "",
        section.uuid or None,
        section.agent,
        tuple(location.path for location in section.locations or () if location.path),
        section.updated_at,
        section.scanned_at,
        section.content_changed_at,
        bool(section.refreshing),
    )
