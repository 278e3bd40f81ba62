"""Whether servers are live: as words and as lines of text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from retrovue_daemon.units import ago, lasting, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.tables.live import LiveState

MOST_LINES: Final = 5
"""With more servers, `live_lines` only counts those that are live: a screen has little room above the table."""


def live_word(state: LiveState | None) -> str:
    """Return ``live`` or ``polling``; an empty string if that is unknown, or as the configuration says."""
    if state is None or (not state.is_live and (state.is_off or state.reason is None)):
        return ""
    return "live" if state.is_live else "polling"


def live_lines(states: Sequence[tuple[str, LiveState]]) -> list[str]:
    """Return lines that say which servers are live, and why others are not; ``states`` has the servers' names."""
    live = [(name, state) for name, state in states if live_word(state) == "live"]
    polling = [(name, state) for name, state in states if live_word(state) == "polling"]
    if len(live) + len(polling) > MOST_LINES:
        lines = [f"live      {len(live)} of {plural(len(states), 'server')}"]
        return lines + ([f"polling   {', '.join(name for name, _ in polling)}"] if polling else [])
    lines = [f"live      {name}: {', '.join(_facts(state))}" for name, state in live]
    for name, state in polling:
        lines.append(f"polling   {name}: {state.reason} (since {_since(state)})")
    hints = dict.fromkeys(state.hint for _, state in polling if state.hint)
    return lines + [f"          hint: {hint}" for hint in hints]


def live_cell(state: LiveState | None, *, fails: bool) -> list[str]:
    """Return the lines of a cell about one server; one that ``fails`` is not even polled, as its problem says."""
    if state is None or (fails and not state.is_live):
        return []
    if state.is_live:
        return _facts(state)
    if state.is_off:
        return ["off"]
    if state.reason is None:
        return ["connecting"]
    return [f"polling: {state.reason}", *([state.hint] if state.hint else [])]


def _facts(state: LiveState) -> list[str]:
    facts = [f"{state.channel} since {_since(state)}"]
    if state.last_frame_at is not None:
        facts.append(f"last notification {ago(min(state.last_frame_at, time.time()))}")
    if state.delay_ms is not None:
        facts.append(f"latest change after {state.delay_ms / 1000:.1f} s")
    if state.is_owner is None:
        facts.append("polled as often as before, because the server does not say whether the token is the owner's")
    elif not state.is_owner:
        facts.append("polled as often as before, because the token is not the owner's")
    if state.is_silent:
        facts.append("polled as often as before, because polls find what the server does not announce")
    return facts


def _since(state: LiveState) -> str:
    return lasting(max(0.0, time.time() - state.since))
