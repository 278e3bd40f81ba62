"""The log of unusable entries: each is logged once, not at every pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from retrovue_daemon.records import Kind, Page, Skipped
    from retrovue_daemon.sync.faults import Unreadable

log = structlog.get_logger()

_REMEMBERED = 10_000


class SkipLog:
    """Remembers which entries have been logged; cleared when full, so that its memory is bounded."""

    def __init__(self) -> None:
        self._logged: set[int] = set()
        """Hashes of entries, because their titles may be long."""
        self.paths_hidden: set[tuple[str, int]] = set()
        """(Server, library id) of the libraries whose file paths the token cannot see: logged when that starts."""

    def note(self, server: str, library: str, skipped: Skipped) -> None:
        """Log an entry the first time it is seen."""
        if self._is_known(server, library, skipped.rating_key or skipped.title, skipped.reason):
            return
        log.warning(
            "item.skipped",
            server=server,
            library=library,
            rating_key=skipped.rating_key,
            title=skipped.title,
            reason=skipped.reason,
        )

    def note_cut(self, server: str, library: str, kind: Kind, page: Page) -> None:
        """Log the entries of a page that were cut, the first time they are seen."""
        for rating_key, fields in page.cut:
            if not self._is_known(server, library, kind, rating_key, fields):
                log.warning(
                    "item.cut", server=server, library=library, kind=kind, rating_key=rating_key, fields=fields
                )

    def note_unreadable(self, server: str, library: str, kind: Kind, entry: Unreadable) -> None:
        """Log an entry that the server cannot send, the first time it is found between these neighbours."""
        if self._is_known(server, library, kind, entry.before, entry.after):
            return
        log.warning(
            "item.unreadable",
            server=server,
            library=library,
            kind=kind,
            position=entry.position,
            after_rating_key=entry.before,
            before_rating_key=entry.after,
            reason=entry.reason,
        )

    def _is_known(self, *key: str | None) -> bool:
        """Return whether an entry was logged before, and remember it."""
        mark = hash(key)
        if mark in self._logged:
            return True
        if len(self._logged) >= _REMEMBERED:
            self._logged.clear()
        self._logged.add(mark)
        return False
