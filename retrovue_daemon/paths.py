r"""The form in which paths are compared, and the mapping from a server's path to the local path of a file.

There is one form for mappings, for the identity of items and for settings. A path is split into its anchor (``/``,
``M:``, ``\\nas``) and the names below it. In a Windows path, both kinds of slash separate names, and case is ignored
letter by letter (``ß`` is not ``SS``); in other paths a backslash is part of a name. Repeated separators count as
one. Names are compared in Unicode's composed form (NFC): macOS writes an accented letter as two characters, Linux as
one, and both mean the same file. ``.`` and ``..`` are ordinary names: nothing is resolved.

A path is mapped by its parts: those below a mapping are joined again in the style of the local side.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_DIRECTORIES_KEPT: Final = 8192
_MAPPERS_KEPT: Final = 64

_DRIVE: Final = re.compile(r"[A-Za-z]:(?![^\\/])")
_SLASHES: Final = re.compile(r"[\\/]+")

Parts: TypeAlias = tuple[str, ...]
"""An anchor and the names below it."""


def split(path: str) -> Parts:
    """Return the parts of an absolute path; a relative one has none."""
    if path.startswith("/"):
        return ("/", *filter(None, path.split("/")))
    anchor = "\\\\" if path.startswith("\\\\") else path[:2]
    if anchor == "\\\\" or _DRIVE.match(path):
        return (anchor, *filter(None, _SLASHES.split(path[2:])))
    return ()


def comparable(parts: Parts) -> Parts:
    """Return the parts in the form in which they are compared."""
    if not all(part.isascii() for part in parts):
        parts = tuple(unicodedata.normalize("NFC", part) for part in parts)
    return parts if parts[:1] == ("/",) else tuple(_without_case(part) for part in parts)


def _without_case(name: str) -> str:
    return name.lower() if name.isascii() else name.translate(_LOWER)


class _LowerCase(dict[int, str]):
    """Lower-case letters, one by one, as Windows compares names; letters without a counterpart stay as they are."""

    def __missing__(self, letter: int) -> str:
        upper = chr(letter).upper()
        lower = upper.lower()
        is_pair = len(lower) == 1 and lower.upper() == upper
        # The dotless i and the long s are letters of their own, although their capitals are I and S.
        self[letter] = lower if is_pair and (letter <= _LAST_OF_ASCII or not upper.isascii()) else chr(letter)
        return self[letter]


_LAST_OF_ASCII: Final = 127
_LOWER: Final = _LowerCase()


def prefixes(path: str) -> Iterator[Parts]:
    r"""Yield the comparable parts of a path typed by a person, who may write ``\\nas`` as ``//nas``."""
    if parts := split(path):
        yield comparable(parts)
    if path.startswith("//"):
        yield comparable(split(path.replace("/", "\\")))


def path_form(path: str) -> str:
    """Return the form in which two spellings of a path are equal; a relative path is only normalized to NFC."""
    parts = comparable(split(path))
    if not parts:
        return unicodedata.normalize("NFC", path)
    if parts[0] == "/":
        return "/" + "/".join(parts[1:])
    return "\\".join(parts) if parts[0] != "\\\\" else "\\\\" + "\\".join(parts[1:])


def is_whole(path: str | None) -> bool:
    """Return whether a path states a file's location: to some tokens, servers reveal only its name."""
    return bool(path) and bool(split(path or "") or "/" in (path or "") or "\\" in (path or ""))


# -- mappings -------------------------------------------------------------------------------------------------------


class PlexPathMappingService:
    """Maps the paths of one server by its path mappings.

    Among the mappings that apply to a library, those that name it (by title or root) take precedence over those of
    the whole server, and the longest prefix of whole names over shorter ones. A path without a mapping stays
    unchanged.
    """

    __slots__ = ("_mapper", "_mappings")

    def __init__(self, mappings: Iterable[PathMapping | Mapping[str, Any]] = ()) -> None:
        """Accept mappings, or rows of plex_path_mappings as dictionaries."""
        self._mappings = tuple(each if isinstance(each, PathMapping) else _of_row(each) for each in mappings)
        self._mapper = lru_cache(maxsize=_MAPPERS_KEPT)(self.for_library)

    def get_local_path(
        self, plex_path: str, library_root: str | None = None, *, library_name: str | None = None
    ) -> str:
        """Return the local path of a file in the library with this root or title; in any library if none is given."""
        return self._mapper(library_name, () if library_root is None else (library_root,)).local_path(plex_path)

    def for_library(self, name: str | None, roots: Sequence[str] = (), *, former: Sequence[str] = ()) -> PathMapper:
        """Return the mapper of one library, for many paths; ``roots`` are all its locations.

        ``former`` are its earlier titles: mappings that name it by one of them come after those that use its current
        title.
        """
        title = None if name is None else name.strip()
        former_titles = {each.strip() for each in former}
        held_roots = {form for root in roots for form in prefixes(root)}
        own: list[PathMapping] = []
        of_former_titles: list[PathMapping] = []
        general: list[PathMapping] = []
        for mapping in self._mappings:
            named = None if mapping.library_name is None else mapping.library_name.strip()
            if named is not None and named != title and named not in former_titles:
                continue
            if mapping.library_root is not None and held_roots.isdisjoint(prefixes(mapping.library_root)):
                continue
            is_general = mapping.library_name is None and mapping.library_root is None
            if named is not None and named != title:
                of_former_titles.append(mapping)
            else:
                (general if is_general else own).append(mapping)
        return PathMapper(own, of_former_titles, general)


class PathMapper:
    """Maps paths of one library; ``mapper(path)`` is the same as ``mapper.local_path(path)``.

    The result for a directory applies to all of its files: each directory is looked up once, and the last few
    thousand are cached.
    """

    __slots__ = ("_levels", "_local_directory", "_parents")

    def __init__(self, *levels: Iterable[PathMapping]) -> None:
        """Accept mappings by precedence: all of an earlier level come before those of a later one."""
        self._levels = tuple(filter(None, map(_by_prefix, levels)))
        # A mapping of /media/movies does not apply to the files of /media, but it does apply to the path itself.
        self._parents = frozenset(prefix[:-1] for level in self._levels for prefix in level)
        self._local_directory = lru_cache(maxsize=_DIRECTORIES_KEPT)(self._find_directory)

    def local_path(self, plex_path: str) -> str:
        """Return the local path, or the path itself if no mapping applies."""
        if not self._levels:
            return plex_path
        cut = plex_path.rfind("/") + 1
        if plex_path[:1] != "/":
            cut = max(cut, plex_path.rfind("\\") + 1)
        directory = self._local_directory(plex_path[:cut])
        return self._find(plex_path) if directory is None else directory + plex_path[cut:]

    __call__ = local_path

    def covering(self, plex_path: str) -> PathMapping | None:
        """Return the mapping that ``local_path`` would use."""
        found = self._longest(split(plex_path))
        return None if found is None else found[0].mapping

    def _find_directory(self, directory: str) -> str | None:
        """Return the local form of a directory ending in its separator; None if its files need separate look-ups."""
        return None if comparable(split(directory)) in self._parents else self._find(directory)

    def _find(self, plex_path: str) -> str:
        parts = split(plex_path)
        found = self._longest(parts)
        if found is None:
            return plex_path
        local, length = found
        ends = plex_path.endswith("/" if parts[0] == "/" else ("/", "\\"))
        return local.path_of(parts[length:], ends_in_separator=ends)

    def _longest(self, parts: Parts) -> tuple[_Local, int] | None:
        """Return the mapping with the longest prefix on the first level that has any, and the prefix's length."""
        form = comparable(parts)
        for level in self._levels:
            for length in range(len(parts), 0, -1):
                local = level.get(form[:length])
                if local is not None:
                    return local, length
        return None


def _of_row(row: Mapping[str, Any]) -> PathMapping:
    return PathMapping(row["plex_path"], row["local_path"], row.get("library_name"), row.get("library_root"))


class _Local(NamedTuple):
    """The local side of a mapping, without trailing separators, and the separator that joins names to it."""

    base: str
    separator: str
    mapping: PathMapping

    def path_of(self, names: Parts, *, ends_in_separator: bool) -> str:
        is_root = not names and (not self.base or _DRIVE.fullmatch(self.base) is not None)
        end = self.separator if ends_in_separator or is_root else ""
        return self.separator.join((self.base, *names)) + end


def _by_prefix(mappings: Iterable[PathMapping]) -> dict[Parts, _Local]:
    """Return the local sides by the form of the Plex side; the first one wins for equal prefixes."""
    by_prefix: dict[Parts, _Local] = {}
    for mapping in mappings:
        for form in prefixes(mapping.plex_path):
            by_prefix.setdefault(form, _local(mapping))
    return by_prefix


def _local(mapping: PathMapping) -> _Local:
    path = mapping.local_path
    is_windows = path[:1] != "/" and ("\\" in path or (_DRIVE.match(path) is not None and "/" not in path))
    base, separator = (path.rstrip("\\/"), "\\") if is_windows else (path.rstrip("/"), "/")
    return _Local(base, separator, mapping)
