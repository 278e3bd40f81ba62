"""The codes of languages: ISO 639-2 has two for twenty of them, and servers and people use either."""

from __future__ import annotations

from typing import Final

_TERMINOLOGICAL: Final = {
    "alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra",
    "geo": "kat", "ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas",
    "rum": "ron", "slo": "slk", "tib": "bod", "wel": "cym",
}  # fmt: skip
"""The code after the language's own name, which Plex sends today, by the one after its English name."""

_BIBLIOGRAPHIC: Final = {own: english for english, own in _TERMINOLOGICAL.items()}


def both_codes(code: str) -> tuple[str, str]:
    """Return a code in lower case and its equivalent, which is the same for most."""
    return code, _TERMINOLOGICAL.get(code) or _BIBLIOGRAPHIC.get(code, code)
