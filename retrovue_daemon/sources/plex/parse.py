"""Answers of a Plex Media Server, bytes to records: pure, without I/O and without logging.

A page that fits the declared types, as nearly all do, is decoded in one go. Where that fails the answer is read
again by a forgiving decoder, and ``repair`` makes the best of each entry. An entry that cannot be used comes back as
a value that says why. An answer that cannot be read at all raises NotAMediaContainer; nothing else is ever raised.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from retrovue_daemon.records import FoundPage, FoundShow, LibraryListing, Page, ServerIdentity, Show, Skipped
from retrovue_daemon.sources.plex.items import build_items
from retrovue_daemon.sources.plex.wire import Container, Identity, Place, Places, Sections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.sources.plex.wire import Entry, Section

TAGS_LISTED: Final = 2
"""Of each kind, in the entries of a listing."""

LARGEST_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes of JSON that are decoded in one go, in about 15 ms."""

LARGEST_MENDED_AT_ONCE: Final = 128 * 1024
"""Bytes of JSON that has to be mended, which takes ten times as long and more."""

_BOM: Final = b"\xef\xbb\xbf"
_DIGITS_OF_INT64: Final = 20
_LONGEST_REASON: Final = 200
_FEW_ESCAPES: Final = 200

_AS_SURROGATE: Final = "retrovue_daemon.surrogate"
codecs.register_error(_AS_SURROGATE, lambda error: ("\udcff", cast("UnicodeDecodeError", error).end))
"""Puts where ``replace`` would put U+FFFD what no answer holds, so that a U+FFFD of the server's own is no damage."""

_UNSTORABLE_ESCAPE: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")

C = TypeVar("C", bound=msgspec.Struct)
T = TypeVar("T")


class NotAMediaContainer(ValueError):
    """The answer is none of Plex's, or cannot be read; ``reason`` is one short line that repeats little of it."""

    def __init__(self, reason: str) -> None:
        line = " ".join(reason.split())[:_LONGEST_REASON]
        super().__init__(line)
        self.reason = line


class Libraries(msgspec.Struct, frozen=True):
    """What ``/library/sections`` lists; ``skipped`` are those without a key or a type."""

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
) -> Page:
    """Read one page of a listing, of one ``kind`` of items where that is given.

    ``show_key`` is the show that all entries belong to, for servers that do not say it again. ``details`` says that
    the entries have all of their tags, where a listing has the first few: they are cut to those. ``offset`` is where
    the page was asked to start, ``total`` the size of the whole listing as the response's headers gave it.
    ``Page.offset`` is the server's own word where it says one, so that a server that ignored the question shows.
    Raises NotAMediaContainer.
    """
    container = _PAGE.read(body, content_type)
    if show_key is not None:
        _belongs_to(show_key, container, kind)
    entries = _all_of(container.directories, container.entries)
    if details:
        _cut_tags(entries)
    if not entries and (container.size is None or container.size > 0):
        # Taken for an empty page it would end a listing too early, and items be taken for deleted.
        raise NotAMediaContainer(f"a MediaContainer of size {container.size} without entries")
    items, skipped = build_items(container, _all_of(entries, container.nested), kind)
    return Page(
        offset if container.offset is None else container.offset,
        _counted(container.total_size) if total is None else total,
        len(entries),
        tuple(items),
        tuple(skipped),
        container.library_section_uuid or None,
        len(body),
        mended=tuple(
            (str(entry.rating_key), entry.mended) for entry in _all_of(entries, container.nested) if entry.mended
        ),
    )


def parse_found_shows(body: bytes, *, content_type: str = "", total: int | None = None) -> FoundPage:
    """Read a page of the answer to a search for shows over all libraries; what is no show is left out.

    A server that takes the question for another one lists its libraries: none of them is a show, because none has a
    rating key. Raises NotAMediaContainer.
    """
    page = parse_page(body, content_type=content_type, total=total)
    container = _PLACES.read(body, content_type)
    places = {str(place.rating_key): place for place in _all_of(container.directories, container.entries)}
    found = []
    for show in page.items:
        if isinstance(show, Show):
            place = places.get(show.rating_key, Place())
            key = container.library_section_id if place.library_section_id is None else place.library_section_id
            title = place.library_section_title or container.library_section_title
            found.append(FoundShow(show, None if key is None else str(key), title))
    return FoundPage(tuple(found), page.entries, page.total)


def parse_libraries(body: bytes, *, content_type: str = "") -> Libraries:
    """Read the answer to ``/library/sections``. Raises NotAMediaContainer."""
    container = _SECTIONS.read(body, content_type)
    sections = _all_of(container.directories, container.entries)
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
    """Read the answer to ``/identity``. Raises NotAMediaContainer, also if it does not name the server."""
    identity = _IDENTITY.read(body, content_type)
    if not identity.machine_identifier:
        raise NotAMediaContainer("a MediaContainer without machineIdentifier")
    return ServerIdentity(identity.machine_identifier, identity.version or None)


def takes_long(body: bytes) -> bool:
    """Whether a body had better be read in a thread: XML, very large JSON, and such as is known to need mending."""
    size = len(body)
    return size > LARGEST_AT_ONCE or is_xml(body) or (size > LARGEST_MENDED_AT_ONCE and _may_hold_nul(body))


def is_xml(body: bytes) -> bool:
    """Whether the body is marked up, XML or HTML, whatever its headers say."""
    return body[:64].removeprefix(_BOM).lstrip().startswith(b"<")


class _Reader(Generic[C]):
    """Reads bodies as a container of one type."""

    def __init__(self, container: type[C]) -> None:
        self._container: type[C] = container
        envelope = msgspec.defstruct("Envelope", [("MediaContainer", container)], gc=False)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(envelope, strict=False)

    def read(self, body: bytes, content_type: str) -> C:
        """Decode a body of either format. Raises NotAMediaContainer."""
        marked_up = is_xml(body)
        if not marked_up and not _may_hold_nul(body):
            try:
                container: C = self._decoder.decode(body).MediaContainer
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                pass
            else:
                return container
        read = _xml_container if marked_up else _json_container
        raw, unstorable = read(body, content_type)
        # Few answers need it, and every process would have to wait for it.
        from retrovue_daemon.sources.plex.repair import mend_container  # noqa: PLC0415

        try:
            return mend_container(raw, self._container, unstorable=unstorable)
        except RecursionError:
            raise NotAMediaContainer("JSON that is nested too deeply") from None


def _may_hold_nul(body: bytes) -> bool:
    """Tell whether JSON may hold an escaped NUL, which is no text that SQLite could store.

    Servers escape little: to look at every backslash is ten times as fast as to look for the whole, where they are
    few.
    """
    at = -1
    for _ in range(_FEW_ESCAPES):
        at = body.find(b"\\", at + 1)
        if at < 0:
            return False
        if body.startswith(b"u0000", at + 1):
            return True
    # From the end because bytes.find takes three times as long for this.
    return body.rfind(b"\\u0000", at + 1) >= 0


_PAGE: Final = _Reader(Container)
_SECTIONS: Final = _Reader(Sections)
_IDENTITY: Final = _Reader(Identity)
_PLACES: Final = _Reader(Places)


def _xml_container(body: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """Read XML; the second value says that it held bytes that are no UTF-8, which are surrogates now."""
    if re.match(rb"\s*<(?:!doctype\s+)?html", body.removeprefix(_BOM)[:1024], re.IGNORECASE):
        raise NotAMediaContainer("an HTML page" + _called(content_type, unless="html"))
    # Few servers answer in XML, and every process would have to wait for its parser.
    from retrovue_daemon.sources.plex.xmltree import UnreadableXml, read_xml  # noqa: PLC0415

    try:
        tag, container, damaged = read_xml(body)
    except UnreadableXml as error:
        reason = f"XML that cannot be read: {error}"
    else:
        if tag == "MediaContainer":
            return container, damaged
        # While it starts, a server says so by <Response code="503" title="Maintenance" status="…"/>.
        status = container.get("status")
        reason = f"XML <{tag[:40]}>" + (f": {status}" if status else "") + " instead of a MediaContainer"
    raise NotAMediaContainer(reason)


def _json_container(body: bytes, content_type: str) -> tuple[dict[str, Any], bool]:
    """Decode JSON that the fast decoder refused: bad UTF-8, control characters, numbers without end, NaN.

    The second value says that texts may hold NUL or surrogates; one stands for each piece that is no UTF-8.
    """
    if not body.strip():
        raise NotAMediaContainer("an empty body")
    try:
        text, damaged = body.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        text, damaged = body.decode("utf-8-sig", _AS_SURROGATE), True
    try:
        answer = json.loads(text, strict=False, parse_int=_int_or_infinity)
    except json.JSONDecodeError as error:
        reason = f"no JSON{_called(content_type, unless='json')}: {error.msg} at character {error.pos}"
    except RecursionError:
        reason = "JSON that is nested too deeply"
    else:
        unstorable = damaged or "\0" in text or _UNSTORABLE_ESCAPE.search(text) is not None
        return _media_container(answer), unstorable
    raise NotAMediaContainer(reason)


def _media_container(answer: object) -> dict[str, Any]:
    if isinstance(answer, dict):
        if "_elementType" in answer or "_children" in answer:
            raise NotAMediaContainer("JSON in the form of servers before 2017 (_children): update the server")
        container = answer.get("MediaContainer")
        if isinstance(container, dict):
            return container
    raise NotAMediaContainer("JSON without a MediaContainer")


def _int_or_infinity(digits: str) -> int | float:
    # int() refuses thousands of digits; what does not fit 64 bits is mended where it stands.
    return int(digits) if len(digits) <= _DIGITS_OF_INT64 else math.inf


def _called(content_type: str, *, unless: str) -> str:
    """Name a content type that promised something else."""
    return f" (called {content_type[:60]})" if content_type and unless not in content_type else ""


def _all_of(first: Sequence[T] | None, second: Sequence[T] | None) -> Sequence[T]:
    if not first:
        return second or ()
    return [*first, *second] if second else first


def _belongs_to(show_key: str, container: Container, kind: Kind | None) -> None:
    """Put the show where its children look for what they do not say themselves."""
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
