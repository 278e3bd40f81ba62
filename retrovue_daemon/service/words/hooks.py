"""How far hooks have come: as words and as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from retrovue_daemon.units import ago, moment, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.tables.hooks import StoredHook

MOST_LINES: Final = 5
"""With more hooks, `hook_lines` only lists those that fail, and counts the others."""


def hook_state(hook: StoredHook | None, trouble: str | None = None) -> str:
    """Return how far a hook has come, and why it fails; None is one that no daemon has known yet.

    ``trouble`` is why it could not be called now.
    """
    parts = [] if trouble is None else [f"cannot be called: {trouble}"]
    if hook is None:
        return "; ".join([*parts, "begins when the daemon starts or reloads"])
    if hook.last_error is not None:
        parts.append(f"fails since {moment(hook.failing_since)}: {hook.last_error}")
    parts += [
        f"{plural(number, word)} to deliver"
        for number, word in ((hook.behind or 0, "change"), (hook.events, "event"))
        if number
    ]
    if hook.reads_anew:
        parts.append("the receiver will be asked to read everything anew")
    parts.append("nothing delivered yet" if hook.delivered_at is None else f"delivered {ago(hook.delivered_at)}")
    return "; ".join(parts)


def hook_lines(hooks: Sequence[StoredHook]) -> list[str]:
    """Return lines about hooks for `status`."""
    failing = [hook for hook in hooks if hook.last_error is not None]
    if len(hooks) <= MOST_LINES:
        return [f"hook      {hook.name}: {hook_state(hook)}" for hook in hooks]
    return [
        f"hooks     {len(hooks) - len(failing)} of {len(hooks)} without failures",
        *(f"hook      {hook.name}: {hook_state(hook)}" for hook in failing),
    ]
