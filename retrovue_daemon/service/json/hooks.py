"""A hook, and how far it has come, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from retrovue_daemon.config import HookSection
    from retrovue_daemon.store.tables.hooks import StoredHook


class HookJson(msgspec.Struct, frozen=True, kw_only=True):
    """A hook: what it gets and calls, if that is known, and how far it has come, if a daemon has known it."""

    name: str
    on: tuple[str, ...] | UnsetType = UNSET
    target: str | UnsetType = UNSET
    is_signed: bool | UnsetType = UNSET
    timeout_s: float | UnsetType = UNSET
    wait_s: float | UnsetType = UNSET
    delivered_at: int | None = None
    seq: int | None = None
    changes_behind: int | None = None
    events_behind: int | None = None
    events_dropped: int | None = None
    resync: bool | None = None
    error: str | None = None
    failing_since: int | None = None
    next_try_at: int | None = None


def hook_json(
    name: str, stored: StoredHook | None, section: HookSection | None = None, *, trouble: str | None = None
) -> HookJson:
    """Return a hook of the database, of the configuration, or both; ``trouble`` is why it cannot be called now."""
    hook = HookJson(name=name, error=trouble)
    if section is not None:
        hook = msgspec.structs.replace(
            hook,
            on=tuple(section.on),
            target=section.target.shown,
            is_signed=section.secret_file is not None,
            timeout_s=section.timeout,
            wait_s=section.wait,
        )
    if stored is None:
        return hook
    return msgspec.structs.replace(
        hook,
        delivered_at=stored.delivered_at,
        seq=stored.seq,
        changes_behind=stored.behind,
        events_behind=stored.events,
        events_dropped=stored.events_dropped,
        resync=stored.reads_anew,
        error=stored.last_error or trouble,
        failing_since=stored.failing_since,
        next_try_at=stored.next_try_at,
    )
