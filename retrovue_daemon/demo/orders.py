"""The filtered and sorted items of libraries, cached between the pages of a listing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from multidict import MultiMapping

    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.quirks import Quirks
    from retrovue_daemon.demo.world import World

ORDERS_KEPT = 16
"""How many filtered and sorted listings are cached; one of a million entries takes 8 MB."""


class Orders:
    """Finds the items of a listing. Results are kept until something in the world changes."""

    def __init__(self, world: World, quirks: Quirks) -> None:
        self._world = world
        self._quirks = quirks
        self._kept: dict[tuple[str, ...], list[Item]] = {}
        self._revision = -1

    def find(self, keys: Sequence[str], listed_type: str, arguments: MultiMapping[str]) -> Sequence[Item]:
        """Return the items of one type in these libraries, filtered and sorted as the query's arguments ask.

        Raise BadQuery for arguments that the server refuses.
        """
        if self._revision != self._world.revision:
            self._kept.clear()
            self._revision = self._world.revision
        quirks = self._quirks
        wanted = tuple(f"{key}={value}" for key, value in arguments.items() if not key.startswith("X-Plex-"))
        if quirks.refuses_time_filters and any(term.startswith(("updatedAt", "addedAt")) for term in wanted):
            raise query.BadQuery("a time")
        key = (",".join(keys), listed_type, *wanted, repr(sorted(quirks.unlisted)), str(quirks.ignores_filters))
        if key not in self._kept:
            if len(self._kept) >= ORDERS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            found = [item for library in keys for item in self._world.in_library(library, listed_type)]
            if not quirks.ignores_filters:
                found = query.filtered(self._world, found, arguments)
            if quirks.unlisted:
                found = [item for item in found if item.id not in quirks.unlisted]
            self._kept[key] = query.ordered(self._world, found, arguments.get("sort"), listed_type)
        return self._kept[key]
