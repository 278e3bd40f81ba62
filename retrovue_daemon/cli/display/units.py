"""Times, sizes and durations as people read them."""

from __future__ import annotations

import time
from datetime import datetime

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(seconds: float | None) -> str:
    """Write a Unix time as the clock on the wall here shows it; nothing for None."""
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)  # Plex sends times beyond every calendar


def ago(seconds: float | None, now: float | None = None) -> str:
    """Say how long ago a Unix time was, or how far ahead it is."""
    if seconds is None:
        return "never"
    distance = (time.time() if now is None else now) - seconds
    if abs(distance) < 1:
        return "now"
    return f"{lasting(distance)} ago" if distance > 0 else f"in {lasting(-distance)}"


def lasting(seconds: float) -> str:
    """Write a duration in its two largest units."""
    whole = round(seconds)
    for position, (size, name) in enumerate(_STEPS):
        if whole >= size:
            rest, below = whole % size, _STEPS[position + 1 : position + 2]
            second = "".join(f" {rest // part} {unit}" for part, unit in below if rest >= part)
            return f"{whole // size} {name}{second}"
    return "0 s"


def running_time(milliseconds: int) -> str:
    """Write the length of a film or an episode as h:mm:ss."""
    seconds = milliseconds // 1000
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def size(number: float) -> str:
    """Write a number of bytes in a unit that suits it."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:  # noqa: PLR2004 -- the step between units
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Write a number with its word."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
