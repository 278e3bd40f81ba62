"""Log lines on the collections of one server: each says what is odd about a collection, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from retrovue_daemon.records import Collection

log = structlog.get_logger()


class CollectionLog:
    """Remembers what was logged, by the rating key of the collection."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._logged: set[tuple[str, str]] = set()

    def is_new(self, key: str, what: str) -> bool:
        """Return whether this was not said of a collection before, and remember it."""
        is_new = (key, what) not in self._logged
        self._logged.add((key, what))
        return is_new

    def skipped(self, collection: Collection, reason: str, number: int) -> None:
        """Log what a collection holds that is not stored, once per reason."""
        if self.is_new(collection.rating_key, reason):
            log.info(
                "collection.skipped",
                server=self._server,
                title=collection.title,
                rating_key=collection.rating_key,
                reason=reason,
                items=number,
            )

    def unreadable(self, what: str, key: str, error: str, title: str | None = None) -> None:
        """Log that the server cannot send something, as a warning the first time."""
        level = "warning" if self.is_new(key, what) else "debug"
        getattr(log, level)("collection.unreadable", server=self._server, title=title, rating_key=key, error=error)
