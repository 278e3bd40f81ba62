"""Which rows must keep their values although their items arrived with damaged ones, and what follows from that.

The first damage is never written over good values, and the next pass lists the library completely. The same damage
a second time, or any damage a third time, may be what the server has. A new row has nothing to keep.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from retrovue_daemon.sync.faults import MOST_DOUBTFUL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.mirror import Row
    from tests.properties.rounds import Round
    from tests.properties.truth import Content, Key, Listed

COLUMNS = {"movies": "duration", "episodes": "duration", "shows": "year"}
"""The value that a damaged item is sent without: its number is too large for any column."""


class Damage(NamedTuple):
    """What is known of a damaged item: in how many rounds it was, what it was then, whether its row may show it."""

    times: int
    content: Content
    stored: bool


@dataclass(slots=True)
class Damages:
    """What earlier rounds showed of damaged items."""

    known: dict[Key, Damage] = field(default_factory=dict)
    """Items that may have arrived damaged, until they surely arrived undamaged."""
    again: set[str] = field(default_factory=set)
    """Libraries that must be listed completely by the next pass."""
    doubtful: Counter[str] = field(default_factory=Counter)
    """How often in a row each library was listed with a doubt. From the third time on, it may get a quick pass."""

    def keeping(self, done: Round) -> set[Key]:
        """Return the keys of the rows that must keep the values that they had before a round."""
        found = set()
        for key in done.damaged:
            row, item = done.before.items.get(key), done.began.items.get(key)
            if row is None or item is None or item.library != row.library or _may_be_another(row, item):
                continue
            last = self.known.get(key)
            is_the_same = last is not None and item.content == last.content
            if last is None or not (last.stored or is_the_same or last.times > 1):
                found.add(key)
        return found

    def learn(self, done: Round, keeping: set[Key]) -> None:
        """Take account of a round whose rows ``keeping`` had to keep their values."""
        self.again -= {library for library in done.passes if done.status(library) == "ok"}
        certain = done.still and not done.lying
        arrived = {key: item for key, item in done.began.items.items() if item.library in done.passes}
        new = {arrived[key].library for key in done.damaged - self.known.keys() if key in arrived}
        for library, ended in done.passes.items():
            if ended.kind == "full" and ended.status != "cancelled":
                self.doubtful[library] = self.doubtful[library] + 1 if ended.error or library in new else 0
        for key, item in arrived.items():
            if key in done.damaged:
                last = self.known.get(key)
                first = last is None and self.doubtful[item.library] < MOST_DOUBTFUL
                if first and certain and done.undisturbed and done.complete(item.library):
                    self.again.add(item.library)
                times, stored = (0, False) if last is None else (last.times, last.stored)
                self.known[key] = Damage(times + 1, item.content, stored or key not in keeping)
            elif certain and done.complete(item.library):
                self.known.pop(key, None)

    def promises(self, done: Round) -> Iterator[str]:
        """Rows that arrived damaged for the first time are read again by the next pass."""
        for library in self.again & done.passes.keys():
            if (done.passes[library].kind, done.status(library)) == ("quick", "ok"):
                yield f"{library} has rows that arrived damaged, and got a quick pass"


def _may_be_another(row: Row, item: Listed) -> bool:
    """Return whether only the episodes of a show, which are listed later, say if it is the one in its row."""
    if row.table != "shows":
        return False
    guids, titles = ({str(each.content[name]) for each in (row, item)} for name in ("source_id", "title"))
    return len(guids) > 1 or (len(titles) > 1 and min(guids).startswith("local://"))


def possible(
    row: Row, was: Row | None, kept: Content | None, listed: list[Listed], *, keeps: bool
) -> list[tuple[str, Content]]:
    """Return the states and contents that the row of a damaged item may have; ``kept`` is what it held before."""
    states = [(item.state, item.content | {COLUMNS[row.table]: None}) for item in listed if not keeps]
    if was is not None and kept is not None:
        states += [(state, kept) for state in (was.state, *(item.state for item in listed))]
    return states


def possible_files(was: Content) -> list[Content]:
    """Return what the file of a damaged item may be: it may have returned with its item, as it was."""
    present = "unavailable" if was["plex_path"] is None else "active"
    return [was, was | {"state": present}]
