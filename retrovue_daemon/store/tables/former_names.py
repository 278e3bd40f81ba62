"""The titles that a library had before it was renamed: settings that still use one of them keep referring to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_KEPT = 10
_TEXTS = msgspec.json.Decoder(tuple[str, ...])


def read_names(stored: str | None) -> tuple[str, ...]:
    """Return a stored list of texts; empty if another program stored something else."""
    try:
        return _TEXTS.decode(stored) if stored else ()
    except msgspec.MsgspecError:
        return ()


def renamed(former: Sequence[str], old: str, new: str) -> tuple[str, ...]:
    """Return the former titles of a library that was renamed from ``old`` to ``new``, the latest first."""
    if old.strip() == new.strip():
        return tuple(former)
    return tuple([name for name in dict.fromkeys((old, *former)) if name.strip() != new.strip()][:_KEPT])


def taken_titles(titles: Iterable[str]) -> frozenset[str]:
    """Return the titles of a server's libraries in the form in which `still_meant` compares them."""
    return frozenset(title.strip() for title in titles)


def still_meant(former: Sequence[str], taken: Collection[str]) -> tuple[str, ...]:
    """Return the former titles that are not ``taken`` by libraries of the server (`taken_titles`)."""
    return tuple(name for name in former if name.strip() not in taken)
