"""What libraries contain, and how their last passes ended, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.units import ago, plural

if TYPE_CHECKING:
    from retrovue_daemon.store.overview import Contents, PassRecord
    from retrovue_daemon.store.tables.libraries import StoredLibrary
    from retrovue_daemon.store.tables.servers import StoredServer


def contents_text(contents: Contents | None) -> str:
    """Return in words what a library contains."""
    if contents is None:
        return "nothing"
    words = {"movies": "film", "shows": "show", "seasons": "season", "episodes": "episode"}
    parts = [plural(number, words[table]) for table, number in contents.present.items() if table != "seasons"]
    parts += [f"{contents.missing:,} missing"] if contents.missing else []
    parts += [f"{contents.unavailable:,} unavailable"] if contents.unavailable else []
    return ", ".join(parts)


def without_libraries(server: StoredServer) -> str:
    """Return why a server has no libraries here."""
    if server.is_active and server.fails:
        return "cannot be used"
    return "not contacted yet" if server.machine_identifier is None else "no libraries"


def last_pass(library: StoredLibrary, done: PassRecord | None) -> tuple[float | None, str]:
    """Return when a library was last synced, and how that ended; what is wrong stands elsewhere."""
    if done is None:
        return library.last_sync_at, ""
    ended = done.finished_at or done.started_at
    if library.last_sync_at is not None and library.last_sync_at >= ended and not library.fails:
        return library.last_sync_at, "ok"  # a pass without changes leaves no record
    return ended, done.status


def last_pass_text(library: StoredLibrary, done: PassRecord | None) -> str:
    """Return in words when a library was last synced, and how that ended."""
    at, ending = last_pass(library, done)
    return ", ".join(filter(None, (ago(at), ending)))
