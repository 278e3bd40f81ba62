"""An outage of a server, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from retrovue_daemon.store.tables.outages import Outage


class OutageJson(msgspec.Struct, frozen=True):
    """A past time in which a server could not be used; ``type`` is the name of the error."""

    server: str
    type: str
    message: str
    since: int
    until: int


def outage_json(outage: Outage) -> OutageJson:
    """Return an outage."""
    return OutageJson(outage.server, outage.type, outage.message, outage.since, outage.until)
