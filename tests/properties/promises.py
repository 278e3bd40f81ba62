"""What every round must keep, whatever happened before it and in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.properties import damaged
from tests.properties.guard import DAY_S, EITHER, LENIENT, SECONDS_OF_A_ROUND, expected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.properties.identity import History, Pairs
    from tests.properties.mirror import Mirror, Row
    from tests.properties.rounds import Round
    from tests.properties.truth import Content, Key, Truth

OVERLAP_S = 600
"""How long before the newest known update a quick pass starts, in seconds."""

DETAILS = frozenset({"guids", "guid_primary"})
"""What listings omit."""

LINKS = frozenset({"show", "season", "file"})


class BrokenPromiseError(AssertionError):
    """What a round did that it must not, in one line each."""

    def __init__(self, done: Round, broken: list[str]) -> None:
        statuses = {library: each.status for library, each in done.passes.items()}
        super().__init__("\n".join([f"round {done.number} ended {statuses}, but", *broken]))


def keep(done: Round, history: History) -> None:
    """Check a round, and learn from it. Raises BrokenPromiseError."""
    pairs, keeping = history.pairs(done), history.keeping(done)
    broken = [
        *done.crashes,
        *done.after.mistakes,
        *([] if done.neighbour_is_untouched else ["rows of another server were touched"]),
        *_ids(done, history, pairs),
        *_pairs(done, pairs),
        *_given_away(done, pairs),
        *_file_ids(done, history),
        *_primaries(done),
        *_removals(done, pairs),
        *_purges(done),
        *_observed(done),
        *_statuses(done, history, pairs),
        *_marks(done),
        *history.damages.promises(done),
        *history.details.promises(done, pairs),
    ]
    for library in done.ended.libraries:
        broken += _contents(done, library, pairs, keeping)
    if broken:
        raise BrokenPromiseError(done, broken)
    history.learn(done)


# Ids


def _ids(done: Round, history: History, pairs: Pairs) -> Iterator[str]:
    """No id is ever used for something else; every row keeps its own as long as its item lives."""
    before, after = done.before.by_id, done.after.by_id
    for name, row in after.items():
        was = before.get(name)
        if was is None and row.id <= history.highest.get(row.table, 0):
            yield f"{name} is an id that was used before"
        moves = (row.table, was.key) in pairs.away if was is not None else False
        if was is not None and was.key != row.key and not moves and (name, (row.table, row.key)) not in pairs.may:
            yield f"{name} was {was.key} ({was.content}) and is now {row.key} ({row.content})"
    for name, row in before.items():
        now = done.after.items.get((row.table, row.key))
        heirs = (old for old, young in pairs.may if young == (row.table, row.key) and old in after)
        taken_over = any(LENIENT or heir < name for heir in heirs)
        if name not in after and now is None and not taken_over and not _may_be_purged(row, done):
            yield f"{name} ({row.key}, {row.state}) has no row any more"
        same = now is not None and (row.table, row.key) not in pairs.away
        if same and now is not None and now.id != row.id and (now.table, now.id) not in before:
            yield f"{name} ({row.key}) has another id now: {now.id}"


def _pairs(done: Round, pairs: Pairs) -> Iterator[str]:
    """Items keep their ids under other rating keys where that is beyond doubt."""
    after = done.after.by_id
    made = {(name, (row.table, row.key)) for name, row in after.items()}
    yield from (f"{name} must live on as {young[1]}" for name, young in pairs.must - made)
    yield from (f"{name} lives on as {young[1]}, which is a guess" for name, young in pairs.guesses & made)


def _given_away(done: Round, pairs: Pairs) -> Iterator[str]:
    """What got the rating key of another item gets neither its id nor its files."""
    for key, always in pairs.away.items():
        row = done.before.items[key]
        now = done.after.by_id.get((row.table, row.id))
        if always and now is not None and now.key == row.key and now.content["source_id"] != row.content["source_id"]:
            yield f"{key} is another item now, and has the id {row.id} of {row.content}"
    before = {file_id: part for part, file_id in done.before.file_ids.items()}
    for part, file_id in done.after.file_ids.items():
        if file_id not in before:
            continue
        was, now_owned = _owner_id(done.before, before[file_id]), _owner_id(done.after, part)
        paths = [str(each["plex_path"]) for each in (done.before.files[before[file_id]], done.after.files[part])]
        if part == before[file_id] and ("None" in paths or paths[1] == paths[0].rpartition("/")[2]):
            # A new item has what the token sees of a path that was known with another item, and a part whose path was
            # never known may have come from there.
            continue
        if was is not None and was != now_owned and was in _ids_of(done.after, part) and paths[0] != paths[1]:
            yield f"file {file_id} was {paths[0]} of {was}, and is {paths[1]} of {now_owned}"


def _ids_of(mirror: Mirror, part: int) -> set[int]:
    """Return the ids of all rows of the table that a file's item is in."""
    return {row.id for row in mirror.items.values() if row.table == f"{mirror.files[part]['media_type']}s"}


def _file_ids(done: Round, history: History) -> Iterator[str]:
    """A file keeps its id as long as its item has it, and leaves it to nothing but that item's next one."""
    for part, file_id in done.after.file_ids.items():
        was = done.before.file_ids.get(part)
        if was is None and file_id <= history.highest.get("media_files", 0) and not _inherited(part, file_id, done):
            yield f"file {file_id} of part {part} has an id that was used before"
        if (
            was is not None
            and was != file_id
            and _same(done.before.files[part], done.after.files[part], "rating_key")
            and _owner_id(done.before, part) == _owner_id(done.after, part)
        ):
            yield f"part {part} had the id {was} and has {file_id}"


def _inherited(part: int, file_id: int, done: Round) -> bool:
    """Tell whether a file's row lives on with that of its item."""
    old = next((each for each, its_id in done.before.file_ids.items() if its_id == file_id), None)
    if old is None:
        return False
    return _owner_id(done.before, old) is not None and _owner_id(done.before, old) == _owner_id(done.after, part)


def _owner_id(mirror: Mirror, part: int) -> int | None:
    """Return the id of the item's row that a file belongs to."""
    file = mirror.files[part]
    row = mirror.items.get((f"{file['media_type']}s", str(file["rating_key"])))
    return None if row is None else row.id


def _primaries(done: Round) -> Iterator[str]:
    """An item's primary file keeps its id as long as the item has a file, but where other versions stay."""
    parts = {file_id: part for part, file_id in done.after.file_ids.items()}
    for name, row in done.after.by_id.items():
        was = done.before.by_id.get(name)
        old, new = (None if was is None else was.content.get("file")), row.content.get("file")
        if not isinstance(old, int) or not isinstance(new, int):
            continue
        before, after = done.before.file_ids[old], done.after.file_ids[new]
        if before == after:
            continue
        part = parts.get(before)
        if part is not None and done.after.files[part]["rating_key"] != row.key:
            continue  # the file went to another item
        if part is not None and done.after.files[part]["state"] == "active":
            yield f"{name} had the file {before}, which can be played, and has {after}"
        elif part is None and row.content["file"] not in done.before.files:
            yield f"{name} had the file {before}, and now has the new one {after}"


def _may_be_purged(row: Row, done: Round) -> bool:
    """Tell whether a row was missing for so long that it may be deleted."""
    if (done.before.libraries[row.library]["state"], done.status(row.library)) == ("blocked", "blocked"):
        return False
    if row.present:
        return done.retention_s == 0 and done.status(row.library) == "ok"
    return (row.missing_observed or 0) + done.retention_s <= done.after.observed + SECONDS_OF_A_ROUND


# What left


def _removals(done: Round, pairs: Pairs) -> Iterator[str]:
    """Only a complete listing lets go of anything, and never of what is listed."""
    for key, row in done.before.items.items():
        now = done.after.items.get(key)
        own = done.after.by_id.get((row.table, row.id))
        if not row.present:
            if (
                own is not None
                and not own.present
                and (own.missing_since, own.missing_observed) != (row.missing_since, row.missing_observed)
            ):
                yield f"{key} was missing, and the time since when moved"
            if own is not None and not own.present and _unlinked(own.content) != _unlinked(row.content):
                yield f"{key} was missing, and its row changed"
            continue
        lives_on = own is not None and own.present and ((row.table, row.id), (row.table, own.key)) in pairs.may
        gone = (now is None or not now.present) and not lives_on
        if key in pairs.away:
            gone = own is None or not own.present
        if gone and not done.complete(row.library):
            yield f"{key} left, though the pass over {row.library} ended {done.status(row.library)}"
        is_listed = all(_is_seen(done, row, truth) for truth in (done.began, done.ended)) and key not in pairs.away
        if gone and is_listed and not _excused(done):
            yield f"{key} is listed, but its row is {'gone' if now is None else now.state}"


def _is_seen(done: Round, row: Row, truth: Truth) -> bool:
    """Tell whether what the server lists under a row's key is in the row's library, or in one that was listed."""
    item = truth.items.get((row.table, row.key))
    return item is not None and (item.library == row.library or done.complete(item.library))


def _excused(done: Round) -> bool:
    """Tell whether something that is listed may go missing nevertheless: what pages do not show is not seen."""
    return done.lying or (LENIENT and not done.still)


def _unlinked(content: Content) -> Content:
    return {name: value for name, value in content.items() if name not in LINKS}


def _purges(done: Round) -> Iterator[str]:
    """What has been missing for long enough is deleted, but not of a library that is held back."""
    for row in done.after.items.values():
        old = row.missing_observed is not None and row.missing_observed + done.retention_s < done.after.observed
        if old and row.table in {"movies", "episodes"} and done.complete(row.library) and not done.killed:
            yield f"{row.table} {row.id} has been missing since {row.missing_since}, and is still there"


def _observed(done: Round) -> Iterator[str]:
    """Each round is a process: between two of them the wall clock counts, never backwards and a day at most."""
    passed = done.after.observed - done.before.observed
    least = min(max(done.now - done.looked_before, 0), DAY_S)
    if done.before.observed and not least <= passed <= least + SECONDS_OF_A_ROUND:
        yield f"{passed} s were observed where {done.now - done.looked_before} s passed by the wall clock"


# What is there


def _contents(done: Round, library: str, pairs: Pairs, keeping: set[Key]) -> Iterator[str]:
    """After a complete pass a library's rows are what the server lists; after any other they are no worse."""
    present = done.after.present_in(library)
    if LENIENT:
        late = {key for key, row in present.items() if ((row.table, row.id), key) in pairs.passing}
        held_back = [row for row in done.after.items.values() if row.present and not done.complete(row.library)]
        children = [*(present[key] for key in late), *held_back]
        above = {(f"{name}s", child.content.get(name)) for child in children for name in ("show", "season")}
        gone = (late | above) - done.ended.items.keys()
        present = {key: row for key, row in present.items() if key not in gone}
    truths = [done.began, done.ended]
    listed = done.ended.of_library(library)
    if done.whole(library):
        always = done.began.of_library(library).keys() & listed.keys()
        sometimes = done.began.of_library(library).keys() | listed.keys()
        for key in sorted(always - present.keys()) if not (_excused(done) or done.shortened) else ():
            yield f"{key} of {library} has no row"
        for key in sorted(present.keys() - sometimes):
            yield f"{key} of {library} is {present[key].state}, but nowhere"
    for key, row in present.items():
        was = done.before.by_id.get((row.table, row.id))
        known = [] if done.whole(library) or was is None else [was]
        items = [item for each in truths for k, item in each.items.items() if k == key]
        states = [(item.state, item.content) for item in items]
        states += [(each.state, _renamed(each.content, done)) for each in known]
        if key in done.damaged:
            kept = None if was is None else _renamed(was.content, done)
            states += damaged.possible(row, was, kept, items, keeps=key in keeping)
        states = [(state, _with_own_file(content, row, truths)) for state, content in states]
        if _kept_its_path(done, row):
            states += [("active", content | {"file": row.content["file"]}) for _, content in states]
        if (row.state, row.content) in states or _was_asked_for(done, row, states):
            continue
        if row.waits and not (done.still and done.whole(library)):
            continue  # a parent was not stored yet, and the next pass mends it
        yield f"{key} of {library} is {_difference(row, states)}"
    yield from _files(done, library, present)
    if done.whole(library) and done.still:
        strangers = [row_id for key, row_id in done.after.strangers if key == library]
        yield from (f"episode {row_id} of {library} has another show's season" for row_id in strangers)


def _with_own_file(content: Content, row: Row, truths: list[Truth]) -> Content:
    """Let any file stand for an item that could: which one does is a matter of what stood for it before."""
    own = row.content.get("file")
    for each in truths:
        file = each.files.get(own) if isinstance(own, int) and content.get("file") is not None else None
        if file is not None and (file["rating_key"], file["state"], file["optimized"]) == (row.key, "active", 0):
            return content | {"file": own}
    return content


def _kept_its_path(done: Round, row: Row) -> bool:
    """Tell whether an item plays a file whose path the token cannot see: its file kept the path that it had."""
    part = row.content.get("file")
    stored = done.after.files.get(part) if isinstance(part, int) else None
    listed = done.ended.files.get(part) if isinstance(part, int) else None
    if stored is None or listed is None or (stored["rating_key"], stored["state"]) != (row.key, "active"):
        return False
    return listed["plex_path"] is None and stored["plex_path"] is not None


def _was_asked_for(done: Round, row: Row, states: list[tuple[str, Content]]) -> bool:
    """Tell whether a parent that its listing did not show came from its details, which say more than listings."""
    if row.table not in {"shows", "seasons"} or not (done.lying or not done.still):
        return False
    told = [
        (state, content | {name: row.content[name] for name in DETAILS & row.content.keys()})
        for state, content in states
    ]
    return (row.state, row.content) in told


def _renamed(content: Content, done: Round) -> Content:
    """Return what a row would hold now, were it not touched, where its show or season has another rating key now."""
    renamed: dict[str, object] = {}
    for name, table in (("show", "shows"), ("season", "seasons")):
        parent = done.before.items.get((table, str(content.get(name))))
        if parent is not None and (table, parent.id) in done.after.by_id:
            renamed[name] = done.after.by_id[table, parent.id].key
    file = content.get("file")
    if isinstance(file, int):
        parts = {file_id: part for part, file_id in done.after.file_ids.items()}
        renamed["file"] = parts.get(done.before.file_ids[file], file)
    return content | renamed


def _files(done: Round, library: str, present: dict[Key, Row]) -> Iterator[str]:
    keys = {(table[:-1], key) for table, key in present}
    complete = done.whole(library)
    before = {done.before.file_ids[part]: file for part, file in done.before.files.items()}
    stored = {part: file for part, file in done.after.files.items() if file["library"] == library}
    for part, file in stored.items():
        if (file["media_type"], file["rating_key"]) not in keys:
            continue
        known = [truth.files[part] for truth in (done.began, done.ended) if part in truth.files]
        # A library may be renamed after a pass began, and before an entry is read.
        names = {each["library_name"] for each in known}
        known += [each | {"library_name": name} for each in known for name in names]
        was = before.get(done.after.file_ids[part])
        struck = (f"{file['media_type']}s", str(file["rating_key"])) in done.damaged
        if struck and was is not None:
            known += damaged.possible_files(was | {"library_name": file["library_name"]})
        if was is not None and part < 0 and _is_bare(done, file):
            now = {name: file[name] for name in ("library", "library_name", "rating_key")}
            known.append(was | now | {"media_id": None, "state": "unavailable"})
        owner = str(done.ended.files[part]["library"]) if part in done.ended.files else library
        if was is not None and owner != library and not done.complete(owner):
            # It waits for its item, which has none now, until the other library is looked at.
            here = {name: file[name] for name in ("library", "library_name")}
            known.append(was | here | {"state": "unavailable"})
        if not complete and was is not None:
            known.append(was | {"library_name": file["library_name"]})
            moved = {"rating_key": file["rating_key"], "media_id": None}
            known += [known[-1] | moved] if part < 0 else []
            # What stands for an item without any file but optimized ones waits for its next file.
            known += [each | {"state": "unavailable"} for each in known] if part < 0 else []
        if was is not None and "/" in str(was["plex_path"]):
            # An item that came again where the token sees names only may keep the paths that it had.
            paths = {column: was[column] for column in ("plex_path", "file_path")}
            bare = str(was["plex_path"]).rpartition("/")[2]
            known += [each | paths for each in known if each["plex_path"] in {bare, None}]
            known += [each | paths | {"state": "active"} for each in known if each["plex_path"] is None]
        if file not in known:
            yield f"part {part} of {library} is {file}, not {[_differing(each, file) for each in known]}"
    if complete and done.still and not (done.lying or done.shortened):
        missing = {
            part
            for part, file in done.ended.files.items()
            if file["library"] == library and (f"{file['media_type']}s", file["rating_key"]) not in done.damaged
        } - stored.keys()
        yield from (f"part {part} of {library} has no row" for part in missing)


def _is_bare(done: Round, stored: Content) -> bool:
    """Tell whether the item of a stored file is listed without any: the file waits for its next."""
    same = ("media_type", "rating_key")
    return not any(
        not file["optimized"] and all(_same(file, stored, name) for name in same)
        for file in done.ended.files.values()
    )


def _difference(row: Row, states: list[tuple[str, Content]]) -> str:
    if not states:
        return f"{row.content}, but was never listed"
    return "; nor ".join(f"{row.state}, not {state}: {_differing(content, row.content)}" for state, content in states)


def _differing(wanted: Content, found: Content) -> Content:
    return {name: (found[name], value) for name, value in wanted.items() if found[name] != value}


def _same(one: Content, other: Content, name: str) -> bool:
    return one[name] == other[name]


# How it ended


def _statuses(done: Round, history: History, pairs: Pairs) -> Iterator[str]:
    """A pass ends as the rules say, and its counts add up."""
    if not (done.undisturbed and done.still):
        return
    wanted = {library for library in done.ended.libraries if done.manner.only in {None, library}}
    yield from (f"{library} was not looked at" for library in wanted - done.passes.keys())
    for library, each in done.passes.items():
        statuses = frozenset({"ok"}) if each.kind == "quick" else expected(library, done, pairs, history)
        if each.status not in statuses:
            yield f"{library} ended {each.status} ({each.error}), not {' or '.join(sorted(statuses))}"
        if each.run_id is not None and any(
            done.after.runs[each.run_id][name] != n for name, n in each.counts.items()
        ):
            yield f"{library} is recorded as {done.after.runs[each.run_id]}, not {each.counts}"
        if done.complete(library):
            yield from _counts(done, library)
        if each.kind == "quick":
            yield from _freshness(done, library)


def _counts(done: Round, library: str) -> Iterator[str]:
    counts, before, after = done.passes[library].counts, done.before.by_id, done.after.by_id
    moved = {name for name, row in after.items() if name in before and before[name].key != row.key}
    listed = len(done.ended.of_library(library))
    told = sum(counts[name] for name in ("added", "updated", "restored", "unchanged"))
    # What arrived under another rating key counts as moved, with the library whose pass found that out.
    arrived = sum(each.counts["moved"] for each in done.passes.values())
    if counts["listed"] != listed or not listed - arrived <= told <= listed:
        yield f"{library} lists {listed} items, and its pass counts {counts}"
    had = {(row.table, row.id) for row in done.before.present_in(library).values()}
    left = {name for name in had if name in after and after[name].library == library and not after[name].present}
    # One that left may be another one's younger self, or have come again elsewhere, before the round was over.
    if not len(left) <= counts["removed"] <= len(left) + len(had - after.keys()) + len(had & moved):
        yield f"{left} left {library}, and its pass counts {counts}"


def _freshness(done: Round, library: str) -> Iterator[str]:
    """A quick pass misses nothing whose updatedAt says that it changed."""
    was = done.before.libraries[library]
    if was["content_changed_at"] not in {None, done.marks[library]}:
        yield f"{library} got a quick pass, though contentChangedAt moved"
    since = (was["watermark"] or 0) - OVERLAP_S
    for key, item in done.ended.of_library(library).items():
        updated_at = item.content["updated_at"]
        row = done.after.items.get(key)
        if key in done.damaged:
            continue
        if isinstance(updated_at, int) and updated_at >= since and (row is None or row.content != item.content):
            yield f"{key} of {library} was updated at {updated_at}, and a quick pass did not see it"


def _marks(done: Round) -> Iterator[str]:
    """A library's marks move with a complete listing, and with nothing else."""
    for library, each in done.passes.items():
        row, was = done.after.libraries[library], done.before.libraries.get(library)
        if each.status == "blocked" and row["state"] != "blocked":
            yield f"{library} is blocked, and its state says {row['state']}"
        if library in done.began.libraries and library not in done.ended.libraries:
            continue  # it depends on when it was looked at
        if done.complete(library) and library in done.ended.libraries:
            if (row["state"], row["last_full_sync_at"]) != ("active", done.now):
                yield f"{library} was listed completely, and its row is {row}"
            if row["content_changed_at"] != done.marks[library] and done.still:
                yield f"{library} has the mark {row['content_changed_at']}, not {done.marks[library]}"
        elif was is not None:
            moved = [n for n in ("content_changed_at", "last_full_sync_at") if row[n] != was[n]]
            if moved:
                yield f"{library} ended {each.status}, and {moved} moved"


def keep_still(done: Round, first: Round) -> None:
    """Check that a round wrote no row of an item, because nothing had happened. Raises BrokenPromiseError.

    Rows without a digest are written again on purpose. Labels are read after complete listings only: if the round
    before, the ``first`` one, listed less, it has missed them.
    """
    again: set[tuple[object, object]] = {
        (row.table, row.id) for row in done.before.by_id.values() if row.digest is None
    }
    labelled: set[tuple[object, ...]] = set()
    if any(done.complete(library) and not first.complete(library) for library in done.passes):
        tags = set(done.before.raw["tags"]) ^ set(done.after.raw["tags"])
        labelled = {(kind, row_id, what, name) for kind, row_id, what, name in tags if what == "label"}
        again |= {(f"{kind}s", row_id) for kind, row_id, *_ in labelled}

    def still(mirror: Mirror, table: str) -> list[tuple[object, ...]]:
        return [row for row in mirror.raw[table] if (table, row[0]) not in again and row not in labelled]

    broken = [
        f"{table} were written" for table in done.after.raw if still(done.after, table) != still(done.before, table)
    ]
    broken += [f"{library} ended {each.status}" for library, each in done.passes.items() if each.status not in EITHER]
    if broken:
        raise BrokenPromiseError(done, broken)
