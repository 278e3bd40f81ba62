"""Single values of responses, in whatever form they arrive, as the declared types or None."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from retrovue_daemon.sources.plex.json_structs import EARLIEST, INT64_MAX, INT64_MIN, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable


def as_whole(value: object) -> int | None:
    """Read a whole number, which may arrive as text or as ``8.0``; None if SQLite cannot store it."""
    number: object = value
    if isinstance(value, str):
        try:
            number = float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            return None
    if isinstance(number, float):
        number = int(number) if math.isfinite(number) and number.is_integer() else None
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return number if INT64_MIN <= number <= INT64_MAX else None


def as_natural(value: object) -> int | None:
    """Read a size or a length; a negative one is None."""
    number = as_whole(value)
    return number if number is not None and number >= 0 else None


def as_moment(value: object) -> int | None:
    """Read a time in Unix seconds; one without a date is None."""
    number = as_whole(value)
    return number if number is not None and EARLIEST <= number <= LATEST else None


def as_number(value: object) -> float | None:
    """Read a number with a fraction; NaN and infinity are None."""
    number = as_any_number(value)
    return number if number is not None and math.isfinite(number) else None


def as_any_number(value: object) -> float | None:
    """Read a number with a fraction, NaN and infinity included."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def as_text(value: object) -> str | None:
    """Read a text; a number is one, too."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    whole = as_whole(value)
    return str(value if whole is None else whole)


def cut_to(longest: int) -> Callable[[object], str | None]:
    """Read a text, of which the beginning is as good as the whole."""

    def mend_text(value: object) -> str | None:
        text = as_text(value)
        return text if text is None else text[:longest]

    return mend_text


def at_most(longest: int) -> Callable[[object], str | None]:
    """Read a name, of which a part would be another name."""

    def mend_name(value: object) -> str | None:
        text = as_text(value)
        return text if text is None or len(text) <= longest else None

    return mend_name


def as_flag(value: object) -> bool | None:
    """Read ``1``, ``"1"``, ``true`` and their opposites."""
    if isinstance(value, str):
        return value.strip().lower() in {"1", "true"}
    return bool(value) if isinstance(value, int) else None
