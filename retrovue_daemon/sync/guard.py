"""The guard against mass removals: how many items may go missing before a person must confirm it.

Nothing is removed on doubt: a server whose disk is not mounted looks like one whose films were all deleted.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from retrovue_daemon.store.items.sweep import present
from retrovue_daemon.store.tables.runs import blocked_since, removed_since

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.records import Kind
    from retrovue_daemon.sync.target import LibraryTarget, PassContext

GUARD_FLOOR = 20
"""This many removals are always applied as long as something remains: a small library soon exceeds a fraction."""

GUARD_WINDOW = 24 * 60 * 60
"""Seconds over which removals add up, so that a library cannot trickle away below the guard."""


def refusal_of(
    connection: sqlite3.Connection,
    context: PassContext,
    library: LibraryTarget,
    leaving: Mapping[Kind, Sequence[int]],
    before: int | None,
    *,
    vanished: bool,
    waiting: int,
) -> str | None:
    """Return why these removals must wait for a person, or None; no kind of item may vanish as a whole.

    Time alone ends no refusal: the window of a library that is held back is the one in which that began. It is
    counted by the observed clock: a wall clock that jumps forward ends no window.
    """
    has = {kind: present(connection, kind, library.row.id) for kind in leaving}
    if vanished:
        return f"the server no longer lists this library, which had {sum(has.values())} items"
    # What left exactly a window ago is outside: a weekly sync observes one day from one to the next.
    now = context.observed.now()
    since = now - GUARD_WINDOW + 1
    if library.row.state == "blocked":
        began = blocked_since(connection, library.row.id)
        since = min(since, began - GUARD_WINDOW) if began is not None else since
    recently = removed_since(connection, library.row.id, since, now)
    max_removed = context.settings.max_removed
    for kind, ids in leaving.items():
        if ids and len(ids) == has[kind]:
            return guard(present=has[kind], leaving=len(ids), left_recently=recently, max_removed=max_removed)
    return guard(
        present=sum(present(connection, kind, library.row.id, before) for kind in leaving),
        leaving=sum(map(len, leaving.values())) + waiting,
        left_recently=recently,
        max_removed=max_removed,
        emptied=False,
    )


def accept_hint(server: str, library: str, *, owner: bool | None = None) -> str:
    """Return what to do about removals that are held back in a library, given by its title or key.

    ``owner`` is whether the token is that of the server's owner; None if unknown.
    """
    command = f"retrovue-daemon sync -s {shlex.quote(server)} -l {shlex.quote(library)} --accept-removals"
    if owner is False:
        return (
            "the token is not, or no longer, that of the server's owner, so the items may only be hidden from it:"
            f" set the owner's token; if they are really gone, run: {command}"
        )
    return f"if these items are really gone, run: {command}"


def guard(
    *, present: int, leaving: int, left_recently: int, max_removed: float, emptied: bool | None = None
) -> str | None:
    """Return why these removals need confirmation, or None.

    ``leaving`` of the ``present`` rows were not listed, and ``left_recently`` rows went missing within GUARD_WINDOW
    before. ``emptied`` says whether nothing remains; give it if ``present`` does not count all current rows.
    ``max_removed`` is a fraction of the library's size at the start of that window.
    """
    if leaving == 0:
        return None
    if leaving == present if emptied is None else emptied:
        return f"the server lists none of the {present} known items"
    allowed = max(GUARD_FLOOR, int((present + left_recently) * max_removed))
    if leaving + left_recently > allowed:
        recently = f", after {left_recently} within a day" if left_recently else ""
        return f"{leaving} of {present} items would be removed{recently}; the limit is {allowed}"
    return None
