"""Which timestamps and counters ("marks") move when a library changes, according to recordings of a real server.

This is not always what a client would wish:

| change | the item's updatedAt | contentChangedAt | scannedAt |
|---|---|---|---|
| add, delete, add again, move to another library | new | moves | moves |
| upgrade a file (new name and container), split it, separate its episodes | moves | moves | moves |
| edit, rematch | moves | stays | stays |
| merge, split | moves | moves | stays |
| move an episode to another season or show | moves | moves if a season is added or removed | stays |
| replace a file in place | stays | stays | moves |
| analyse again | stays | stays | stays |
| scan that finds nothing | stays | stays | moves |
| rename a file, trash, restore, empty the trash | stays | moves | moves |

Since 1.43 a library's updatedAt follows its scans (55 s later); before that, it moved when its settings were edited.
The rows about merging, splitting, moving episodes, renaming and trash are inferred from the rule that
contentChangedAt reflects what a library contains; no recording shows them. Adding or deleting an episode does not
change updatedAt of its show and season.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.demo.happenings import ItemsChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.demo.items import Item
    from retrovue_daemon.demo.world import World

MINUTE_S = 60
UPDATED_AFTER_SCAN_S = 55


class Marks:
    """The clock of a world and the marks of its libraries."""

    def __init__(self, world: World) -> None:
        self._world = world

    def tick(self) -> int:
        """Advance the clock by a minute, the time that every change takes, and return the new time."""
        return self._world.pass_time(MINUTE_S)

    def scanned(self, key: str) -> None:
        """Move the marks of a library whose scan found nothing, and announce the scan."""
        self._move(key)
        self._world.announce(ItemsChanged(library=key, scanned=True))

    def count(self, key: str) -> None:
        """Move the mark of a library whose content changed."""
        self._world.libraries[key].content_changed_at = self._world.count_change()

    def scan_found(self, key: str, *, added: Sequence[Item] = (), deleted: Sequence[Item] = ()) -> None:
        """Move the marks of a library whose scan found something, and announce the scan with what is new or gone.

        A new file of an item is neither, and real servers do not announce it.
        """
        self._move(key)
        self.count(key)
        self._world.announce(ItemsChanged(library=key, added=tuple(added), deleted=tuple(deleted), scanned=True))

    def edited(self, item: Item, *, added: Sequence[Item] = (), deleted: Sequence[Item] = ()) -> None:
        """Announce an item that was edited by hand, without a scan, and what came or went with that."""
        self._world.announce(
            ItemsChanged(library=item.library, edited=(item,), added=tuple(added), deleted=tuple(deleted))
        )

    def _move(self, key: str) -> None:
        library = self._world.libraries[key]
        library.scanned_at = self.tick()
        if self._world.release.metadata_providers:
            library.updated_at = self._world.now + UPDATED_AFTER_SCAN_S
