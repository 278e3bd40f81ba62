"""What a body says before it is decoded: its format, and whether decoding it takes long."""

from __future__ import annotations

from typing import Final

from retrovue_daemon.sources.plex.limits import may_hold_long_text

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
