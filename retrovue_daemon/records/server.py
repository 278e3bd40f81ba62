"""A server, its libraries, and the mapping of its paths to local ones."""

from __future__ import annotations

import msgspec


class ServerIdentity(msgspec.Struct, frozen=True):
    """The content of ``/identity``."""

    machine_identifier: str
    version: str | None


class LibraryListing(msgspec.Struct, frozen=True):
    """One library in ``/library/sections``.

    ``content_changed_at`` is a counter, not a time: compare it only for inequality. ``kind`` is Plex's ``type``
    (``movie``, ``show``, ``artist``, ``photo`` …).
    """

    key: str
    title: str
    kind: str
    uuid: str | None = None
    agent: str | None = None
    locations: tuple[str, ...] = ()
    updated_at: int | None = None
    scanned_at: int | None = None
    content_changed_at: int | None = None
    refreshing: bool = False


class PathMapping(msgspec.Struct, frozen=True):
    """The path under which readers of the database find the files below ``plex_path``, which is the server's path.

    ``library_name`` and ``library_root`` restrict it to the library with that title or root; None means any.
    """

    plex_path: str
    local_path: str
    library_name: str | None = None
    library_root: str | None = None
