"""The titles that a library had before it was renamed: what still names it by one of them goes on to mean it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_KEPT = 10
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


def read_names(stored: str | None) -> tuple[str, ...]:
    """Read a list of texts; what another program put there instead counts as none."""
    try:
        return _TEXTS.decode(stored) if stored else ()
    except msgspec.MsgspecError:
        return ()


def renamed(former: Sequence[str], old: str, new: str) -> tuple[str, ...]:
    """Return the former titles of a library that is called ``new`` now and was called ``old``, the latest first."""
    if old.strip() == new.strip():
        return tuple(former)
    return tuple([name for name in dict.fromkeys((old, *former)) if name.strip() != new.strip()][:_KEPT])


def still_meant(former: Sequence[str], titles: Collection[str]) -> tuple[str, ...]:
    """Return the former titles that none of ``titles`` is: the server has given the others to another library."""
    taken = {title.strip() for title in titles}
    return tuple(name for name in former if name.strip() not in taken)
