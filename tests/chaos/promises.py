"""The promises that every trial checks, each as a function that returns what did not hold."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from retrovue_daemon.logs.redaction import HIDDEN
from tests.properties.mirror import read_mirror
from tests.properties.rich_promises import WITH_DETAILS
from tests.properties.truth import truth
from tests.support.feed import FeedReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrovue_daemon.demo import SimulatedPlex
    from tests.chaos.worlds import Servers, TrialServer
    from tests.properties.mirror import Mirror, Row
    from tests.properties.rich import ListedRich
    from tests.properties.truth import Content

SHORTENED = frozenset({"size"})
MOST_NAMED = 3
TROUBLE = frozenset(
    f"server.{what}"
    for what in ("unreachable", "busy", "unauthorized", "replaced", "duplicate", "forgotten", "failed", "crashed")
)
BUGS = (
    "server.crashed",
    "sync.crashed",
    "watch.crashed",
    "process.uncaught",
    "daemon.crashed",
    "request.failed",
    "python.message",
)


class Memory:
    """The database as it was at the last look, per server: nothing in it may get lost, and ids stay."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._seen: dict[str, Mirror] = {}
        self._films: dict[str, dict[str, int]] = {}
        """The ids of films after the last undisturbed sync, by server and guid."""
        self._feed = FeedReader(database)

    def forget(self) -> None:
        """Begin anew: the rows were replaced."""
        self._seen.clear()
        self._films.clear()
        self._feed = FeedReader(self.database)

    def remember(self, server: str, mirror: Mirror) -> None:
        """Take this for the last look at a server's rows."""
        self._seen[server] = mirror

    def mirror(self, server: str) -> Mirror:
        """Return a server's rows as they are now."""
        return read_mirror(self.database, server)

    def look(self, servers: Servers) -> list[str]:
        """Compare the database with the last look; return what is wrong."""
        if not self.database.exists():
            return ["the database is gone"] if self._seen else []
        broken: list[str] = []
        for name, plex in servers.items():
            try:
                mirror = read_mirror(self.database, name)
            except sqlite3.OperationalError as error:
                # The process was killed before or between the migrations of a new database.
                if self._seen.get(name) is None and "no such" in str(error):
                    continue
                broken.append(f"the database cannot be read: {error}")
                continue
            broken += mirror.mistakes
            before = self._seen.get(name)
            if before is not None:
                broken += _some(f"{name}: ", _lost(before, mirror, plex))
                broken += _some(f"{name}: ", _other_file_ids(before, mirror, plex))
            self._seen[name] = mirror
        return [*broken, *self._look_at_feed()]

    def _look_at_feed(self) -> list[str]:
        """Follow the change feed from the last look on, and from its beginning; return what has no entry."""
        try:
            return [
                f"the change feed: {text}"
                for reader in (self._feed, FeedReader(self.database))
                for text in reader.follow()
            ][:MOST_NAMED]
        except sqlite3.OperationalError as error:
            if self._feed.feed_id is None and "no such" in str(error):
                return []
            return [f"the change feed cannot be read: {error}"]

    def look_at_equal(self, servers: Servers) -> list[str]:
        """Compare the database with servers whose undisturbed sync has ended; films have their ids, whatever key."""
        broken = [*self.look(servers), *equal_to_servers(self.database, servers)]
        for name in servers:
            films, before = _ids_of_films(self.mirror(name)), self._films.get(name, {})
            broken += [
                f"{name}: the film {guid} had the id {before[guid]} and has {films[guid]}"
                for guid in films.keys() & before.keys()
                if films[guid] != before[guid]
            ][:MOST_NAMED]
            self._films[name] = films
        return broken


def _ids_of_films(mirror: Mirror) -> dict[str, int]:
    """Return the ids of the films by their guids, unless several films have the same one."""
    films = [row for row in mirror.items.values() if row.table == "movies" and row.present]
    guids = Counter(str(row.content["source_id"]) for row in films)
    return {guid: row.id for row in films if guids[guid := str(row.content["source_id"])] == 1}


def _lost(before: Mirror, after: Mirror, plex: TrialServer) -> Iterator[str]:
    """Yield what is lost since the last look; an item with a new key may get the id back that it had before."""
    for key, row in before.items.items():
        if not key[1].isdecimal() or int(key[1]) not in plex.world.items:
            continue
        now = after.items.get(key)
        if now is None:
            yield f"{key} has no row any more"
        elif now.id != row.id and not _had_the_id_before(now, before, plex):
            yield f"{key} had the id {row.id} and has {now.id}"
        elif row.present and not now.present and int(key[1]) not in plex.withheld:
            yield f"{key} was marked missing, and the server has it"
    missing = {group.key for group in after.groups.values() if group.state == "missing"}
    for group in before.groups.values():
        is_there = group.key.isdecimal() and int(group.key) in plex.world.collections
        if is_there and group.state != "missing" and group.key in missing:
            yield f"the collection {group.key} was marked missing, and the server has it"
        if is_there and group.id not in after.groups:
            yield f"the collection {group.key} had the row {group.id}, which is gone"


def _other_file_ids(before: Mirror, after: Mirror, plex: TrialServer) -> Iterator[str]:
    """Yield the files that the server still has whose rows have another id than at the last look.

    A file may take over the row of one that is gone: that of the same item before it got its new key.
    """
    parts = {part.id for _, _, part in plex.world.parts()}
    owners = {file_id: part for part, file_id in before.file_ids.items()}
    for part in parts & before.file_ids.keys() & after.file_ids.keys():
        was, now = before.file_ids[part], after.file_ids[part]
        if was != now and (now not in owners or owners[now] in parts):
            yield f"the file of part {part} had the id {was} and has {now}"


def _had_the_id_before(row: Row, before: Mirror, plex: TrialServer) -> bool:
    """Return whether a row has the id of one whose key is gone, and that may be of the same item.

    The guid of an item that no catalogue knows changes with its key.
    """
    former = before.by_id.get((row.table, row.id))
    if former is None or (former.key.isdecimal() and int(former.key) in plex.world.items):
        return False
    guids = str(former.content["source_id"]), str(row.content["source_id"])
    return guids[0] == guids[1] or all(guid.startswith("local://") for guid in guids)


def equal_to_servers(database: Path, servers: Servers) -> list[str]:
    """Compare the rows with what the servers have, after an undisturbed full pass."""
    broken: list[str] = []
    for name, plex in servers.items():
        mirror = read_mirror(database, name)
        broken += mirror.mistakes
        broken += [f"episode {row_id} has another show's season" for _, row_id in mirror.strangers]
        broken += _some(f"{name}: ", _differences(mirror, plex))
    return broken


def _differences(mirror: Mirror, plex: SimulatedPlex) -> Iterator[str]:
    wanted = truth(plex.world, plex.quirks, mirror.whole_paths)
    present = {key: row for key, row in mirror.items.items() if row.present}
    yield from (f"{key} is missing" for key in wanted.items.keys() - present.keys())
    yield from (f"{key} is there, and the server does not have it" for key in present.keys() - wanted.items.keys())
    for key in wanted.items.keys() & present.keys():
        row, item = present[key], wanted.items[key]
        if row.state != item.state:
            yield f"{key} is {row.state}, not {item.state}"
        yield from (f"{key}: {text}" for text in _differing(item.content, row.content, plex.token))
    for part, file in wanted.files.items():
        if part not in mirror.files:
            yield f"part {part} has no row"
        else:
            yield from (f"part {part}: {text}" for text in _differing(file, mirror.files[part], plex.token))
    yield from _rich_differences(mirror, wanted.rich)


def _rich_differences(mirror: Mirror, wanted: ListedRich) -> Iterator[str]:
    """Yield what differs in lists and collections; items that the server could not send are read a day later."""
    for (table, key), row in mirror.items.items():
        lists = wanted.lists.get((table, key), {})
        if row.present and table in WITH_DETAILS and row.asked_again is None:
            for name in lists.keys() | row.lists.keys():
                if lists.get(name, []) != row.lists.get(name, []):
                    yield f"{table, key}: {name} is {row.lists.get(name, [])}, not {lists.get(name, [])}"
    groups = {group.key: group.group for group in mirror.groups.values() if group.state != "missing"}
    yield from (f"the collection {key} is missing" for key in wanted.groups.keys() - groups.keys())
    yield from (f"the server has no collection {key}" for key in groups.keys() - wanted.groups.keys())
    for key in groups.keys() & wanted.groups.keys():
        if groups[key]._replace(guid=wanted.groups[key].guid) != wanted.groups[key]:
            yield f"the collection {key} is {groups[key]}, not {wanted.groups[key]}"


def _differing(wanted: Content, found: Content, token: str) -> Iterator[str]:
    """Yield the differences. The token is hidden wherever a server repeats it."""
    for name, said in wanted.items():
        value = said.replace(token, HIDDEN) if isinstance(said, str) else said
        if name in found and found[name] != value:
            yield f"{name} is {str(found[name])[:80]!r}, not {str(value)[:80]!r}"


def log_is_clean(
    lines: list[dict[str, Any]], text: str, servers: Servers, *, ended_in_trouble: bool = False
) -> list[str]:
    """Return what is wrong with a log: bugs, tokens, and trouble that is reported again and again or has no end.

    ``ended_in_trouble`` says that the database was lost while servers failed: then trouble, and requests, stay open.
    """
    bugs = set(BUGS) - ({"request.failed"} if ended_in_trouble else set())
    broken = [f"logged: {str(line)[:3000]}" for line in lines if line["event"] in bugs]
    broken += [f"the token of {name} was logged" for name, plex in servers.items() if plex.token in text]
    last: dict[str, tuple[object, ...] | None] = defaultdict(lambda: None)
    for line in lines:
        name = str(line.get("server"))
        if line["event"] in TROUBLE:
            trouble = (line["event"], line.get("error"))
            if last[name] == trouble:
                broken.append(f"logged again before it ended: {trouble}")
            last[name] = trouble
        elif line["event"] == "server.recovered":
            if last[name] is None:
                broken.append(f"{name} recovered from nothing")
            last[name] = None
    if not ended_in_trouble:
        broken += [f"{name} never recovered from {trouble}" for name, trouble in last.items() if trouble is not None]
    return broken


def _some(prefix: str, found: Iterator[str]) -> list[str]:
    every = [prefix + text for text in found]
    more = [f"{prefix}and {len(every) - MOST_NAMED} more"] if len(every) > MOST_NAMED else []
    return every[:MOST_NAMED] + more
