"""The exit code of a sync; an error that ends a command has its own (``DaemonError.exit_code``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrovue_daemon.errors import AmbiguousShow, DatabaseBusy, DatabaseHeld, PlexError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.service.report import ServerReport


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
