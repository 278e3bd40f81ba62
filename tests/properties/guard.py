"""How a pass may end, as the rules of removal say: what must be held back, and what must not be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.properties.truth import KINDS_OF

if TYPE_CHECKING:
    from tests.properties.identity import History, Pairs
    from tests.properties.rounds import Round

LENIENT = True
"""As long as passes do not keep all of this: what slips between pages is not noticed; a row that takes the place of
another one that left as well stays until the next complete listing, unguarded, and may be the one with the higher id;
a show stays as long as an episode in another library."""

FLOOR = 20
"""So many removals within a day are let through; a fifth of these small libraries is never more."""

DAY_S = 24 * 60 * 60

SECONDS_OF_A_ROUND = 600
"""More than a round takes in fact: the monotonic clock is the real one."""

EITHER = frozenset({"ok", "blocked"})


def expected(library: str, done: Round, pairs: Pairs, history: History) -> frozenset[str]:
    """Return the statuses with which a full pass over a library may end where nothing disturbs it."""
    if library in done.scanning and library in done.ended.libraries:
        return frozenset({"incomplete"})
    if done.manner.accept_removals:
        return frozenset({"ok"})
    if library not in done.ended.libraries:
        return frozenset({"blocked"}) if _leaving(library, done, pairs)[0] else EITHER
    if LENIENT and any(done.before.items[pair.young].library == library for pair in pairs.passing):
        return EITHER
    fewest, most = _leaving(library, done, pairs)
    few_before, many_before = _left_recently(library, done, history)
    emptied = [kind for kind in KINDS_OF[done.ended.libraries[library]] if _is_empty(kind, library, done)]
    if any(_leaving(library, done, pairs, kind)[0] for kind in emptied) or (fewest and fewest + few_before > FLOOR):
        return frozenset({"blocked"})
    was_blocked = done.before.libraries.get(library, {}).get("state") == "blocked"
    if not most or (most + many_before <= FLOOR and not emptied and not was_blocked):
        return frozenset({"ok"})
    return EITHER


def _leaving(library: str, done: Round, pairs: Pairs, kind: str | None = None) -> tuple[int, int]:
    """Return how many rows of a library would go missing, at least and at most: those that are paired do not."""
    leaving = {
        (row.table, row.id)
        for key, row in done.before.present_in(library).items()
        if (key not in done.ended.items or key in pairs.away) and kind in {None, row.table}
    }
    sure, possible = ({pair.old for pair in some} for some in (pairs.must, pairs.may))
    taken_over = (done.before.items[pair.young] for pair in pairs.passing)
    possible |= {(row.table, row.id) for row in taken_over}
    return len(leaving - possible), len(leaving - sure)


def _left_recently(library: str, done: Round, history: History) -> tuple[int, int]:
    """Return how many rows left within a day, at least and at most.

    What was let go by a person need not count, nor what has come back.
    """
    since = done.after.observed - DAY_S
    accepted = history.accepted.get(library, 0)
    still_gone = [
        row
        for row in done.before.items.values()
        if row.library == library
        and (row.missing_since or 0) > accepted
        and (row.missing_observed or 0) > since + SECONDS_OF_A_ROUND
    ]
    library_id = done.before.libraries.get(library, {}).get("id")
    runs = [run for run in done.before.runs.values() if run["library_id"] == library_id]
    gone = sum(run["removed"] for run in runs if run["observed"] >= since)
    return len([row for row in still_gone if (row.table, row.key) not in done.ended.items]), gone


def _is_empty(kind: str, library: str, done: Round) -> bool:
    return not any(key[0] == kind for key in done.ended.of_library(library))
