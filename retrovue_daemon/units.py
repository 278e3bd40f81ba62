"""Times, sizes and durations as readable text."""

from __future__ import annotations

import time
from datetime import datetime

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(seconds: float | None) -> str:
    """Return a Unix time as local date and time; an empty string for None."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)  # Plex sends times outside the range of dates


def ago(seconds: float | None, now: float | None = None) -> str:
    """Return how long ago a Unix time was, or how far it is in the future."""
    if seconds is None:
        return "never"
    distance = (time.time() if now is None else now) - seconds
    if abs(distance) < 1:
        return "now"
    return f"{lasting(distance)} ago" if distance > 0 else f"in {lasting(-distance)}"


def lasting(seconds: float) -> str:
    """Return a duration in its two largest units."""
    whole = round(seconds)
    for position, (size, name) in enumerate(_STEPS):
        if whole >= size:
            rest, below = whole % size, _STEPS[position + 1 : position + 2]
            second = "".join(f" {rest // part} {unit}" for part, unit in below if rest >= part)
            return f"{whole // size} {name}{second}"
    return "0 s"


def running_time(milliseconds: int) -> str:
    """Return the duration of a film or an episode as h:mm:ss."""
    seconds = milliseconds // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def size(number: float) -> str:
    """Return a number of bytes with a suitable unit."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004 -- the step between units
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun, in the singular or plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
