"""Redaction of secrets in log lines: known tokens, and anything that looks like one."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

HIDDEN: Final = "***"

_SHORTEST: Final = 4
"""Characters of a secret; hiding shorter ones would also hide ordinary text."""

_REMEMBERED: Final = 128
"""Characters of the longest text whose redacted form is remembered: names of keys and of libraries recur."""

_MOST_REMEMBERED: Final = 1_000

_SHORTEST_BASE64: Final = 8
"""Characters of its base64 form; fewer may be part of a word."""

LONGEST_TEXT: Final = 64 * 1024
"""Characters of one text of a line; the rest is cut off first, because redaction takes time."""

_LONGEST_SECRET: Final = 2048
"""Characters of an unknown secret, such as a JSON Web Token."""

_DEEPEST: Final = 8
"""Levels of nesting that are searched: a structure may contain itself."""

_SECRET_KEYS: Final = re.compile(r"(?i)token|passw|secret|authorization|cookie|api_?key")

# Unknown tokens, recognized by what precedes them in a URL, a header, JSON, XML or Python code. The bare word "token"
# needs a quoted value: "check the token: see the manual" contains no secret.
_NAMED: Final = re.compile(
    r"""(?xi)
    (
      x-plex-token \W{1,6}
    | bearer \s+
    | authorization \\*["']? \s*[:=]\s* \\*["']? (?: (?:basic|bearer|digest|token) \s+ )?
    | (?:access|auth|refresh|id) [_-]? token \\*["']? \s*[:=]\s* \\*["']?
    | (?:password|passwd|secret|api[_-]?key) \\*["']? \s*[:=]\s* \\*["']?
    | token \\*["']? \s*[:=]\s* \\*["']
    | [?&;] token =
    )
    [^\s&"',;<>]+
    """
)
_USER: Final = re.compile(r"""(?<=://)[^\s/?\#"'<>]+@""")
_JSON_WEB_TOKEN: Final = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")

_ESCAPED: Final = re.compile(
    r"""(?xi)
      %(?:25)*+([2-7][0-9a-f])
    | \\{1,8}(?:u00|x)([2-7][0-9a-f])
    | &(?:amp;)*+\#(?:x0*+([2-7][0-9a-f])|0*+([1-9][0-9]{1,2}));?
    """
)
"""A letter as addresses, JSON, Python, XML and HTML may escape it, also more than once."""

_ROUNDS: Final = 4
"""Escapes of different kinds that may be nested; those of the same kind may be nested deeper."""


class Redactor:
    """Removes secrets from everything that is logged.

    Each logging set-up has one redactor. Code that reads a configuration must pass every token to ``learn``.
    """

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self._longest = _LONGEST_SECRET
        self._learnt = 0
        """How many secrets were learnt; texts redacted before the last one are redacted again."""
        self._remembered = lru_cache(_MOST_REMEMBERED)(lambda text, _learnt: self._redacted(text))

    def learn(self, secret: str) -> None:
        """Hide this value from now on, also as encoded in URLs, JSON, Python, HTML, base64 and hexadecimal."""
        if len(secret) < _SHORTEST:
            return
        escaped = (quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1])
        self._forms.update((secret, *escaped, html.escape(secret), *in_base64(secret)))
        self._forms.add(secret.encode("utf-8", "surrogatepass").hex())
        # The longest first: one secret may be a prefix of another.
        forms = sorted(self._forms, key=len, reverse=True)
        self._longest = max(_LONGEST_SECRET, len(forms[0]))
        self._known = re.compile("|".join(map(re.escape, forms)), re.IGNORECASE)
        # Last: a text that another thread redacts meanwhile must not be remembered as redacted with this secret.
        self._learnt += 1

    def text(self, text: str) -> str:
        """Return ``text`` without secrets; of a very long one, the beginning."""
        if len(text) <= _REMEMBERED:
            return self._remembered(text, self._learnt)
        if len(text) > LONGEST_TEXT + self._longest:
            # Of a secret that the cut splits, nothing recognizable would be left: what it may be part of goes, too.
            return self._redacted(text[: LONGEST_TEXT + self._longest])[: -self._longest] + "…"
        return self._redacted(text)

    def _redacted(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
            plain = text
            for _ in range(_ROUNDS if any(sign in text for sign in "%\\&") else 0):
                former, plain = plain, _ESCAPED.sub(_letter, plain)
                if plain == former:
                    break
                if self._known.search(plain):
                    # Of a text that repeats a secret in this way, the escapes are of no use.
                    text = plain = self._known.sub(HIDDEN, plain)
        text = _NAMED.sub(rf"\g<1>{HIDDEN}", text)
        text = _USER.sub(f"{HIDDEN}@", text)
        return _JSON_WEB_TOKEN.sub(HIDDEN, text)

    def value(self, value: object, depth: int = 0) -> object:
        """Return a value of a log line without secrets, in a form that JSON can represent."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        if isinstance(value, bytes | bytearray):
            return self.text(value.decode("utf-8", "backslashreplace"))
        if depth == _DEEPEST and isinstance(value, Mapping | list | tuple | set | frozenset):
            return "…"
        if isinstance(value, Mapping):
            return {self.text(_words(key)): self._keyed(_words(key), item, depth + 1) for key, item in value.items()}
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):  # noqa: PLR2004 -- a pair
            return [self.text(value[0]), self._keyed(value[0], value[1], depth + 1)]
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in value]
        return self.text(_words(value))

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Redact an event; the signature is that of a structlog processor."""
        return {key: self._keyed(key, item, 0) for key, item in event.items()}

    def _keyed(self, key: str, item: object, depth: int) -> object:
        # Whether a secret is set is not a secret.
        if _SECRET_KEYS.search(key) and item is not None and not isinstance(item, bool):
            return HIDDEN
        return self.value(item, depth)


def _letter(escape: re.Match[str]) -> str:
    *digits, decimal = escape.groups()
    number = int(decimal) if decimal else int(next(filter(None, digits)), 16)
    return chr(number) if number < 128 else escape[0]  # noqa: PLR2004 -- ASCII


def in_base64(secret: str) -> Iterator[str]:
    """Yield the base64 forms of a secret: alone, and inside longer data without shared characters."""
    content = secret.encode("utf-8", "surrogatepass")
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            encoded = encode(bytes(before) + content).decode()
            first, last = -(-8 * before // 6), 8 * (before + len(content)) // 6
            if last - first >= _SHORTEST_BASE64:
                yield from (encoded[first:last], *(() if before else (encoded,)))


def _words(value: object) -> str:
    """Return an object as text; an exception without a message is represented by its class name."""
    try:
        return str(value) or type(value).__name__
    except Exception as error:  # noqa: BLE001 -- a bug in a foreign object must not stop the code that logs
        return f"<{type(value).__name__}: {type(error).__name__} in its __str__>"
