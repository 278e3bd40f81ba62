"""What every round must keep of tags, credits, chapters, markers, labels and collections."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.properties.rich import LABEL, TEXTS, TIMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.identity import Pairs
    from tests.properties.mirror import Row
    from tests.properties.rich import Group, RowId, StoredGroup
    from tests.properties.rounds import Round
    from tests.properties.truth import Key, Truth

WITH_DETAILS = frozenset({"movies", "shows", "episodes"})
EMPTY: frozenset[str] = frozenset()

Signs = tuple[object, ...]
"""What a listing shows of an item by which a change of its details is noticed."""


@dataclass(slots=True)
class Known:
    """What earlier rounds showed of details."""

    signs: defaultdict[RowId, list[Signs]] = field(default_factory=lambda: defaultdict(list))
    """What was listed of each item when its details may have been read."""
    damaged: set[Key] = field(default_factory=set)
    """Items whose length was once unreadable, so that nothing could be cut off there."""

    def promises(self, done: Round, pairs: Pairs) -> Iterator[str]:
        """Check a round."""
        for name, row in done.after.by_id.items():
            if row.table not in WITH_DETAILS:
                continue
            unsure = TIMES if {(row.table, row.key), *_keys(done, name)} & (self.damaged | done.damaged) else EMPTY
            yield from _no_worse(done, row, unsure, pairs)
            if unsure:
                yield from _within(done, row)
            if row.present and (row.table, row.key) in done.ended.items and _is_clear(done, row):
                if done.details.get(row.library) == 0 and not _is_skipped(done, row):
                    is_quiet = row.is_read and _signs(done.ended, row) in self.signs[name]
                    yield from _equal(done, row, unsure, is_quiet=is_quiet)
                yield from _labelled(done, row)
        yield from _groups(done)

    def learn(self, done: Round) -> None:
        """Take account of a round."""
        self.damaged |= done.damaged
        for name, row in done.after.by_id.items():
            if row.table in WITH_DETAILS and row.present and done.manner.details:
                found = [_signs(each, row) for each in (done.began, done.ended) if (row.table, row.key) in each.items]
                self.signs[name] += [each for each in found if each not in self.signs[name]]


def _keys(done: Round, name: RowId) -> list[Key]:
    return [(each.table, each.key) for each in [done.before.by_id.get(name)] if each is not None]


def _is_clear(done: Round, row: Row) -> bool:
    """Return whether a round ended with a complete pass over the library of a row that nothing disturbed."""
    return done.whole(row.library) and done.undisturbed and done.still


def _is_skipped(done: Round, row: Row) -> bool:
    """Return whether the server could not send the details of an item, which it is asked for again a day later."""
    return row.asked_again is not None and row.asked_again > done.now


def _signs(truth: Truth, row: Row) -> Signs:
    key = row.table, row.key
    files = [(part, file["change_stamp"]) for part, file in truth.files.items() if _owns(key, file)]
    listed = truth.rich.shortened.get(key)
    return (key, truth.items[key].content["updated_at"], sorted(files, key=str), listed)


def _owns(key: Key, file: dict[str, object]) -> bool:
    return (f"{file['media_type']}s", file["rating_key"]) == key


# Lists


def _equal(done: Round, row: Row, unsure: frozenset[str], *, is_quiet: bool) -> Iterator[str]:
    """After a complete pass and finished details, the lists of a row are the server's.

    With ``is_quiet``, nothing in the listing has changed since they were read, as where markers were made.
    """
    key = row.table, row.key
    wanted, was = done.ended.rich.lists.get(key, {}), done.before.by_id.get((row.table, row.id))
    for name in wanted.keys() | row.lists.keys():
        values = [wanted.get(name, [])]
        # Of a server that was never seen to send them for several items, an answer without any proves nothing.
        if name in TIMES and (is_quiet or f"many_with_{name}" not in done.after.abilities) and was is not None:
            values.append(was.lists.get(name, []))
        if name not in unsure | {LABEL} and row.lists.get(name, []) not in values:
            yield f"{key} has the {name} {row.lists.get(name, [])}, not {values}"


def _labelled(done: Round, row: Row) -> Iterator[str]:
    """After a complete pass, each item has its labels, whether or not its details were read."""
    key = row.table, row.key
    wanted = done.ended.rich.lists.get(key, {}).get(LABEL, [])
    if row.lists.get(LABEL, []) != wanted:
        yield f"{key} has the labels {row.lists.get(LABEL, [])}, not {wanted}"


def _no_worse(done: Round, row: Row, unsure: frozenset[str], pairs: Pairs) -> Iterator[str]:
    """No list is a mixture, or shortened: each is what it was, or what the server has.

    A row that took the place of another one has what that one had until its details are read.
    """
    key, name = (row.table, row.key), (row.table, row.id)
    was = done.before.by_id.get(name)
    if was is not None and not was.present and not row.present:
        if was.lists != row.lists:
            yield f"{name} was missing, and its details changed from {was.lists} to {row.lists}"
        return
    replaced = [done.before.items.get(young) for old, young in pairs.may if old == name]
    sources = [each.lists for each in (was, done.before.items.get(key), *replaced) if each is not None]
    # An item of a library that lists nothing has its details all the same.
    truths = [each for each in (done.began, done.ended) if key in each.items or key in each.rich.lists]
    sources += [each.rich.lists.get(key, {}) for each in truths]
    for what in row.lists.keys() | {each for source in sources for each in source}:
        value, values = row.lists.get(what, []), [source.get(what, []) for source in sources]
        if what == LABEL:
            labels = {label for each in values for label in each}
            # What is gone, but not yet known to be, may lose its labels.
            is_there = was is not None and key in done.ended.items
            kept = set.intersection(*map(set, values)) if is_there else set()
            if not kept <= set(value) <= labels:
                yield f"{name} ({key}) has the labels {value}, of {values}"
            continue
        if not row.is_read:
            values += _unread(done, key, what) if what in TEXTS else [[]]
        if value not in values and what not in unsure:
            yield f"{name} ({key}) has the {what} {value}, none of {values}"


def _unread(done: Round, key: Key, what: str) -> list[list[object]]:
    return [each.rich.shortened.get(key, {}).get(what, []) for each in (done.began, done.ended)]


def _within(done: Round, row: Row) -> Iterator[str]:
    """Chapters and markers that came end with the item or its files, even if its length arrived damaged."""
    key, was = (row.table, row.key), done.before.by_id.get((row.table, row.id))
    last = 0
    for each in (done.before, done.after, done.began, done.ended):
        files = [file["duration"] for file in each.files.values() if _owns(key, file)]
        own = each.items[key].content["duration"] if key in each.items and row.table != "shows" else 0
        last = max(
            last, sum(length for length in files if isinstance(length, int)), own if isinstance(own, int) else 0
        )
    for name in TIMES if last else EMPTY:
        times = row.lists.get(name, [])
        if (was is None or times != was.lists.get(name, [])) and any(end > last for _, _, end, *_ in times):
            yield f"{key} has the {name} {times}, and lasts {last} ms"


# Collections


def _groups(done: Round) -> Iterator[str]:
    """A collection is what the server shows; one that a page or a library kept to itself stays."""
    stored = {each.key: each for each in done.after.groups.values() if each.state != "missing"}
    before = {each.key: each for each in done.before.groups.values() if each.state != "missing"}
    was_read = bool(done.passes) and done.undisturbed and done.still
    for key, group in done.ended.rich.groups.items():
        mine = stored.get(key)
        if key in before and key in done.began.rich.groups and mine is None:
            yield f"the collection {key} ({group.content[0]}) is gone, though the server has it"
        was = before.get(key)
        if mine is not None and was is not None and was.group.guid == mine.group.guid and was.id != mine.id:
            yield f"the collection {key} had the id {was.id}, and has {mine.id}"
        # A guid that several collections have is stored with none of them.
        is_equal = mine is not None and mine.group._replace(guid=group.guid) == group
        if was_read and done.whole(group.library) and done.manner.full and not is_equal:
            yield f"the collection {key} is {mine}, not {group}"
    is_listed = was_read and done.passes.keys() & done.ended.libraries.keys()
    if is_listed and all(each.status in {"ok", "blocked"} for each in done.passes.values()):
        for key in stored.keys() - done.ended.rich.groups.keys():
            if stored[key].group.library in done.ended.rich.libraries:
                yield f"the collection {key} ({stored[key].group.content[0]}) is stored, and the server has none"
    for row_id, mine in done.after.groups.items():
        yield from _members(done, mine, done.before.groups.get(row_id))


def _members(done: Round, mine: StoredGroup, was: StoredGroup | None) -> Iterator[str]:
    """No page that failed counts as an empty one."""
    truths = [group for each in (done.began, done.ended) if (group := each.rich.groups.get(mine.key)) is not None]
    known = {key for group in truths for key in group.members}
    if was is not None:
        if was.group.guid != mine.group.guid and was.group.guid is not None and was.key != mine.key:
            yield f"the collection {mine.id} was {was}, and is {mine}"
        known |= {_key(done, row, key) for row, key in zip(was.rows, was.group.members, strict=True)}
    for key in mine.group.members:
        if key not in known and mine.state != "missing":
            yield f"the collection {mine.id} holds {key}, which is none of {known}"
    held = truths and was is not None and was.group.members
    if held and not mine.group.members and all(_holds(done, each) for each in truths):
        yield f"the collection {mine.id} ({mine.group.content[0]}) has lost its members"


def _holds(done: Round, group: Group) -> bool:
    """Return whether a collection has members, of which some are stored."""
    return any(key in done.after.items and done.after.items[key].library == group.library for key in group.members)


def _key(done: Round, row: RowId, key: Key) -> Key:
    """Return the present key of a row that had a key."""
    now = done.after.by_id.get(row)
    return key if now is None else (now.table, now.key)
