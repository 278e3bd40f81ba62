"""Which items are in a collection, and in which order.

The items of a plain collection name it among their tags. A smart collection is a stored filter: its items do not name
it, and no filter finds them by it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from multidict import MultiDict
from yarl import URL

from retrovue_daemon.demo import query
from retrovue_daemon.demo.orders import Orders
from retrovue_daemon.demo.quirks import Quirks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo.items import Collection, Item
    from retrovue_daemon.demo.world import World

BY_RELEASE, BY_TITLE, CUSTOM = 0, 1, 2
"""The orders of a collection (collectionSort)."""
SORTS: Final = {BY_RELEASE: "originallyAvailableAt,titleSort,id", BY_TITLE: "titleSort,id"}


class Memberships:
    """The members of a world's collections. Results are kept until something in the world changes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._orders = Orders(world, Quirks())
        self._members: dict[int, Sequence[Item]] = {}
        self._tagged: dict[tuple[str, str], defaultdict[str, list[Item]]] = {}
        self._revision = -1

    def of(self, collection: Collection) -> Sequence[Item]:
        """Return the members of a collection in its order."""
        self._forget_what_changed()
        if collection.id not in self._members:
            self._members[collection.id] = self._found(collection)
        return self._members[collection.id]

    def count(self, collection: Collection) -> int:
        """Return the number of members that a server reports, which for a smart collection ignores its limit."""
        if collection.filter is None:
            return len(self.of(collection))
        return len(self._filtered(collection, _arguments(collection)))

    def _found(self, collection: Collection) -> Sequence[Item]:
        if collection.filter is not None:
            arguments = _arguments(collection)
            return self._filtered(collection, arguments)[: query.limit(arguments)]
        members = self._named(collection.library, collection.item_type)[collection.title]
        if collection.sort in SORTS:
            return query.ordered(self._world, members, SORTS[collection.sort], collection.item_type)
        places = {item_id: place for place, item_id in enumerate(collection.order)}
        return sorted(members, key=lambda item: (places.get(item.id, len(places)), item.id))

    def _filtered(self, collection: Collection, arguments: MultiDict[str]) -> Sequence[Item]:
        return self._orders.find([collection.library], collection.item_type, arguments)

    def _named(self, library: str, item_type: str) -> defaultdict[str, list[Item]]:
        """Return the items of one type by the collections that they name."""
        if (library, item_type) not in self._tagged:
            named: defaultdict[str, list[Item]] = defaultdict(list)
            for item in self._world.in_library(library, item_type):
                for title in item.tags.collections:
                    named[title].append(item)
            self._tagged[library, item_type] = named
        return self._tagged[library, item_type]

    def _forget_what_changed(self) -> None:
        if self._revision != self._world.revision:
            self._members.clear()
            self._tagged.clear()
            self._revision = self._world.revision


def _arguments(collection: Collection) -> MultiDict[str]:
    return MultiDict(URL(f"?{collection.filter}").query)
