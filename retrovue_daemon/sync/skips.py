"""Entries that could not be used: each is told of once, not at every pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from retrovue_daemon.records import Skipped

log = structlog.get_logger()

_REMEMBERED = 10_000


class SkipLog:
    """Remembers which entries have been logged; when it is full it begins anew, so that its memory is bounded."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str | None, str]] = set()

    def note(self, server: str, library: str, skipped: Skipped) -> None:
        """Log an entry the first time it is seen."""
        key = (server, library, skipped.rating_key or skipped.title, skipped.reason)
        if key in self._told:
            return
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told.add(key)
        log.warning(
            "item.skipped",
            server=server,
            library=library,
            rating_key=skipped.rating_key,
            title=skipped.title,
            reason=skipped.reason,
        )
