"""Which marks move when a library changes, as records of a real server's database say they do.

That is not always as a client would wish:

| change | the item's updatedAt | contentChangedAt | scannedAt |
|---|---|---|---|
| add, delete, add again, move to another library | new | moves | moves |
| upgrade a file (another name and container), split it, separate episodes in one | moves | moves | moves |
| edit, match anew | moves | stays | stays |
| merge, split | moves | moves | stays |
| move an episode to another season or show | moves | moves if a season comes or goes | stays |
| replace a file in place | stays | stays | moves |
| analyse anew | stays | stays | stays |
| scan that finds nothing | stays | stays | moves |
| rename a file, trash, restore, empty the trash | stays | moves | moves |

A library's updatedAt follows its scans since 1.43 (55 s later); before, it moves when its settings are edited. The
rows on merging, splitting, moving episodes, renaming and trash are inferred from the rule that contentChangedAt
counts what is in a library: no record shows them. An added or deleted episode leaves updatedAt of its show and season
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrovue_daemon.demo.world import World

MINUTE_S = 60
UPDATED_AFTER_SCAN_S = 55


class Marks:
    """The clock of a world and the marks of its libraries."""

    def __init__(self, world: World) -> None:
        self._world = world

    def tick(self) -> int:
        """Let the minute pass that everything takes, and return the new time."""
        return self._world.pass_time(MINUTE_S)

    def scanned(self, key: str) -> None:
        """Move the marks of a library that was scanned without finding anything."""
        library = self._world.libraries[key]
        library.scanned_at = self.tick()
        if self._world.release.metadata_providers:
            library.updated_at = self._world.now + UPDATED_AFTER_SCAN_S

    def count(self, key: str) -> None:
        """Move the mark of a library that holds something else than before."""
        self._world.libraries[key].content_changed_at = self._world.count_change()

    def scan_found(self, key: str) -> None:
        """Move the marks of a library in which a scan found something."""
        self.scanned(key)
        self.count(key)
