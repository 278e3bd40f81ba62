"""Which rows are the same item under another rating key: what must be, and what may be, by the rules of identity.

An item that was deleted and added again, or moved to another library, has a new rating key. Its row lives on where
that is beyond doubt: an old row that left, now or before, is paired with an item that came after the old row's last
complete listing, by equal guid and edition or by equal path, if neither of them fits another one. Where several fit,
surer signs may be left among them (only one is in the same library, or at the same path), so what is neither certain
nor a mere guess is open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tests.properties.damaged import Damages
from tests.properties.mirror import ITEM_TABLES
from tests.properties.reissued import given_away
from tests.properties.rich_promises import Known

if TYPE_CHECKING:
    from tests.properties.mirror import Row
    from tests.properties.rounds import Round
    from tests.properties.truth import Content, Key, Listed

RowId: TypeAlias = tuple[str, int]
"""Table and id."""


class Pair(NamedTuple):
    """An old row, and the item that could be its own under a new rating key."""

    old: RowId
    young: Key


@dataclass(slots=True)
class Pairs:
    """What a round may do with ids: the pairs that may be made, those that must, and those that would be guesses."""

    may: set[Pair] = field(default_factory=set)
    must: set[Pair] = field(default_factory=set)
    guesses: set[Pair] = field(default_factory=set)
    away: dict[Key, bool] = field(default_factory=dict)
    """Keys of rows that belong to other items now; False where they do for a part of the round."""
    passing: set[Pair] = field(default_factory=set)
    """Pairs with an item that left as well: the old row may take its place before that is found out."""


@dataclass(slots=True)
class History:
    """What earlier rounds showed, counted in rounds."""

    first: dict[RowId, int] = field(default_factory=dict)
    """When each row came."""
    listed: dict[RowId, int] = field(default_factory=dict)
    """When each row was last part of a complete listing; rows that never were are not in it."""
    seen: dict[Key, int] = field(default_factory=dict)
    """When the server last listed each item, in any pass."""
    known: dict[str, int] = field(default_factory=dict)
    """When each library was first heard of."""
    completed: dict[str, int] = field(default_factory=dict)
    """When each library was first listed completely."""
    highest: dict[str, int] = field(default_factory=dict)
    """The highest id that each table ever had."""
    accepted: dict[str, int] = field(default_factory=dict)
    """When (in seconds) removals of a library were last accepted."""
    damages: Damages = field(default_factory=Damages)
    details: Known = field(default_factory=Known)

    def learn(self, done: Round) -> None:
        """Take account of a round."""
        self.damages.learn(done, self.keeping(done))
        self.details.learn(done)
        self.seen |= dict.fromkeys((*done.began.items, *done.ended.items), done.number)
        for library in done.after.libraries:
            self.known.setdefault(library, done.number)
            if done.complete(library):
                self.completed.setdefault(library, done.number)
        for row in done.after.items.values():
            name = row.table, row.id
            self.first.setdefault(name, done.number)
            self.highest[row.table] = max(row.id, self.highest.get(row.table, 0))
            if row.present and done.complete(row.library):
                self.listed[name] = done.number
        self.highest["media_files"] = max(*done.after.file_ids.values(), self.highest.get("media_files", 0), 0)
        if done.manner.accept_removals:
            self.accepted |= dict.fromkeys(done.passes, done.now)

    def keeping(self, done: Round) -> set[Key]:
        """Return the keys of the rows that must keep their values; call this before the round is learnt."""
        return self.damages.keeping(done) - given_away(done).keys()

    def pairs(self, done: Round) -> Pairs:
        """Judge what a round may and must do; call this before it is learnt."""
        result = Pairs(away=given_away(done))
        for table in ITEM_TABLES:
            links = _Links(self, done, table, result.away)
            result.may |= links.all | links.passing
            result.passing |= links.passing
            result.must |= links.certain()
            result.guesses |= links.guesses()
        parents = _parents(result.may, done, result.away)
        return Pairs(result.may | parents, result.must, result.guesses - parents, result.away, result.passing)


class _Links:
    """All pairs that one table could have in a round."""

    def __init__(self, history: History, done: Round, table: str, away: dict[Key, bool]) -> None:
        self._history = history
        self._away = away
        self._done = done
        self._listed = {key: item for key, item in (done.began.items | done.ended.items).items() if key[0] == table}
        self._files = done.before.files | done.began.files | done.ended.files
        self.all: set[Pair] = set()
        self.passing: set[Pair] = set()
        self._by_path: set[Pair] = set()
        self._doubtful: set[Pair] = set()
        unlisted = [row for key, row in done.before.items.items() if key[0] == table and key not in self._listed]
        for row in done.before.items.values():
            if row.table != table or not _may_have_left(row, done, away):
                continue
            # A key may belong to another item at the end.
            for key, item in (*self._listed.items(), *done.began.items.items()):
                if key[0] == table:
                    self._link(row, key, item)
            left = history.listed.get((table, row.id), 0)
            self.passing |= {
                Pair((table, row.id), (table, other.key))
                for other in unlisted
                if other != row and self._came(table, other.key) >= left and self._alike(row, other)
            }

    def certain(self) -> set[Pair]:
        """Return the pairs that must be made: nothing else fits, and the sweep that decides was done."""
        return {pair for pair in self.all - self._doubtful if self._component(pair) == {pair} and self._decided(pair)}

    def guesses(self) -> set[Pair]:
        """Return pairs within one library of which several fit alike, by nothing but the guid."""
        found: set[Pair] = set()
        for pair in self.all if self._done.still else ():
            component = self._component(pair)
            if len(component) > 1 and not component & (self._by_path | self._doubtful):
                rows = [self._done.before.by_id[each.old] for each in component]
                libraries = {row.library for row in rows} | {self._listed[each.young].library for each in component}
                if len(libraries) == 1 and all(row.present for row in rows):
                    found |= component
        return found

    def _link(self, row: Row, key: Key, item: Listed) -> None:
        """Add a pair, if it is one; it is doubtful where it rests on less than the rule's plain words."""
        came, left = self._came(*key), self._history.listed.get((row.table, row.id), 0)
        by_guid = self._by_guid(row, item.content)
        by_path = bool(self._paths(row) & {file["plex_path"] for file in self._files_of(*key) if _is_whole(file)})
        struck = key in self._done.damaged or (row.table, row.key) in self._done.damaged
        if struck and key in self._done.before.items:
            by_guid = by_guid or self._alike(row, self._done.before.items[key])  # it may be what it was
        if key == (row.table, row.key) or came < left or not (by_guid or by_path):
            return
        pair = Pair((row.table, row.id), key)
        self.all.add(pair)
        if by_path:
            self._by_path.add(pair)
        # In a library without a complete listing, the item's age was unknown.
        sure = came if self._history.completed.get(item.library, came) < came else self._known(item.library)
        together = sure <= left or sure <= self._history.seen.get((row.table, row.key), 0)
        unsure = struck or not (self._away.get(key, True) and self._away.get((row.table, row.key), True))
        if together or unsure or not (by_guid or self._same_primary_path(row, item)):
            self._doubtful.add(pair)

    def _came(self, table: str, key: str) -> int:
        """Return when the row of an item came; it comes now where there is none."""
        own = self._done.before.items.get((table, key))
        return self._done.number if own is None or (table, key) in self._away else self._history.first[table, own.id]

    def _known(self, library: str) -> int:
        return self._history.known.get(library, self._done.number)

    def _alike(self, row: Row, other: Row) -> bool:
        return self._by_guid(row, other.content) or bool(self._paths(row) & self._paths(other))

    def _by_guid(self, row: Row, content: Content) -> bool:
        guid, edition = row.content["source_id"], row.content.get("edition_title")
        same = (guid, edition) == (content["source_id"], content.get("edition_title"))
        return same and not str(guid).startswith("local://")

    def _paths(self, row: Row) -> set[object]:
        """Return the paths of a row's files, and of the one that stands for it though another item has it now."""
        parts = [part for part, file in self._done.before.files.items() if _owner(file) == (row.table, row.key)]
        primary = row.content.get("file")
        return {
            self._done.before.files[part]["plex_path"]
            for part in (*parts, primary)
            if part in self._done.before.files and _is_whole(self._done.before.files[part])
        }

    def _files_of(self, table: str, key: str) -> list[Content]:
        return [file for file in self._files.values() if _owner(file) == (table, key)]

    def _same_primary_path(self, row: Row, item: Listed) -> bool:
        """Compare the files that stand for both; a part that another item took over does not count."""
        ours, theirs = row.content.get("file"), item.content.get("file")
        if not isinstance(ours, int) or not isinstance(theirs, int) or ours in self._done.ended.files:
            return False
        file = self._done.before.files[ours]
        same = _owner(file) == (row.table, row.key) and file["plex_path"] == self._files[theirs]["plex_path"]
        return same and _is_whole(file)

    def _decided(self, pair: Pair) -> bool:
        """Tell whether this round had to make up its mind: the old row left just now, or the item came just now."""
        done, row = self._done, self._done.before.by_id[pair.old]
        own = None if pair.young in self._away else done.before.items.get(pair.young)
        library = self._listed[pair.young].library
        if not done.still or done.lying or library not in done.ended.libraries:
            return False
        if row.present:
            kept = done.retention_s > 0 or row.library == library
            return (
                kept
                and row.library in done.ended.libraries
                and done.complete(row.library)
                and (own is not None or done.complete(library))
            )
        settled = own is not None and (own.table, own.id) in self._history.listed
        kept = (row.missing_observed or 0) + done.retention_s > done.after.observed
        return kept and not settled and done.complete(library)

    def _component(self, pair: Pair) -> set[Pair]:
        """Return the pairs that hang together with one, over any number of common sides."""
        found, border = {pair}, {pair}
        while border:
            border = {
                each
                for each in self.all - found
                if any(each.old == near.old or each.young == near.young for near in border)
            }
            found |= border
        return found


def _may_have_left(row: Row, done: Round, away: dict[Key, bool]) -> bool:
    """Tell whether a row is missing, or could be found to be in this round."""
    key = row.table, row.key
    if key not in away and key in done.ended.items and (key in done.began.items or done.still) and not done.lying:
        return False
    believed = {"ok", "blocked"}
    if row.present:
        return done.status(row.library) in believed
    return any(each.status in believed for each in done.passes.values())


def _is_whole(file: Content) -> bool:
    """Tell whether a file's path says where it is: many films may have a file of one name."""
    return "/" in str(file["plex_path"])


def _owner(file: Content) -> tuple[str, object]:
    return f"{file['media_type']}s", file["rating_key"]


def _parents(pairs: set[Pair], done: Round, away: dict[Key, bool]) -> set[Pair]:
    """Return the shows and seasons that may follow their episodes, as where no catalogue knows them."""
    found = set()
    items = done.began.items | done.ended.items
    for pair in pairs:
        row, item = done.before.by_id[pair.old], items.get(pair.young) or done.before.items[pair.young]
        for name, table in (("show", "shows"), ("season", "seasons")):
            key, theirs = (table, str(row.content.get(name))), (table, str(item.content.get(name)))
            parent = done.before.items.get(key)
            if parent is not None and theirs in items and _may_have_left(parent, done, away):
                found.add(Pair((table, parent.id), theirs))
    return found
