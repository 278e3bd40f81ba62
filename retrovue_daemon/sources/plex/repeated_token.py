"""Tokens in what a server sends: it has seen them, and may repeat them in any spelling.

A token is searched for as it is, as base64, as hexadecimal digits, and escaped as in addresses, JSON, XML and HTML,
also more than once. Almost no response contains an escape of a token's letter, which one search for the sign that
begins such escapes shows. Characters that the parsers drop may stand between the letters.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from html.entities import html5
from typing import Final

from retrovue_daemon.config.tokens import SHORTEST_HIDDEN
from retrovue_daemon.logs.redaction import HIDDEN, in_base64
from retrovue_daemon.sources.plex.limits import is_xml

_NEVER: Final = frozenset(b'"\\<>&%')
"""What remains escaped as a letter of a token: unescaped, it would mean something else to a parser."""

_DEEPEST: Final = 4
"""Rounds of escapes of different kinds; those of the same kind may be nested deeper."""

_SLICE: Final = 64 * 1024
"""Bytes that are unescaped at once: the pieces in between take many times the memory, and other threads wait."""

_SEARCHED: Final = 256 * 1024
"""Bytes that are searched for escapes at once, without copying them."""

_LONGEST: Final = 64
"""Bytes of an escape that begins where they end; a longer one is nested more often than is followed."""

_CUT: Final = re.compile(rb'(?<!\\)\\|[%&" \xc0-\xff]')
"""Where a body may be cut without splitting an escape."""

_DROPPED: Final = b"\0\x7f"
_DROPPED_FROM_XML: Final = bytes({*range(32), 127} - set(b"\t\n\r"))
_NONCHARACTERS: Final = ("\ufffe".encode(), "\uffff".encode())
"""What the parsers drop, of texts or of names. Other control characters make JSON invalid."""

_CONTROL_DIGITS: Final = rb"0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F]"
"""The control characters that are dropped from names."""

_C1: Final = re.compile(rb"\xc2[\x80-\x9f]")

_LEGAL: Final = (range(32, 0xD800), range(0xE000, 0xFFFE), range(0x10000, 0x110000), (9, 10, 13))
"""The characters that XML allows: https://www.w3.org/TR/xml/#charsets."""

_REFERENCE: Final = re.compile(rb"&#(?:[xX]([0-9A-Fa-f]+)|([0-9]+));")
_MOST_DIGITS: Final = 7

_NAMED: Final = {
    name[:-1].encode(): text.encode() for name, text in html5.items() if name.endswith(";") and text.isascii()
}
"""The references by name that HTML knows for ASCII."""

_AT_ONCE: Final = 128 * 1024
"""Bytes of a body with escapes that are unescaped without a thread."""

_FEW_SIGNS: Final = 20_000
"""Signs that may begin an escape, unescaped in ten milliseconds."""


class RepeatedTokens:
    """The tokens of one server, to be removed from its responses."""

    def __init__(self) -> None:
        self._tokens: list[bytes] = []
        self._forms: list[bytes] = []
        """All forms of all tokens, the longest first."""
        self._shortest: list[bytes] = []
        """Those that contain no other."""
        self._escapes: list[tuple[bytes, re.Pattern[bytes]]] = []

    def learn(self, token: str) -> None:
        """Remove this token from now on."""
        content = token.encode()
        if len(content) < SHORTEST_HIDDEN:
            return
        self._tokens.append(content)
        forms = (content, *(form.encode() for form in in_base64(token)), content.hex().encode())
        self._forms = sorted({*self._forms, *forms, content.hex().upper().encode()}, key=len, reverse=True)
        self._shortest = [
            form for form in self._forms if not any(other != form and other in form for other in self._forms)
        ]
        letters = sorted({each for token in self._tokens for each in token if 32 < each < 127} - _NEVER)  # noqa: PLR2004 -- ASCII
        # The signs of other escapes belong to them: these may be nested.
        signs = b"|".join((*map(_digits, (*letters, *b"%&")), _CONTROL_DIGITS))
        digits, numbers = (b"|".join(map(form, (*letters, *b"%"))) for form in (_digits, b"%d".__mod__))
        names = b"|".join(name for name, text in _NAMED.items() if set(text) <= set(letters)) or b"(?!)"
        self._escapes = [
            (b"%", re.compile(rb"%%(?:25)*+(%b)" % b"|".join(map(_digits, (*letters, *b"%&"))))),
            (b"\\", re.compile(rb"\\(?:u00|x)(%b)" % signs)),
            (b"&", re.compile(rb"&(?:amp;)*+(?:#(?:[xX]0*+(%b)|0*+(%b));?|(%b);)" % (digits, numbers, names))),
        ]
        # Escaped again, each backslash becomes two.
        self._nested = re.compile(rb"(?<!\\)\\++(?:u00|x)(%b)" % signs)

    async def hidden_in(self, body: bytes) -> bytes:
        """Return a body without the tokens. One that repeats an escaped token loses all escapes of its letters."""
        if len(body) > _AT_ONCE and sum(body.count(sign) for sign, _ in self._escapes if sign in body) > _FEW_SIGNS:
            # In a thread, so that the event loop can run every few milliseconds.
            return await asyncio.to_thread(self.hidden_at_once, body)
        return self.hidden_at_once(body)

    def hidden_at_once(self, body: bytes) -> bytes:
        """Return the same as `hidden_in`; bodies of megabytes with many escapes take seconds."""
        hidden = current = self._plain_hidden_in(body)
        marked_up = is_xml(body)
        for _ in range(_DEEPEST if marked_up or _may_hold_dropped(body) or self._may_be_escaped_in(body) else 0):
            plain = _without_dropped(current, marked_up=marked_up)
            plain = self._unescaped(plain, marked_up=marked_up)
            if plain == current:
                break
            current = self._plain_hidden_in(plain)
            if current != plain:
                hidden = current
        return hidden

    def _may_be_escaped_in(self, body: bytes) -> bool:
        """Return whether a body contains an escape of a letter of a token."""
        return any(
            pattern.search(body, start, end + _LONGEST) is not None
            for sign, pattern in self._escapes
            if sign in body
            for start, end in itertools.pairwise((*range(0, len(body), _SEARCHED), len(body)))
        )

    def _plain_hidden_in(self, body: bytes) -> bytes:
        # Backwards, because bytes.find takes longer for this.
        if any(body.rfind(form) >= 0 for form in self._shortest):
            for form in self._forms:
                body = body.replace(form, HIDDEN.encode())
        return body

    def _unescaped(self, body: bytes, *, marked_up: bool) -> bytes:
        """Return a body in which no letter of a token is escaped."""
        pieces: list[bytes] = []
        at = 0
        while at < len(body):
            cut = _CUT.search(body, at + _SLICE)
            end = cut.start() if cut else len(body)
            piece = body[at:end]
            piece = _C1.sub(b"", piece)
            if marked_up and b"&#" in piece:
                piece = _REFERENCE.sub(_legal_reference, piece)
            for sign, pattern in self._escapes:
                if sign in piece:
                    piece = (self._nested if sign == b"\\" else pattern).sub(_letter, piece)
            pieces.append(piece)
            at = end
        return b"".join(pieces)


def _digits(letter: int) -> bytes:
    """Return a pattern for the hexadecimal digits of a letter, in upper and lower case."""
    return b"%d" % (letter >> 4) + (
        b"%d" % low if (low := letter & 15) < 10 else b"[%c%c]" % (b"abcdef"[low - 10], b"ABCDEF"[low - 10])  # noqa: PLR2004 -- a decimal digit
    )


def _letter(escape: re.Match[bytes]) -> bytes:
    digits, decimal, name = (*escape.groups(), None, None)[:3]
    if name is not None:
        return _NAMED[name]
    number = int(decimal) if decimal is not None else int(digits or b"0", 16)
    return bytes([number]) if chr(number).isprintable() else b""


def _may_hold_dropped(body: bytes) -> bool:
    return b"\0" in body or b"\x7f" in body or (b"\xc2" in body and _C1.search(body) is not None)


def _without_dropped(body: bytes, *, marked_up: bool) -> bytes:
    """Return a body without the control characters that are dropped from it, or from names in it."""
    body = body.translate(None, _DROPPED_FROM_XML if marked_up else _DROPPED)
    for noncharacter in _NONCHARACTERS if marked_up else ():
        body = body.replace(noncharacter, b"")
    return body


def _legal_reference(reference: re.Match[bytes]) -> bytes:
    """Return a reference, or nothing if XML forbids its character: such references are dropped."""
    hexadecimal, decimal = reference.groups()
    digits = (hexadecimal or decimal).lstrip(b"0") or b"0"
    number = int(digits, 16 if hexadecimal else 10) if len(digits) <= _MOST_DIGITS else 0
    return reference[0] if any(number in legal for legal in _LEGAL) else b""
