r"""The form in which paths are compared: one form for mappings, for the identity of items and for settings.

A path is split into its anchor (``/``, ``M:``, ``\\nas``) and the names below it. In a Windows path, both kinds of
slash separate names and case is ignored, letter by letter (``ß`` is not ``SS``); in other paths a backslash is part
of a name. Repeated separators count as one. Names are compared in Unicode's composed form (NFC): macOS writes an
accented letter as two characters, Linux as one, and both mean the same file. ``.`` and ``..`` are ordinary names:
nothing is resolved.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

DRIVE: Final = re.compile(r"[A-Za-z]:(?![^\\/])")
_SLASHES: Final = re.compile(r"[\\/]+")

Parts: TypeAlias = tuple[str, ...]
"""An anchor and the names below it."""


def split(path: str) -> Parts:
    """Return the parts of an absolute path; a relative one has none."""
    if path.startswith("/"):
        return ("/", *filter(None, path.split("/")))
    anchor = "\\\\" if path.startswith("\\\\") else path[:2]
    if anchor == "\\\\" or DRIVE.match(path):
        return (anchor, *filter(None, _SLASHES.split(path[2:])))
    return ()


def comparable(parts: Parts) -> Parts:
    """Return the parts in the form in which they are compared."""
    if not all(part.isascii() for part in parts):
        parts = tuple(unicodedata.normalize("NFC", part) for part in parts)
    return parts if parts[:1] == ("/",) else tuple(_without_case(part) for part in parts)


def _without_case(name: str) -> str:
    return name.lower() if name.isascii() else name.translate(_LOWER)


class _LowerCase(dict[int, str]):
    """Lower-case letters, one by one, as Windows compares names; letters without a counterpart stay as they are."""

    def __missing__(self, letter: int) -> str:
        upper = chr(letter).upper()
        lower = upper.lower()
        is_pair = len(lower) == 1 and lower.upper() == upper
        # The dotless i and the long s are letters of their own, although their capitals are I and S.
        self[letter] = lower if is_pair and (letter <= _LAST_OF_ASCII or not upper.isascii()) else chr(letter)
        return self[letter]


_LAST_OF_ASCII: Final = 127
_LOWER: Final = _LowerCase()


def prefixes(path: str) -> Iterator[Parts]:
    r"""Yield the comparable parts of a path typed by a person, who may write ``\\nas`` as ``//nas``."""
    if parts := split(path):
        yield comparable(parts)
    if path.startswith("//"):
        yield comparable(split(path.replace("/", "\\")))


def path_form(path: str) -> str:
    """Return the form in which two spellings of a path are equal; a relative path is only normalized to NFC."""
    parts = comparable(split(path))
    if not parts:
        return unicodedata.normalize("NFC", path)
    if parts[0] == "/":
        return "/" + "/".join(parts[1:])
    return "\\".join(parts) if parts[0] != "\\\\" else "\\\\" + "\\".join(parts[1:])


def is_whole(path: str | None) -> bool:
    """Return whether a path states a file's location: to some tokens, servers reveal only its name."""
    return bool(path) and bool(split(path or "") or "/" in (path or "") or "\\" in (path or ""))
