"""What makes two servers or two path mappings the same, wherever they are defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from retrovue_daemon.paths import path_form, split

if TYPE_CHECKING:
    from collections.abc import Iterable

    from retrovue_daemon.records import PathMapping


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def name_form(name: str) -> str:
    """Return the form in which two names of one server are equal: letter case is ignored."""
    return name.strip().casefold()


def find_name(names: Iterable[str], name: str) -> str | None:
    """Return the first of ``names`` equal to ``name`` regardless of case, or None; an exact match is preferred."""
    alike = [each for each in names if name_form(each) == name_form(name)]
    return name.strip() if name.strip() in alike else next(iter(alike), None)


def find_named(entries: Iterable[N], name: str) -> N | None:
    """Return the entry of this name, found as in `find_name`, or None."""
    listed = tuple(entries)
    found = find_name((entry.name for entry in listed), name)
    return next((entry for entry in listed if entry.name == found), None)


def mapping_form(mapping: PathMapping) -> tuple[str, str | None, str | None]:
    """Return the form in which two mappings are equal that map one directory for the same library."""
    path = mapping.plex_path
    return path_form(path) if split(path) else path.rstrip("/"), mapping.library_name, mapping.library_root
