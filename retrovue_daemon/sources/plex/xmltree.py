"""XML responses in the shape of JSON responses, so that the same code reads both.

Servers send XML if JSON was not requested or a proxy dropped the ``Accept`` header. Elements and attributes have the
names of the JSON keys, but all values are strings, and entries are ``Video``, ``Directory``, ``Track`` or ``Photo``
instead of ``Metadata``.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, Final, cast
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from retrovue_daemon.sources.plex.json_structs import NESTED

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ENTRY_TAGS: Final = ("Video", "Directory", "Track", "Photo")
_CHILD_TAGS: Final = {
    **dict.fromkeys(_ENTRY_TAGS, ("Media", "Guid", "Genre", "Director", "Location")),
    "Media": ("Part",),
}

_CONTROLS: Final = bytes(set(range(0x20)) - set(b"\t\n\r"))
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
"""What XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets) but servers send in titles and paths anyway.

The third kind, surrogates, is invalid UTF-8 and handled with the other invalid bytes.
"""

_REFERENCE: Final = re.compile(r"&#(?:0*([0-9]|[12][0-9]|3[01]|[0-9]{5,})|[xX]([0-9a-fA-F]+));")
"""References to characters that may be forbidden; those of common letters and signs are not examined."""

_HIGHEST_CODE_POINT: Final = 0x10FFFF
_LEGAL: Final = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


_NONCHARACTER: Final = "\ufdd0"
_AS_NONCHARACTER: Final = "retrovue_daemon.noncharacter"
codecs.register_error(_AS_NONCHARACTER, lambda error: (_NONCHARACTER, cast("UnicodeDecodeError", error).end))
"""Replaces invalid UTF-8 with a character that XML allows and no text contains: the parser accepts no surrogates."""


class UnreadableXml(ValueError):
    """The text is not XML, or contains what is refused: a DTD, entities."""


def read_xml(body: bytes) -> tuple[str, dict[str, Any], bool]:
    """Return the root's tag, and its attributes and children in the shape of the JSON response.

    Characters that XML forbids are dropped first. Invalid UTF-8 is returned as lone surrogates; the last value says
    whether there was any. Raise UnreadableXml.
    """
    # Bytes with these values are never part of another UTF-8 character, and bytes are faster to filter than text.
    body = body.translate(None, _CONTROLS)
    for noncharacter in _NONCHARACTERS:
        body = body.replace(noncharacter, b"")
    try:
        text, damaged = body.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        text, damaged = body.decode("utf-8-sig", _AS_NONCHARACTER), True
    text = _REFERENCE.sub(_legal_reference, text)
    try:
        root = fromstring(text, forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        raise UnreadableXml(f"not well-formed at line {line}, column {column}") from None
    except (DefusedXmlException, ValueError, LookupError):
        # ValueError and LookupError: the XML declaration names a nonexistent encoding.
        raise UnreadableXml("holds a DTD, entities or an unknown encoding") from None
    nested = [_entry(video) for outer in root.iterfind("Directory") for video in outer.iterfind("Video")]
    entries = [_entry(element) for element in root if element.tag in _ENTRY_TAGS]
    container = {**root.attrib, "Metadata": entries, NESTED: nested}
    return root.tag, _with_surrogates(container) if damaged else container, damaged


def _with_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_NONCHARACTER, "\udcff")
    if isinstance(value, list):
        return [_with_surrogates(element) for element in value]
    return {key: _with_surrogates(element) for key, element in value.items()}


def _entry(element: Element) -> dict[str, Any]:
    """Return the attributes unchanged, and the children that are read as one list per tag."""
    entry: dict[str, Any] = dict(element.attrib)
    for tag in _CHILD_TAGS.get(element.tag, ()):
        children = element.findall(tag)
        if children:
            entry[tag] = [_entry(child) for child in children]
    return entry


def _legal_reference(match: re.Match[str]) -> str:
    decimal, hexadecimal = match.groups()
    digits, base = (hexadecimal, 16) if hexadecimal else (decimal, 10)
    # Seven digits can express the highest code point in either base; int() refuses thousands of them.
    number = int(digits, base) if len(digits.lstrip("0")) <= len(str(_HIGHEST_CODE_POINT)) else -1
    legal = 0 <= number <= _HIGHEST_CODE_POINT and _LEGAL.match(chr(number))
    return match.group() if legal else ""
