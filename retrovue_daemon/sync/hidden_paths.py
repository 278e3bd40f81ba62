"""Files whose paths a server hides: a token that is not the owner's may see only file names, or no files at all.

The stored path of such a file is kept. This happens before digests are computed, so that an otherwise unchanged item
counts as unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import structlog
from msgspec.structs import replace

from retrovue_daemon.paths import is_whole
from retrovue_daemon.records import Episode, Kind, Movie
from retrovue_daemon.store.items.digests import digests
from retrovue_daemon.store.items.lookup import known_files, known_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import MediaFile, Page
    from retrovue_daemon.store.items.lookup import KnownFile
    from retrovue_daemon.sync.target import LibraryTarget, PassContext
    from retrovue_daemon.sync.verdict import Verdict

log = structlog.get_logger()

_WORDS = "the token cannot see file paths"


class HiddenPaths:
    """Replaces hidden paths by the stored ones during one pass, and counts both.

    An item listed without files keeps its stored files as long as the pass has seen no whole path: the token may not
    see any files. Files of an item of another library, whose key it has now, are not its own. It is left without
    files if its row says the same, or, unless the pass is complete, if its only file is unavailable: that file keeps
    its row (``store/items/files.py``). ``complete`` means that the pass lists everything in its scope; otherwise a
    few items without a path or file prove nothing.
    """

    def __init__(self, context: PassContext, library: LibraryTarget, *, complete: bool) -> None:
        self._context = context
        self._library = library
        self._complete = complete
        self._restart()

    def forget(self, kind: Kind) -> None:
        """Restart the count, if a listing of this kind is read again: of shows and seasons nothing is counted."""
        if kind in {Kind.MOVIE, Kind.EPISODE}:
            self._restart()

    def _restart(self) -> None:
        self._kept = 0
        self._unlisted = 0
        self._unknown = 0
        self._whole = False

    @property
    def doubt(self) -> str | None:
        """What the pass reports about hidden paths, or None; even an owner's token sees some files without a path."""
        says_so = self._unlisted or (self._unknown and not self._whole)
        if not self._kept and not (self._complete and says_so):
            return None
        kept = self._kept + self._unlisted
        parts = [_WORDS]
        parts += [f"the stored paths of {kept:,} files were kept"] if kept else []
        parts += [f"the paths of {self._unknown:,} files are unknown"] if self._unknown else []
        return "; ".join(parts)

    def adjust_verdict(self, verdict: Verdict) -> Verdict:
        """Return the verdict with hidden paths reported; a quick pass requests a full one to count them."""
        if verdict.status != "ok":
            return verdict
        error = "; ".join(part for part in (verdict.error, self.doubt) if part) or None
        is_new = bool(self._kept or self._unlisted) and not self._complete and not self._is_known
        return replace(verdict, error=error, list_again=verdict.list_again or is_new)

    @property
    def _is_known(self) -> bool:
        """Whether the last complete listing also found hidden paths."""
        return _WORDS in (self._library.row.doubt or "")

    async def restore(self, page: Page) -> Page:
        """Return the page with the stored paths of known files filled in."""
        if not _holds_files(page):
            return page
        items = cast("tuple[Movie | Episode, ...]", page.items)
        hidden = [item for item in items if _hides(item)]
        if not hidden:
            self._whole = self._whole or any(item.files for item in items)
            return page
        self._whole = self._whole or any(is_whole(file.plex_path) for item in items for file in item.files)
        reader, server_id = self._context.database.reader, self._library.target.server_id
        known = await reader.run(known_files, hidden[0].kind, server_id, [item.rating_key for item in hidden])
        recorded = await self._recorded([item for item in hidden if not item.files and item.rating_key in known])
        restored = (self._restored(item, known, is_recorded=item.rating_key in recorded) for item in items)
        return replace(page, items=tuple(restored))

    async def _recorded(self, items: Sequence[Movie | Episode]) -> set[str]:
        """Return the rating keys of items, listed without files, whose rows say the same."""
        if not items or self._whole:
            return set()
        reader, target = self._context.database.reader, self._library.target
        rows = await reader.run(known_rows, items[0].kind, target.server_id, [item.rating_key for item in items])
        return {
            item.rating_key
            for item, digest in zip(items, digests(items), strict=True)
            if item.rating_key in rows and rows[item.rating_key].shows(item, digest, target.library_id)
        }

    def log_change(self) -> None:
        """Log that paths are hidden, once when it starts."""
        key, begun = (self._library.server, self._library.row.id), self._context.skips.paths_hidden
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

    def _restored(
        self, item: Movie | Episode, known: Mapping[str, Sequence[KnownFile]], *, is_recorded: bool
    ) -> Movie | Episode:
        stored = known.get(item.rating_key, ())
        if item.files:
            return replace(item, files=tuple(self._with_path(item, file, stored) for file in item.files))
        if self._whole:
            return item
        stored = [each for each in stored if each.library_id == self._library.target.library_id]
        if not stored:
            self._unknown += 1
            return item
        if is_recorded or (not self._complete and _is_waiting(stored)):
            return item
        self._unlisted += len(stored)
        return replace(item, files=tuple(each.file for each in stored))

    def _with_path(self, item: Movie | Episode, file: MediaFile, known: Sequence[KnownFile]) -> MediaFile:
        if is_whole(file.plex_path):
            return file
        stored = _known_as(file, known)
        if stored is None or _is_another(item, file, stored):
            self._unknown += 1
            return file
        self._kept += 1
        return replace(file, plex_path=stored.plex_path)


def _holds_files(page: Page) -> bool:
    """Return whether a page lists items that have files; all items of a page are of one kind."""
    return bool(page.items) and isinstance(page.items[0], Movie | Episode)


def _hides(item: Movie | Episode) -> bool:
    # Called for every item, so at most two searches for a character.
    for file in item.files:
        path = file.plex_path
        if path is None or ("/" not in path and "\\" not in path):
            return True
    return not item.files


def _is_waiting(stored: Sequence[KnownFile]) -> bool:
    """Return whether an item listed without files would keep its file's row, and its state."""
    return len(stored) == 1 and not stored[0].file.playable and not stored[0].file.optimized


def _is_another(item: Movie | Episode, file: MediaFile, stored: KnownFile) -> bool:
    """Return whether guid and file differ from those stored for the key and part: the keys were reassigned."""
    if file.plex_path is None or item.guid == stored.guid:
        return False
    return _name(stored.plex_path) != file.plex_path


def _known_as(file: MediaFile, known: Sequence[KnownFile]) -> KnownFile | None:
    """Return an item's stored file: by its Part id, otherwise the only one with its name."""
    for each in known:
        if file.part_id is not None and each.file.part_id == file.part_id:
            return each
    named = [each for each in known if file.plex_path is not None and _name(each.plex_path) == file.plex_path]
    return named[0] if len(named) == 1 else None


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2]
