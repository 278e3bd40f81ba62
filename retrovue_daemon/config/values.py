"""Types of values: numbers, strings, durations, percentages.

A `Value` reads a single TOML value. It holds a description of valid values, which messages, help and documentation
share, and it can write a value back to TOML.
"""

from __future__ import annotations

import re
from datetime import date, time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

T = TypeVar("T")

_LONGEST_QUOTE: Final = 60

_TYPE_NAMES: Final[dict[type, str]] = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


class BadValue(ValueError):
    """An invalid value; the text says why. It never leaves this package: it becomes a ConfigProblem."""


class Context(msgspec.Struct, frozen=True):
    """The environment in which a value is read."""

    base_dir: Path
    """The directory of the configuration file, where relative paths start."""
    environ: Mapping[str, str]
    is_public: bool = False
    """Whether every user of the system may read the configuration file."""
    trusts_credentials: bool = False
    """Whether credentials that only the service can read count as valid: another process reads on its behalf."""


def _no_remarks(_raw: object, _value: object, _context: Context) -> Iterable[str]:
    return ()


def _unchanged(value: object) -> object:
    return value


class Value(msgspec.Struct, Generic[T], frozen=True):
    """A type of values: ``convert`` reads a TOML value of type ``toml``, or raises `BadValue`.

    ``valid`` completes the sentence "must be …". ``plain`` converts a value back to TOML. ``remarks`` yields warnings
    about valid values. A ``private`` value never appears in a message. ``schema`` holds the rules for JSON Schema, in
    addition to the type.
    """

    valid: str
    toml: type
    convert: Callable[[Any, Context], T]
    plain: Callable[[Any], object] = _unchanged
    remarks: Callable[[Any, Any, Context], Iterable[str]] = _no_remarks
    private: bool = False
    schema: Mapping[str, object] = msgspec.field(default_factory=dict)

    def read(self, raw: object, context: Context) -> T:
        """Return ``raw`` converted. Raise `BadValue` with a message that says what would be valid."""
        # For isinstance a bool is an int, but `true` does not mean 1.
        if type(raw) is not self.toml:
            raise self.refusal(raw)
        return self.convert(raw, context)

    def refusal(self, raw: object, hint: str = "") -> BadValue:
        """Return the exception for ``raw``: what would be valid, what was found, and a hint."""
        if not self.private:
            found = f", not {quoted(raw)}"
        else:
            found = "" if type(raw) is self.toml else f", not {type_of(raw)}"
        return BadValue(f"must be {self.valid}{found}" + (f"; {hint}" if hint else ""))


def type_of(raw: object) -> str:
    """Return the TOML type of a value, as in ``an integer``; programs may pass types that TOML does not have."""
    if isinstance(raw, date | time):
        return "a date or time"
    return _TYPE_NAMES.get(type(raw), "None" if raw is None else f"a {type(raw).__name__}")


def quoted(raw: object) -> str:
    """Return a value as messages show it: shortened, and with its type if that is not obvious."""
    if isinstance(raw, str):
        shown = raw if len(raw) <= _LONGEST_QUOTE else raw[: _LONGEST_QUOTE - 1] + "…"
        return f'"{shown if shown.isprintable() else shown.encode("unicode_escape").decode()}"'
    if isinstance(raw, bool):
        return f"the boolean {str(raw).lower()}"
    if isinstance(raw, float) or (isinstance(raw, int) and abs(raw) < 1 << 63):
        return f"the {'integer' if isinstance(raw, int) else 'float'} {raw}"
    return type_of(raw)


def did_you_mean(word: str, among: Iterable[str]) -> str:
    """Return a suggestion such as ``did you mean "url"?``, or an empty string if no name is similar."""
    names = {name.lower(): name for name in among}
    closest = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f'did you mean "{names[closest[0]]}"?' if closest else ""


# -- texts ----------------------------------------------------------------------------------------------------------


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded: Python represents undecodable bytes as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def text(valid: str) -> Value[str]:
    """Accept a text that is not empty; surrounding spaces are removed."""

    def convert(raw: str, _context: Context) -> str:
        stripped = raw.strip()
        if not stripped or not stripped.isprintable():
            raise value.refusal(raw)
        return stripped

    value = Value(valid, str, convert, schema={"minLength": 1})
    return value


def choice(*words: str) -> Value[str]:
    """Accept one of some words, in any case."""

    def convert(raw: str, _context: Context) -> str:
        word = raw.strip().lower()
        if word not in words:
            raise value.refusal(raw, did_you_mean(word, words))
        return word

    value = Value("one of " + ", ".join(f'"{word}"' for word in words), str, convert, schema={"enum": list(words)})
    return value


def names(valid: str, *, may_be_empty: bool) -> Value[tuple[str, ...]]:
    """Accept an array of texts that are not empty."""

    def convert(raw: list[object], _context: Context) -> tuple[str, ...]:
        if not raw and not may_be_empty:
            raise BadValue(f"must be {valid}, not an empty array; to select all, remove the key")
        for position, entry in enumerate(raw):
            if not isinstance(entry, str) or not entry.strip():
                raise BadValue(f"must be {valid}, but entry {position} is {quoted(entry)}")
        return tuple(str(entry).strip() for entry in raw)

    items = {"items": {"type": "string", "minLength": 1}}
    return Value(valid, list, convert, plain=list, schema=items if may_be_empty else {**items, "minItems": 1})


# -- numbers --------------------------------------------------------------------------------------------------------

BOOLEAN: Final[Value[bool]] = Value("true or false", bool, lambda raw, _context: bool(raw))


def integer(lowest: int, highest: int) -> Value[int]:
    """Accept an integer from ``lowest`` to ``highest``, inclusive."""

    def convert(raw: int, _context: Context) -> int:
        if not lowest <= raw <= highest:
            raise value.refusal(raw)
        return raw

    bounds = {"minimum": lowest, "maximum": highest}
    value = Value(f"an integer from {lowest} to {highest}", int, convert, schema=bounds)
    return value


_SECONDS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|d|h|m|s))+")
_DURATION_STEP: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")


def duration(lowest: str, highest: str) -> Value[float]:
    """Accept a duration such as ``30s``, ``5m``, ``1h30m`` or ``30d`` within bounds; the value is in seconds."""
    shortest, longest = seconds(lowest), seconds(highest)

    def convert(raw: str, _context: Context) -> float:
        word = raw.replace(" ", "").lower()
        length = seconds(word) if DURATION.fullmatch(word) else None
        if length is None or not shortest <= length <= longest:
            hint = f'did you mean "{word}s"?' if word.isdecimal() else ""
            raise value.refusal(raw, hint)
        return length

    valid = f'a duration from "{lowest}" to "{highest}", such as "30s" or "1h30m"'
    value = Value(valid, str, convert, span, schema={"pattern": f"^{DURATION.pattern}$"})
    return value


def retention() -> Value[float | None]:
    """Accept a duration in seconds, where ``0s`` means immediately and ``never`` is None."""
    bounded = duration("0s", "3650d")
    valid = 'a duration such as "30d", "0s" for immediately, or "never"'

    def convert(raw: str, context: Context) -> float | None:
        if raw.strip().lower() == "never":
            return None
        try:
            return bounded.read(raw, context)
        except BadValue:
            raise value.refusal(raw) from None

    value: Value[float | None] = Value(
        valid,
        str,
        convert,
        lambda length: "never" if length is None else span(length),
        schema={"pattern": f"^(?:never|{DURATION.pattern})$"},
    )
    return value


def seconds(word: str) -> float:
    """Return the seconds of a well-formed duration."""
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _DURATION_STEP.findall(word))


def span(length: float) -> str:
    """Return a number of seconds in the largest unit that needs no fraction."""
    for unit, size in _SECONDS.items():
        if length and length % size == 0:
            return f"{length / size:.0f}{unit}"
    return f"{length}s"


_BYTES: Final = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "KB": 10**3, "B": 1}
_SIZE: Final = re.compile(r"(\d{1,12}) ?(TB|GB|MB|KB|B)?", re.IGNORECASE)


def size(highest: str) -> Value[int]:
    """Accept a size such as ``200MB``, or ``0``; the value is in bytes."""
    largest = _in_bytes(highest)

    def convert(raw: str, _context: Context) -> int:
        number = _in_bytes(raw.strip())
        if number is None or largest is None or number > largest:
            hint = f'did you mean "{raw.strip()}MB"?' if raw.strip().isdecimal() else ""
            raise value.refusal(raw, hint)
        return number

    valid = f'a size up to "{highest}", such as "200MB" or "2GB", or "0"'
    value = Value(valid, str, convert, _plain_size, schema={"pattern": "^(?:0|[0-9]+ ?[KMGTkmgt]?[Bb])$"})
    return value


def _in_bytes(word: str) -> int | None:
    match = _SIZE.fullmatch(word)
    if match is None or (match[2] is None and int(match[1])):
        return None
    return int(match[1]) * _BYTES[(match[2] or "B").upper()]


def _plain_size(number: int) -> str:
    for unit, step in _BYTES.items():
        if number and number % step == 0:
            return f"{number // step}{unit}"
    return "0"


_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


def share() -> Value[float]:
    """Accept a percentage such as ``20%``; the value is a fraction from 0 to 1."""

    def convert(raw: str, _context: Context) -> float:
        match = _SHARE.fullmatch(raw.strip())
        if match is None or float(match[1]) > 100:  # noqa: PLR2004  # per cent
            raise value.refusal(raw)
        return float(match[1]) / 100

    value = Value(
        'a percentage from "0%" to "100%"',
        str,
        convert,
        lambda fraction: f"{fraction * 100:.10g}%",
        schema={"pattern": f"^{_SHARE.pattern}$"},
    )
    return value
