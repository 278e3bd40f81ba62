"""Names of tags and people: without control characters, and in a form in which equal ones are equal."""

from __future__ import annotations

import unicodedata
from typing import Final

_CONTROLS: Final[dict[int, str | None]] = {
    **dict.fromkeys((*range(32), *range(127, 160))),
    **dict.fromkeys(map(ord, "\t\n\r"), " "),
}
"""Control characters are removed from names; tabs and line breaks become spaces."""


def clean(text: str | None) -> str | None:
    """Return a name without control characters; None if nothing is left."""
    if text is None:
        return None
    return (text if text.isprintable() else text.translate(_CONTROLS)).strip() or None


def folded(name: str) -> str:
    """Return a name as it is compared: whatever its case, and however its accents are composed."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())
