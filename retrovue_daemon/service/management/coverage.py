"""Which stored files path mappings cover, and whether the files exist under their local paths."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrovue_daemon.paths import PathMapper, PlexPathMappingService
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.mappings import StoredMapping
    from retrovue_daemon.store.tables.servers import StoredServer

_FIRST_SAMPLES = 3
_NAMES_OF_A_PREFIX = 3

_WITHOUT_PAUSE = 1_000
"""Files between two pauses."""


@dataclass(slots=True)
class Group:
    """The files that one mapping covers; if ``mapping`` is None, the files below a prefix without a mapping.

    ``samples`` are the local paths of a few of them.
    """

    server: str
    prefix: str
    mapping: StoredMapping | None
    libraries: list[str] = field(default_factory=list)
    files: int = 0
    samples: list[str] = field(default_factory=list)

    def count(self, library: str, plex_path: str, mapper: PathMapper) -> None:
        """Count a file; the samples are the first few files, then the 10th, 100th and so on."""
        self.files += 1
        if library not in self.libraries:
            self.libraries.append(library)
        if self.files <= _FIRST_SAMPLES or self.files == 10 ** len(str(self.files - 1)):
            self.samples.append(mapper.local_path(plex_path))


@dataclass(frozen=True, slots=True)
class Seen:
    """How many of some local paths exist; ``looked_at`` does not count paths of other systems."""

    found: int
    looked_at: int


def survey(
    libraries: Sequence[StoredLibrary], mappings: Sequence[StoredMapping], files: Iterable[tuple[int, str]]
) -> list[Group]:
    """Group stored files, given as (library id, Plex path), by their mapping, or by the prefix that has none."""
    views = {library.id: _LibraryView(library, mappings) for library in libraries}
    groups: dict[tuple[str, object], Group] = {}
    by_directory: dict[tuple[int, str], Group] = {}
    for library_id, plex_path in files:
        view = views[library_id]
        # All files of a directory belong to the same group.
        directory = plex_path[: max(plex_path.rfind("/"), plex_path.rfind("\\")) + 1]
        group = by_directory.get((library_id, directory))
        if group is None:
            group = by_directory[library_id, directory] = view.group_of(plex_path, groups)
        group.count(view.title, plex_path, view.mapper)
    return sorted(groups.values(), key=lambda group: (group.server, group.mapping is None, -group.files))


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which files mappings cover: ``unused`` mappings cover none; ``without_path`` files have only a name."""

    groups: list[Group]
    unused: list[StoredMapping]
    without_path: int


def read_coverage(
    connection: sqlite3.Connection, server_ids: Container[int], pause: Callable[[], object] = lambda: None
) -> Coverage:
    """Read the coverage of these servers' files, which reads the path of each; ``pause`` is called now and then."""
    from retrovue_daemon.paths import is_whole  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- likewise
    from retrovue_daemon.store.tables.mappings import read_mappings, stored_paths  # noqa: PLC0415 -- likewise

    libraries = [library for library in read_libraries(connection) if library.server_id in server_ids]
    stored = [entry for entry in read_mappings(connection) if entry.server_id in server_ids]
    bare = 0

    def whole() -> Iterator[tuple[int, str]]:
        nonlocal bare
        for number, file in enumerate(stored_paths(connection, [library.id for library in libraries])):
            if number % _WITHOUT_PAUSE == 0:
                pause()
            if is_whole(file[1]):
                yield file
            else:
                bare += 1

    groups = survey(libraries, stored, whole())
    used = {group.mapping.id for group in groups if group.mapping}
    return Coverage(groups, [entry for entry in stored if entry.id not in used], bare)


def lacks_mapping(group: Group, there: Seen) -> bool:
    """Return whether files without a mapping, of which ``there`` says which were found, may need one."""
    return group.mapping is None and there.found < max(there.looked_at, 1)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result for one path on one server: the mapping that applies, if any, and the local path."""

    server: str
    library: str | None
    mapping: StoredMapping | None
    local_path: str
    exists: bool | None

    def plain(self) -> dict[str, object]:
        """Return the result as ``--json`` prints it."""
        return {
            "server": self.server,
            "library": self.library,
            "mapping": None if self.mapping is None else self.mapping.id,
            "local_path": self.local_path,
            "exists": self.exists,
        }


def try_mappings(
    plex_path: str,
    servers: Sequence[StoredServer],
    libraries: Sequence[StoredLibrary],
    mappings: Sequence[StoredMapping],
    *,
    given: bool,
) -> list[Trial]:
    """Map one path on each server, for the library whose root contains it, or for all libraries if ``given``."""
    trials = []
    for server in servers:
        own = [library for library in libraries if library.server_id == server.id]
        chosen = own if given else [library for library in own if _holds(library, plex_path)]
        stored = {entry.mapping: entry for entry in reversed(mappings) if entry.server_id == server.id}
        service = PlexPathMappingService(entry.mapping for entry in mappings if entry.server_id == server.id)
        for library in chosen or (() if given else (None,)):
            mapper = (
                service.for_library(library.name, library.roots, former=library.former)
                if library
                else service.for_library(None)
            )
            covering = mapper.covering(plex_path)
            local = mapper.local_path(plex_path)
            title = library.name if library else None
            trials.append(Trial(server.name, title, stored[covering] if covering else None, local, seen(local)))
    return trials


def seen(local_path: str) -> bool | None:
    """Return whether a file exists; None if this process cannot know."""
    if not local_path.startswith("/"):
        return None
    try:
        os.stat(local_path)  # noqa: PTH116 -- Path.exists raises where a directory may not be entered
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return None
    return True


def look_for(local_paths: Iterable[str]) -> Seen:
    """Count which of some files exist."""
    answers = [answer for answer in map(seen, local_paths) if answer is not None]
    return Seen(sum(answers), len(answers))


def common_prefixes(groups: Sequence[Group]) -> list[tuple[str, str]]:
    """Return (server, prefix) of as few mappings as could cover these groups: a parent directory covers siblings."""
    siblings: dict[tuple[str, str], list[str]] = {}
    for group in groups:
        siblings.setdefault((group.server, _parent(group.prefix)), []).append(group.prefix)
    return [
        (server, parent if parent and len(prefixes) > 1 else prefix)
        for (server, parent), prefixes in siblings.items()
        for prefix in (prefixes[:1] if parent else prefixes)
    ]


class _LibraryView:
    """The path mappings and folders of one library."""

    def __init__(self, library: StoredLibrary, mappings: Sequence[StoredMapping]) -> None:
        self.title = library.name
        self._server = library.server
        self._stored: dict[PathMapping, StoredMapping] = {}
        for entry in mappings:
            if entry.server_id == library.server_id:
                self._stored.setdefault(entry.mapping, entry)
        self.mapper = PlexPathMappingService(self._stored).for_library(
            library.name, library.roots, former=library.former
        )
        self._roots = PathMapper([PathMapping(root, root) for root in library.roots])

    def group_of(self, plex_path: str, groups: dict[tuple[str, object], Group]) -> Group:
        """Return the group that a file belongs to."""
        covering = self.mapper.covering(plex_path)
        if covering is not None:
            entry = self._stored[covering]
            return groups.setdefault((self._server, entry.id), Group(self._server, covering.plex_path, entry))
        root = self._roots.covering(plex_path)
        prefix = _beginning(plex_path) if root is None else root.plex_path
        return groups.setdefault((self._server, prefix), Group(self._server, prefix, None))


def _holds(library: StoredLibrary, plex_path: str) -> bool:
    return PathMapper([PathMapping(root, root) for root in library.roots]).covering(plex_path) is not None


def _parent(prefix: str) -> str:
    """Return the parent directory of a prefix, or an empty string for a root, a drive or a network host."""
    separator = "/" if prefix.startswith("/") else "\\"
    parent = prefix.rstrip(separator).rpartition(separator)[0]
    is_machine = parent.startswith("\\\\") and "\\" not in parent[2:]
    return "" if is_machine or parent.endswith(":") else parent


def _beginning(plex_path: str) -> str:
    """Return the first directories of a path that is outside the roots of its library."""
    separator = "/" if plex_path.startswith("/") else "\\"
    names = plex_path.split(separator)[:-1]
    return separator.join(names[:_NAMES_OF_A_PREFIX]) or separator
