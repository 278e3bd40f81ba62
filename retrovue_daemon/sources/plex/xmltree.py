"""XML responses in the shape of JSON responses, so that the same code reads both.

Servers send XML if JSON was not requested or a proxy dropped the ``Accept`` header. Elements and attributes have the
names of the JSON keys, but all values are strings, and entries are ``Video``, ``Directory``, ``Track`` or ``Photo``
instead of ``Metadata``.
"""

from __future__ import annotations

import codecs
import re
from html import escape
from html.entities import html5
from typing import Any, Final, cast
from xml.etree.ElementTree import ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from retrovue_daemon.sources.plex.collection_structs import STRUCTS as COLLECTION_STRUCTS
from retrovue_daemon.sources.plex.details_structs import CHILDREN, STRUCTS
from retrovue_daemon.sources.plex.json_structs import (
    NESTED,
    Container,
    Entry,
    GuidRef,
    Identity,
    LibrariesOfEntries,
    LibraryOfEntry,
    Location,
    Media,
    Part,
    Section,
    Sections,
    Stream,
    Tag,
)

_ENTRY_TAGS: Final = ("Video", "Directory", "Track", "Photo")
_CHILD_TAGS: Final = {
    **dict.fromkeys(_ENTRY_TAGS, ("Media", "Guid", "Location", *CHILDREN)),
    "Media": ("Part",),
    "Part": ("Stream",),
}
_DEPTH_OF_NESTED: Final = 2

_NAMES: Final = frozenset(
    field.encode_name
    for struct in (
        Container,
        Entry,
        GuidRef,
        Identity,
        LibrariesOfEntries,
        LibraryOfEntry,
        Location,
        Media,
        Part,
        Section,
        Sections,
        Stream,
        Tag,
        *STRUCTS,
        *COLLECTION_STRUCTS,
    )
    for field in msgspec.structs.fields(struct)
)
_ATTRIBUTES: Final = frozenset(name for name in _NAMES if name[0].islower() or name.startswith("DOVI"))
"""Lists have names in capitals; in XML, they are elements. Dolby Vision is an abbreviation."""

_ROOT_ATTRIBUTES: Final = _ATTRIBUTES | {"status"}
"""A starting server sends ``<Response status="…"/>``."""

_DEEPEST: Final = 16
"""Levels of elements: Plex needs four."""

_FED_AT_ONCE: Final = 256 * 1024
_LONGEST_REFERENCE: Final = 48

_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\r"))
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
"""What XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets) but servers send in titles and paths anyway.

The third kind, surrogates, is invalid UTF-8 and handled with the other invalid bytes.
"""

_REFERENCE: Final = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos|#(?:3[2-9]|[4-9][0-9]|[1-9][0-9]{2,3}));)"
    r"(?:#(?:([0-9]+)|[xX]([0-9a-fA-F]+));|([A-Za-z][A-Za-z0-9]{,40};))?"
)
"""References that a parser may refuse: to characters or to entities of HTML, and an ``&`` that begins none.

Those of XML's own entities and of common letters and signs are not examined.
"""

_HIGHEST_CODE_POINT: Final = 0x10FFFF
_LEGAL: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_NONCHARACTER: Final = "\ufdd0"
_AS_NONCHARACTER: Final = "retrovue_daemon.noncharacter"
codecs.register_error(_AS_NONCHARACTER, lambda error: (_NONCHARACTER, cast("UnicodeDecodeError", error).end))
"""Replaces invalid UTF-8 with a character that XML allows and no text contains: the parser accepts no surrogates."""


class UnreadableXml(ValueError):
    """The text is not XML, or contains what is refused: a DTD."""


def read_xml(body: bytes) -> tuple[str, dict[str, Any], bool]:
    """Return the root's tag, and its attributes and children in the shape of the JSON response.

    Only what is read of JSON is kept. Characters that XML forbids are dropped first, and ``&`` is text where it
    begins no reference. Invalid UTF-8 is returned as lone surrogates; the last value says whether there was any.
    Raise UnreadableXml.
    """
    # Bytes with these values are never part of another UTF-8 character, and bytes are faster to filter than text.
    body = body.translate(None, _CONTROLS)
    for noncharacter in _NONCHARACTERS:
        body = body.replace(noncharacter, b"")
    builder = _ContainerBuilder()
    parser = XMLParser(target=builder, forbid_dtd=True)
    pieces = _Pieces()
    try:
        for start in range(0, len(body), _FED_AT_ONCE):
            parser.feed(pieces.text(body[start : start + _FED_AT_ONCE], is_last=start + _FED_AT_ONCE >= len(body)))
        parser.close()
    except ParseError as error:
        line, column = error.position
        raise UnreadableXml(f"not well-formed at line {line}, column {column}") from None
    except UnreadableXml:
        raise
    except (DefusedXmlException, ValueError, LookupError):
        # ValueError and LookupError: the XML declaration names a nonexistent encoding.
        raise UnreadableXml("holds a DTD, entities or an unknown encoding") from None
    tag, container = builder.tag, builder.container
    return tag, _with_surrogates(container) if pieces.damaged else container, pieces.damaged


class _Pieces:
    """Turns bytes into text, piece by piece: a whole text may take four times as much memory as its bytes."""

    def __init__(self) -> None:
        self.damaged = False
        self._strict = codecs.getincrementaldecoder("utf-8-sig")()
        self._rest = ""

    def text(self, piece: bytes, *, is_last: bool) -> str:
        state = self._strict.getstate()
        try:
            text = self._strict.decode(piece, is_last)
        except UnicodeDecodeError:
            self.damaged = True
            forgiving = codecs.getincrementaldecoder("utf-8-sig")(_AS_NONCHARACTER)
            forgiving.setstate(state)
            self._strict = forgiving
            text = forgiving.decode(piece, is_last)
        text = self._rest + text
        # A reference that the next piece continues.
        cut = -1 if is_last else text.rfind("&", max(0, len(text) - _LONGEST_REFERENCE))
        text, self._rest = (text, "") if cut < 0 else (text[:cut], text[cut:])
        return _REFERENCE.sub(_legal_reference, text)


class _ContainerBuilder:
    """Builds the container while the parser reads; elements and attributes that nothing reads are dropped."""

    def __init__(self) -> None:
        self.tag = ""
        self.container: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any] | None]] = []
        """The elements that the parser is in, outermost first: tag, and attributes unless it is dropped."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Begin an element."""
        if len(self._open) == _DEEPEST:
            raise UnreadableXml(f"holds elements in more than {_DEEPEST} levels")
        element: dict[str, Any] | None = None
        if not self._open:
            self.tag = tag
            element = {name: attributes[name] for name in attributes.keys() & _ROOT_ATTRIBUTES}
            self.container = {**element, "Metadata": [], NESTED: []}
        else:
            parent_tag, parent = self._open[-1]
            depth = len(self._open)
            if depth == 1 and tag in _ENTRY_TAGS:
                element = self._kept(attributes)
                self.container["Metadata"].append(element)
            elif depth == _DEPTH_OF_NESTED and parent_tag == "Directory" and tag == "Video" and parent is not None:
                element = self._kept(attributes)
                self.container[NESTED].append(element)
            elif parent is not None and tag in _CHILD_TAGS.get(parent_tag, ()):
                element = self._kept(attributes)
                parent.setdefault(tag, []).append(element)
        self._open.append((tag, element))

    def end(self, _tag: str) -> None:
        """End the innermost element."""
        self._open.pop()

    def data(self, _text: str) -> None:
        """Ignore text between tags."""

    def close(self) -> None:
        """End the document."""

    @staticmethod
    def _kept(attributes: dict[str, str]) -> dict[str, Any]:
        return {name: value for name, value in attributes.items() if name in _ATTRIBUTES}


def _with_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_NONCHARACTER, "\udcff")
    if isinstance(value, list):
        return [_with_surrogates(element) for element in value]
    return {key: _with_surrogates(element) for key, element in value.items()}


def _legal_reference(match: re.Match[str]) -> str:
    """Return what the parser accepts: nothing for a forbidden character, text for what is no reference.

    Without a DTD, which is refused, no entity can have another meaning than in HTML.
    """
    decimal, hexadecimal, entity = match.groups()
    if decimal or hexadecimal:
        digits, base = (hexadecimal, 16) if hexadecimal else (decimal, 10)
        # Seven digits can express the highest code point in either base; int() refuses thousands of them.
        number = int(digits, base) if len(digits.lstrip("0")) <= len(str(_HIGHEST_CODE_POINT)) else -1
        legal = 0 <= number <= _HIGHEST_CODE_POINT and _LEGAL.match(chr(number))
        return f"&#{number};" if legal else ""
    if entity in html5:
        return escape(html5[entity])
    return f"&amp;{match.group()[1:]}"
