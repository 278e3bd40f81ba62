"""The result of a sync, per server; for programs as one JSON object and an exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from retrovue_daemon.errors import AmbiguousShow, DatabaseBusy, DatabaseHeld, PlexError, UnknownLibrary, UnknownShow
from retrovue_daemon.errors.selection import selects_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrovue_daemon.errors import DaemonError
    from retrovue_daemon.service.selection import Selection
    from retrovue_daemon.sync.discovery import Offer
    from retrovue_daemon.sync.verdict import PassReport


class LibraryDetails(NamedTuple):
    """How many items of a library were ``read`` in a round, and how many still wait for their details."""

    read: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class ServerReport:
    """The result of a sync for one server; ``error`` is set if the server could not be used at all.

    ``unknown`` are the entries of ``libraries`` in the configuration that match none of its libraries; only a sync
    of everything reports them. ``details`` are those that were read after the passes, by library.
    """

    server: str
    error: DaemonError | None = None
    offers: tuple[Offer, ...] = ()
    passes: tuple[PassReport, ...] = ()
    unknown: tuple[str, ...] = ()
    details: Mapping[int, LibraryDetails] = field(default_factory=dict)


def describe(error: DaemonError | None) -> dict[str, Any] | None:
    """Return an error as a JSON object."""
    if error is None:
        return None
    described: dict[str, Any] = {"type": type(error).__name__, "message": str(error), "hint": error.hint}
    if isinstance(error, AmbiguousShow):
        described |= {"years": list(error.years), "shows": [asdict(show) for show in error.shows]}
    return described


def summary(reports: Sequence[ServerReport], code: int) -> dict[str, Any]:
    """Return the object that ``sync --json`` prints: the counts of sync_runs per server and library."""
    return {
        "exit_code": code,
        "servers": [
            {
                "server": report.server,
                "error": describe(report.error),
                "offers": [
                    {name: getattr(offer, name) for name in offer.__struct_fields__} for offer in report.offers
                ],
                "unknown_libraries": list(report.unknown),
                "libraries": [
                    {
                        "library": done.library,
                        "run_id": done.run_id,
                        **done.run.values(),
                        "duration_s": done.duration_s,
                        **_details(report, done),
                    }
                    for done in report.passes
                ],
            }
            for report in reports
        ],
    }


def _details(report: ServerReport, done: PassReport) -> dict[str, int | None]:
    """Return how many items got their details and how many wait for theirs; None if a sync does not wait for that."""
    found = report.details.get(done.run.library_id)
    return {
        "details_read": None if found is None else found.read,
        "details_pending": None if found is None else found.pending,
    }


def shortfalls(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a (message, hint) pair per ``libraries`` entry that matched nothing."""
    found = []
    for server in result["servers"]:
        titles = ", ".join(repr(offer["title"].strip()) for offer in server.get("offers", ()))
        found += [
            (
                selects_nothing(entry, server["server"]),
                f"it has {titles or 'none'}",
            )
            for entry in server.get("unknown_libraries", ())
        ]
    return found


def idle_servers(result: dict[str, Any]) -> list[str]:
    """Return a line for each server that responded but has no library to sync, with the reasons."""
    found = []
    for server in result["servers"]:
        offers = server.get("offers", ())
        if not server["error"] and not server["libraries"] and all(offer["left_out"] for offer in offers):
            reasons = [f"{offer['title'].strip()!r} {offer['left_out']}" for offer in offers]
            why = "; ".join(reasons) or "it lists no libraries"
            found.append(f"there was nothing to sync on server {server['server']!r}: {why}")
    return found


def unmet(selection: Selection, result: dict[str, Any]) -> UnknownLibrary | UnknownShow | None:
    """Return an error if no server syncs the selected library or show, and set its exit code in the result."""
    found: UnknownLibrary | UnknownShow | None = None
    if not result["servers"] or any(server["error"] or server["libraries"] for server in result["servers"]):
        return None
    offers = [offer for server in result["servers"] for offer in server.get("offers", ())]
    meant = [
        offer
        for offer in offers
        if selection.library is None or selection.library.strip() in {offer["title"].strip(), offer["key"]}
    ]
    to_sync = [offer["title"].strip() for offer in offers if offer["left_out"] is None]
    if selection.show is not None and any(offer["left_out"] is None for offer in meant):
        found = UnknownShow(*selection.show)
    elif selection.library is not None:
        reason = next((offer["left_out"] for offer in meant), None)
        found = UnknownLibrary(selection.library, sorted(set(to_sync)), reason)
    elif selection.show is not None:
        found = UnknownShow(*selection.show)
    if found is not None:
        result["exit_code"] = found.exit_code
    return found


def exit_code(reports: Sequence[ServerReport]) -> int:
    """Return 0 if everything succeeded, 3 if no server was usable, 2 if the selection was ambiguous, otherwise 1.

    A configured library that its server does not have counts as a failure. If another program kept the database
    locked, the result is 75, which means that the same command may succeed later.
    """
    if any(isinstance(report.error, AmbiguousShow) for report in reports):
        return AmbiguousShow.exit_code
    if all(isinstance(report.error, PlexError) for report in reports):
        return 3
    errors = [report.error for report in reports] + [done.cause for report in reports for done in report.passes]
    if any(isinstance(error, DatabaseBusy | DatabaseHeld) for error in errors):
        return DatabaseBusy.exit_code
    clean = all(
        report.error is None and not report.unknown and all(done.run.status == "ok" for done in report.passes)
        for report in reports
    )
    return 0 if clean else 1
