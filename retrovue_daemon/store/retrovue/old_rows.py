"""The rows of an original Retrovue database that a schedule refers to, with what identifies each of them.

What the columns hold follows Retrovue's own code:

- Schema 2 (``core/database.py``, ``core/plex_integration.py``): ``media_files.source_id`` is the Plex guid of the
  film or episode, in its first versions the path of Plex's key. ``plex_path`` is the server's path, ``file_path`` the
  local one. ``shows.source_id`` is the show's guid.
- Schema 3: ``media_files`` has no ``file_path`` any more, and ``source_id`` is the rating key, except in rows of
  schema 2 that no sync has touched since.
- Releases 1.2.x (``plex/ingest.py``, ``plex/mapper.py``, ``plex/db.py``): ``content_items`` holds films and episodes.
  No code ever fills its ``guid_primary``; the guid is in ``content_editorial.source_payload_json``, which is the item
  as Plex sent it. ``media_files.file_path`` is the local path if a mapping applied, otherwise the server's. The last
  of these releases have ``plex_file_path`` and ``local_file_path`` instead, and some the tables ``movies`` and
  ``episodes``, without guids. The key of a show is made of its title.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from retrovue_daemon.store.file.layouts import columns
from retrovue_daemon.store.items.own_guids import is_of_key
from retrovue_daemon.store.retrovue.original import read_rows, server_addresses

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from retrovue_daemon.store.file.layouts import Layout

Reference: TypeAlias = tuple[str, int]
"""A table of the original database and an id in it."""


class OldRow(msgspec.Struct, frozen=True, gc=False):
    """A row: ``kind`` is that of its item, in Retrovue's words, empty if it has none.

    ``paths`` are all that are known. ``key`` is the rating key, ``server_id`` the id there. ``parents`` are the rows
    of an episode's show and season.
    """

    table: str
    id: int
    kind: str
    title: str
    guid: str | None = None
    paths: tuple[str, ...] = ()
    key: str | None = None
    server_id: int | None = None
    parents: tuple[Reference, ...] = ()


class OldRows(msgspec.Struct, frozen=True):
    """The rows, and the addresses of the servers that they name."""

    rows: tuple[OldRow, ...]
    addresses: dict[int, str]


def read_old_rows(connection: sqlite3.Connection, found: Layout) -> OldRows:
    """Return the rows of all tables that hold films, episodes, shows, seasons or their files."""
    if found != "1.2":
        rows = _of_schemas(connection)
    elif "movie_id" in columns(connection, "media_files"):
        rows = _of_last_releases(connection)
    else:
        rows = _of_releases(connection)
    return OldRows(tuple(rows), server_addresses(connection, found))


def _of_schemas(connection: sqlite3.Connection) -> list[OldRow]:
    """Read schema 2 or 3: each film and episode refers to its file."""
    items: list[tuple[str, int, int | None, str, int | None]] = [
        ("movies", row_id, file_id, title, None)
        for row_id, file_id, title in read_rows(
            connection, "movies", ("id", None), ("media_file_id", None), ("title", "")
        )
    ]
    items += [
        ("episodes", row_id, file_id, title, show_id)
        for row_id, file_id, title, show_id in read_rows(
            connection, "episodes", ("id", None), ("media_file_id", None), ("episode_title", ""), ("show_id", None)
        )
    ]
    titles = {file_id: title for _, _, file_id, title, _ in items}
    files: dict[int, OldRow] = {}
    for row_id, kind, source_id, plex_path, file_path, key, server_id in read_rows(
        connection,
        "media_files",
        ("id", None),
        ("media_type", ""),
        ("source_id", None),
        ("plex_path", None),
        ("file_path", None),
        ("plex_rating_key", None),
        ("server_id", None),
    ):
        files[row_id] = OldRow(
            "media_files",
            row_id,
            str(kind),
            _text(titles.get(row_id)),
            _guid(source_id),
            _known(plex_path, file_path),
            _key(key),
            server_id or None,
        )
    without_file = OldRow("", 0, "", "")
    found = list(files.values())
    for table, row_id, file_id, title, show_id in items:
        file = files.get(file_id or 0, without_file)
        parents = () if show_id is None else (("shows", show_id),)
        found.append(
            msgspec.structs.replace(
                file, table=table, id=row_id, kind=table[:-1], title=_text(title), parents=parents
            )
        )
    return found + [
        OldRow("shows", row_id, "show", _text(title), _guid(source_id), server_id=server_id or None)
        for row_id, title, source_id, server_id in read_rows(
            connection, "shows", ("id", None), ("title", ""), ("source_id", None), ("server_id", None)
        )
    ]


def _of_releases(connection: sqlite3.Connection) -> list[OldRow]:
    """Read a release 1.2.x with ``content_items``, each of which may have several files."""
    payloads = _payloads(connection)
    items = {
        row_id: (kind, title, show_id, season_id)
        for row_id, kind, title, show_id, season_id in read_rows(
            connection,
            "content_items",
            ("id", None),
            ("kind", ""),
            ("title", ""),
            ("show_id", None),
            ("season_id", None),
        )
    }
    files = {
        row_id: (item_id, _known(*paths), _key(key), server_id)
        for row_id, item_id, key, server_id, *paths in read_rows(
            connection,
            "media_files",
            ("id", None),
            ("content_item_id", None),
            ("plex_rating_key", None),
            ("server_id", None),
            ("file_path", None),
            ("plex_file_path", None),
            ("local_file_path", None),
        )
    }
    of_item: defaultdict[int, set[int]] = defaultdict(set)
    for file_id, (item_id, *_) in files.items():
        of_item[item_id].add(file_id)
    for item_id, file_id in read_rows(
        connection, "content_item_files", ("content_item_id", None), ("media_file_id", None)
    ):
        if file_id in files:
            of_item[item_id].add(file_id)
    found = []
    for file_id, (item_id, paths, key, server_id) in files.items():
        kind, title, *_ = items.get(item_id, ("", ""))
        guid, more = payloads.get(item_id, (None, ()))
        known = (*paths, *_same_name(paths, more))
        found.append(OldRow("media_files", file_id, kind, _text(title), guid, known, key, server_id))
    for item_id, (kind, title, show_id, season_id) in items.items():
        guid, paths = payloads.get(item_id, (None, ()))
        own = [files[file_id] for file_id in sorted(of_item[item_id])]
        found.append(
            OldRow(
                "content_items",
                item_id,
                kind,
                _text(title),
                guid,
                tuple(dict.fromkeys((*paths, *(path for _, known, _, _ in own for path in known)))),
                next((key for _, _, key, _ in own if key), None),
                next((server_id for *_, server_id in own if server_id), None),
                tuple(
                    (table, row_id)
                    for table, row_id in (("shows", show_id), ("seasons", season_id))
                    if row_id is not None
                ),
            )
        )
    shows = read_rows(connection, "shows", ("id", None), ("title", ""), ("server_id", None))
    found += [
        OldRow("shows", row_id, "show", _text(title), server_id=server_id) for row_id, title, server_id in shows
    ]
    titles = {row_id: _text(title) for row_id, title, _ in shows}
    return found + [
        OldRow("seasons", row_id, "season", f"{titles.get(show_id, '')}: season {number}")
        for row_id, show_id, number in read_rows(
            connection, "seasons", ("id", None), ("show_id", None), ("season_number", None)
        )
    ]


def _of_last_releases(connection: sqlite3.Connection) -> list[OldRow]:
    """Read a release 1.2.x with tables for films and episodes, to which files refer; it stores no guids."""
    items = {
        (table, row_id): (_text(title), _key(key))
        for table in ("movies", "episodes")
        for row_id, title, key in read_rows(connection, table, ("id", None), ("title", ""), ("plex_rating_key", None))
    }
    found, paths_of = [], defaultdict[Reference, list[str]](list)
    for row_id, movie_id, episode_id, *paths in read_rows(
        connection,
        "media_files",
        ("id", None),
        ("movie_id", None),
        ("episode_id", None),
        ("plex_file_path", None),
        ("local_file_path", None),
    ):
        item = ("episodes", episode_id) if movie_id is None else ("movies", movie_id)
        paths_of[item] += _known(*paths)
        title, key = items.get(item, ("", None))
        found.append(OldRow("media_files", row_id, item[0][:-1], title, None, _known(*paths), key))
    return found + [
        OldRow(*item, item[0][:-1], title, None, tuple(dict.fromkeys(paths_of[item])), key)
        for item, (title, key) in items.items()
    ]


class _Part(msgspec.Struct):
    file: str | None = None


class _Media(msgspec.Struct):
    parts: list[_Part] = msgspec.field(name="Part", default_factory=list)


class _Payload(msgspec.Struct):
    """The parts of an item, as Plex sent it, that identify it."""

    guid: str | None = None
    media: list[_Media] = msgspec.field(name="Media", default_factory=list)


_PAYLOAD = msgspec.json.Decoder(_Payload)


def _payloads(connection: sqlite3.Connection) -> dict[int, tuple[str | None, tuple[str, ...]]]:
    """Return the guid and the server's paths of each content item whose stored response can be read."""
    found = {}
    for item_id, source, text in read_rows(
        connection,
        "content_editorial",
        ("content_item_id", None),
        ("source_name", None),
        ("source_payload_json", None),
    ):
        if source != "plex" or not isinstance(text, str):
            continue
        try:
            payload = _PAYLOAD.decode(text)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            continue
        found[item_id] = (_guid(payload.guid), _known(*(part.file for each in payload.media for part in each.parts)))
    return found


def _guid(value: object) -> str | None:
    """Return a guid that identifies a work; a key, or a guid that the server made of one, does not."""
    text = _text(value)
    return text if "://" in text and not is_of_key(text) else None


def _same_name(paths: tuple[str, ...], more: tuple[str, ...]) -> Iterable[str]:
    """Return the server's path of a file whose local path is known: the only one that ends in the same name."""
    names = {_name(path) for path in paths}
    found = [path for path in more if _name(path) in names]
    return found if len(found) == 1 and found[0] not in paths else ()


def _name(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]


def _known(*paths: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for path in map(_text, paths) if path))


def _key(value: object) -> str | None:
    return _text(value) or None


def _text(value: object) -> str:
    return "" if value is None else str(value)
