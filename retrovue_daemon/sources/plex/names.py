"""Names of tags and people, as they are stored: without control characters."""

from __future__ import annotations

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
