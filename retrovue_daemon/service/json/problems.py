"""What is wrong, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.service.status import Finding
    from retrovue_daemon.store.tables.problems import Problem


class ProblemJson(msgspec.Struct, frozen=True):
    """What is wrong with a server, since when, and when it is tried again; ``type`` is the name of the error."""

    type: str
    message: str
    hint: str | None
    since: int | None
    next_try_at: int | None


class FindingJson(msgspec.Struct, frozen=True):
    """Something that is wrong with a server, with one library of it, or with the daemon."""

    server: str | None
    library: str | None
    type: str
    message: str
    hint: str | None
    since: int | None
    next_try_at: int | None


def problem_json(problem: Problem | None) -> ProblemJson | None:
    """Return a problem, if there is one."""
    if problem is None:
        return None
    return ProblemJson(problem.kind, problem.message, problem.hint, problem.since, problem.next_try_at)


def finding_json(finding: Finding) -> FindingJson:
    """Return a finding."""
    problem = finding.problem
    return FindingJson(
        finding.server,
        finding.library,
        problem.kind,
        problem.message,
        problem.hint,
        problem.since,
        problem.next_try_at,
    )
