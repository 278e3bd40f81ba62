"""What the bytes of a body say before anything is built from them: how much it holds, and in which format.

A few kilobytes of JSON or XML can describe objects that fill the memory. A response is therefore limited by what was
requested: no server needs hundreds of objects for one entry.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

MOST_OBJECTS: Final = 60_000
"""JSON objects or XML elements per response, which take 30 MiB at worst; a page of 1,000 entries holds 15,000."""

MOST_ENTRIES: Final = 10_000
"""Entries per response: a server that does not page may send that many."""

MOST_VALUES: Final = 200_000
"""Commas of JSON that is repaired, or attributes of XML; a page of 1,000 entries holds 140,000."""

LARGEST_REPAIRED: Final = 2 * 1024 * 1024
"""Bytes of JSON that is repaired: its objects are many times larger than those of readable JSON."""

LARGEST_XML: Final = 4 * 1024 * 1024

LONGEST_TEXT: Final = 64 * 1024
"""Bytes of a text in a response. Longer ones are cut, because one sign may quadruple a text's size in memory."""

_LONGEST_REASON: Final = 200

_OBJECTS: Final = 14_000
"""For an entry whose file has 10,000 streams."""

_OBJECTS_PER_ENTRY: Final = 200
_ENTRIES: Final = 1_000
_ENTRIES_PER_ENTRY: Final = 20
_VALUES: Final = 20_000
_VALUES_PER_ENTRY: Final = 1_000

_STRIDE: Final = LONGEST_TEXT // 2
_QUOTE: Final = re.compile(rb'(?<!\\)"')
_JSON_PIECE: Final = re.compile(rb'(?:[^"\\]{1,512}+|\\.){1,128}+', re.DOTALL)
_XML_PIECE: Final = re.compile(rb'[^"]{1,65536}+')
"""A piece of a text: short, because other threads wait while one is matched."""

_WHOLE: Final = re.compile(rb'(?:[^"\\]{1,512}+|\\u[0-9a-fA-F]{4}|\\[^u])*+', re.DOTALL)
"""The beginning of a JSON text, without an escape that is not complete."""

_PARTIAL: Final = re.compile(rb"(?:&[^;]{0,10}|[\xc0-\xff][\x80-\xbf]{0,3})\Z")
"""A reference or a character that a cut may have split."""


class NotAMediaContainer(ValueError):
    """The response is not Plex's, or is unreadable; ``reason`` is one short line that quotes little of it."""

    def __init__(self, reason: str) -> None:
        line = " ".join(reason.split())[:_LONGEST_REASON]
        super().__init__(line)
        self.reason = line


class TooLargeContent(NotAMediaContainer):
    """The response holds more than it may."""


class Limits(msgspec.Struct, frozen=True):
    """The limits of one response, of which ``asked`` entries were requested."""

    asked: int = MOST_ENTRIES

    @property
    def entries(self) -> int:
        """How many entries it may have: servers and proxies that do not page send more than requested."""
        return min(MOST_ENTRIES, _ENTRIES + _ENTRIES_PER_ENTRY * self.asked)

    def check_json(self, body: bytes) -> None:
        """Raise TooLargeContent if JSON describes too many objects."""
        most = min(MOST_OBJECTS, _OBJECTS + _OBJECTS_PER_ENTRY * self.asked)
        # No object takes fewer than two bytes, and counting takes time.
        if len(body) > 2 * most and (found := body.count(b"{")) > most:
            raise TooLargeContent(f"{found} objects, although {self.asked} entries were requested")

    def check_repair(self, body: bytes) -> None:
        """Raise TooLargeContent if JSON is too large, or holds too many values, to be repaired."""
        if len(body) > LARGEST_REPAIRED:
            raise TooLargeContent(f"{len(body)} bytes of JSON that needs repair")
        most = min(MOST_VALUES, _VALUES + _VALUES_PER_ENTRY * self.asked)
        if (found := body.count(b",")) > most:
            raise TooLargeContent(f"{found} values, although {self.asked} entries were requested")

    def check_xml(self, body: bytes) -> None:
        """Raise TooLargeContent if XML is too large, or has too many elements or attributes."""
        if len(body) > LARGEST_XML:
            raise TooLargeContent(f"{len(body)} bytes of XML")
        for sign, most, name in (
            (b"<", min(MOST_OBJECTS, _OBJECTS + _OBJECTS_PER_ENTRY * self.asked), "tags"),
            (b"=", min(MOST_VALUES, _VALUES + _VALUES_PER_ENTRY * self.asked), "attributes"),
        ):
            if (found := body.count(sign)) > most:
                raise TooLargeContent(f"{found} {name}, although {self.asked} entries were requested")

    def check_entries(self, number: int) -> None:
        """Raise TooLargeContent if a response has too many entries."""
        if number > self.entries:
            raise TooLargeContent(f"{number} entries, although {self.asked} were requested")


def may_hold_long_text(body: bytes) -> bool:
    """Return whether a text in a body may be longer than LONGEST_TEXT: it contains one whole stride then."""
    return any(
        _QUOTE.search(body, start, start + _STRIDE) is None for start in range(0, len(body) - _STRIDE + 1, _STRIDE)
    )


def without_long_texts(body: bytes, *, xml: bool = False) -> bytes:
    """Return a body with each text cut to LONGEST_TEXT bytes; the same body if none is longer.

    JSON that is not well-formed may become something else that is not well-formed.
    """
    if not may_hold_long_text(body):
        return body
    piece, whole = (_XML_PIECE, _XML_PIECE) if xml else (_JSON_PIECE, _WHOLE)
    whole_body = memoryview(body)
    kept: list[bytes | memoryview] = []
    copied = 0
    at = body.find(b'"') + 1
    while at > 0:
        end = at
        while match := piece.match(body, end):
            end = match.end()
        if end - at > LONGEST_TEXT:
            kept.append(whole_body[copied:at])
            start = whole.match(body, at, at + LONGEST_TEXT)
            kept.append(_PARTIAL.sub(b"", start.group()) if start else b"")
            copied = end
        # Behind the closing quotation mark, the next one opens a text.
        at = body.find(b'"', end + 1) + 1
    return b"".join((*kept, whole_body[copied:])) if kept else body


LARGEST_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes of JSON that are decoded in one go, in about 15 ms."""

LARGEST_MENDED_AT_ONCE: Final = 128 * 1024
"""Bytes of JSON that needs repair, which takes at least ten times as long."""

BOM: Final = b"\xef\xbb\xbf"
_FEW_ESCAPES: Final = 200


def takes_long(body: bytes) -> bool:
    """Return whether to parse a body in a thread: XML, very large JSON, and JSON that is known to need repair."""
    size = len(body)
    return (
        size > LARGEST_AT_ONCE
        or is_xml(body)
        or (size > LARGEST_MENDED_AT_ONCE and (may_hold_nul(body) or may_hold_long_text(body)))
    )


def is_xml(body: bytes) -> bool:
    """Return whether the body is XML or HTML, whatever its headers say."""
    return body[:64].removeprefix(BOM).lstrip().startswith(b"<")


def may_hold_nul(body: bytes) -> bool:
    """Return whether JSON may contain an escaped NUL, which SQLite cannot store as text.

    Servers escape little: checking each backslash is ten times faster than searching for the whole escape if there
    are few.
    """
    at = -1
    for _ in range(_FEW_ESCAPES):
        at = body.find(b"\\", at + 1)
        if at < 0:
            return False
        if body.startswith(b"u0000", at + 1):
            return True
    # Backwards, because bytes.find takes three times as long for this.
    return body.rfind(b"\\u0000", at + 1) >= 0
