"""When two names of tags or people are the same."""

from __future__ import annotations

import unicodedata


def folded(name: str) -> str:
    """Return a name as it is compared: whatever its case, and however its accents are composed."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())
