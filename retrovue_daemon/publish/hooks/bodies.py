"""What a hook sends: one JSON object, and its signature."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrovue_daemon.store.named_changes import FeedChange
    from retrovue_daemon.store.next_changes import NextChanges
    from retrovue_daemon.store.tables.hook_events import WaitingEvents

BodyType: TypeAlias = Literal["changes", "events", "test"]


class Body(msgspec.Struct, frozen=True):
    """The object that a hook sends; docs/hooks.md describes the keys."""

    hook: str
    type: BodyType
    feed_id: str | None
    first_seq: int | None = None
    last_seq: int | None = None
    resync: bool = False
    changes: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    events_dropped: int = 0

    def encoded(self) -> bytes:
        """Return it as JSON in UTF-8."""
        try:
            return msgspec.json.encode(self)
        except UnicodeEncodeError:
            # Python represents a byte that is no text as a lone surrogate, which JSON can only hold as an escape.
            return json.dumps(msgspec.to_builtins(self)).encode()


def changes_body(hook: str, found: NextChanges) -> Body:
    """Return the body for the next changes."""
    return Body(
        hook,
        "changes",
        found.feed_id,
        first_seq=found.changes[0].seq if found.changes else None,
        last_seq=found.last_seq,
        resync=found.resync,
        changes=[change._asdict() for change in found.changes],
    )


def events_body(hook: str, feed_id: str, waiting: WaitingEvents) -> Body:
    """Return the body for waiting events."""
    return Body(hook, "events", feed_id, events=waiting.events, events_dropped=waiting.dropped)


def example_body(hook: str, feed_id: str | None, changes: Sequence[FeedChange]) -> Body:
    """Return a body with which a receiver can be tried."""
    seqs = [change.seq for change in changes]
    return Body(
        hook,
        "test",
        feed_id,
        first_seq=min(seqs, default=None),
        last_seq=max(seqs, default=None),
        changes=[change._asdict() for change in changes],
    )


def signature(key: bytes, body: bytes) -> str:
    """Return the value of X-Retrovue-Signature: the HMAC-SHA256 of the body as it is sent."""
    return f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"
