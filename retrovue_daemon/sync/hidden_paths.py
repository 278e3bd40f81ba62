"""Files whose paths a server does not show: tokens that are not the owner's see bare names, or no files at all.

A path that is known is kept. That is decided before digests are made, so that an item of which nothing else changed
counts as unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from msgspec.structs import replace

from retrovue_daemon.paths import is_whole
from retrovue_daemon.records import Episode, Movie
from retrovue_daemon.store.known_paths import known_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrovue_daemon.records import Item, MediaFile, Page
    from retrovue_daemon.store.known_paths import KnownPath
    from retrovue_daemon.sync.passes import Verdict
    from retrovue_daemon.sync.targets import Equipment, LibraryTarget

log = structlog.get_logger()

_WORDS = "the token does not see where files are"


class HiddenPaths:
    """Puts the stored paths in place of hidden ones, over one pass, and counts both.

    ``complete`` says that the pass lists all of what it looks at: a few new files without a path prove nothing.
    """

    def __init__(self, equipment: Equipment, library: LibraryTarget, *, complete: bool) -> None:
        self._equipment = equipment
        self._library = library
        self._complete = complete
        self.forget()

    def forget(self) -> None:
        """Begin to count anew, for a listing that is read once more."""
        self._kept = 0
        self._unknown = 0
        self._whole = False

    @property
    def doubt(self) -> str | None:
        """What the pass says of hidden paths, or None; of an owner's token a file without a path is no news."""
        if not self._kept and (self._whole or not self._unknown or not self._complete):
            return None
        unknown = f"; {self._unknown:,} files have none" if self._unknown else ""
        return f"{_WORDS}; the paths of {self._kept:,} files were kept{unknown}"

    def judged(self, verdict: Verdict) -> Verdict:
        """Return how a pass ends that met hidden paths: it says so, and a complete listing finds out how many."""
        if verdict.status != "ok" or self.doubt is None:
            return verdict
        error = self.doubt if verdict.error is None else f"{verdict.error}; {self.doubt}"
        is_new = not self._complete and not self._is_known
        return replace(verdict, error=error, list_again=verdict.list_again or is_new)

    @property
    def _is_known(self) -> bool:
        """Whether the last complete listing met them, too."""
        return _WORDS in (self._library.row.doubt or "")

    async def restore(self, page: Page) -> Page:
        """Return a page in which files that are known have whole paths."""
        if not _holds_files(page):
            return page
        hidden = [item for item in page.items if isinstance(item, Movie | Episode) and _hides(item)]
        if not hidden:
            self._whole = self._whole or any(isinstance(item, Movie | Episode) and item.files for item in page.items)
            return page
        reader, server_id = self._equipment.database.reader, self._library.target.server_id
        known = await known_paths(reader, hidden[0].kind, server_id, [item.rating_key for item in hidden])
        return replace(page, items=tuple(self._restored(item, known) for item in page.items))

    def tell(self) -> None:
        """Log once, when it begins, that paths are hidden."""
        key, begun = (self._library.server, self._library.row.id), self._equipment.skips.paths_hidden
        if self.doubt is None:
            if self._whole:
                begun.discard(key)
            return
        if key not in begun and not self._is_known:
            log.warning(
                "library.paths_hidden",
                server=self._library.server,
                library=self._library.row.name,
                error=self.doubt,
                hint="use the token of the server's owner",
            )
        begun.add(key)

    def _restored(self, item: Item, known: Mapping[tuple[str, int], KnownPath]) -> Item:
        if not isinstance(item, Movie | Episode):
            return item
        files = tuple(self._with_path(item, file, known) for file in item.files)
        return replace(item, files=files)

    def _with_path(
        self, item: Movie | Episode, file: MediaFile, known: Mapping[tuple[str, int], KnownPath]
    ) -> MediaFile:
        if is_whole(file.plex_path):
            self._whole = True
            return file
        stored = None if file.part_id is None else known.get((item.rating_key, file.part_id))
        if stored is None or not is_whole(stored.plex_path) or _is_another(item, file, stored):
            self._unknown += 1
            return file
        self._kept += 1
        return replace(file, plex_path=stored.plex_path)


def _holds_files(page: Page) -> bool:
    """Return whether a page lists items that have files; all items of a page are of one kind."""
    return bool(page.items) and isinstance(page.items[0], Movie | Episode)


def _hides(item: Movie | Episode) -> bool:
    # Asked of every item: no more than two searches for a character.
    for file in item.files:
        path = file.plex_path
        if path is None or ("/" not in path and "\\" not in path):
            return True
    return False


def _is_another(item: Movie | Episode, file: MediaFile, stored: KnownPath) -> bool:
    """Return whether an item has another guid and another file than its key and part had: keys given out again."""
    if file.plex_path is None or item.guid == stored.guid:
        return False
    return stored.plex_path.replace("\\", "/").rpartition("/")[2] != file.plex_path
