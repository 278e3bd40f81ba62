"""A reload of the configuration, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.reloads import Reload


class ReloadProblemJson(msgspec.Struct, frozen=True):
    """A reason for refusing a configuration; ``path`` is the key's path, empty if it is about no key."""

    path: str
    message: str


class ReloadJson(msgspec.Struct, frozen=True):
    """A reload: its ``outcome`` is applied, unchanged or refused; the names are those of sections and servers."""

    at: int
    outcome: str
    before_start: bool
    sections: tuple[str, ...]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    problems: tuple[ReloadProblemJson, ...]
    hint: str | None


def reload_json(done: Reload) -> ReloadJson:
    """Return a reload."""
    return ReloadJson(
        at=done.at,
        outcome=done.outcome,
        before_start=done.before_start,
        sections=done.sections,
        added=done.added,
        changed=done.changed,
        removed=done.removed,
        problems=tuple(ReloadProblemJson(problem.path, problem.message) for problem in done.problems),
        hint=done.hint,
    )
