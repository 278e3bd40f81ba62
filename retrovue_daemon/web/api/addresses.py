"""All addresses of the API with their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.web.api import (
    changes,
    daemon,
    events,
    items,
    libraries,
    library_changes,
    mapping_changes,
    mappings,
    passes,
    server_changes,
    servers,
    status,
    syncs,
)
from retrovue_daemon.web.api.operations import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "/api/v1"


class Address(msgspec.Struct, frozen=True):
    """An address below the prefix, with its operations by method."""

    path: str
    get: Operation | None = None
    post: Operation | None = None
    patch: Operation | None = None
    delete: Operation | None = None

    @property
    def operations(self) -> Mapping[str, Operation]:
        """The operations by method, in small letters."""
        found = {"get": self.get, "post": self.post, "patch": self.patch, "delete": self.delete}
        return {method: operation for method, operation in found.items() if operation is not None}

    @property
    def is_stream(self) -> bool:
        """Whether the response to GET goes on until the client is gone."""
        return self.get is not None and self.get.media_type == "text/event-stream"


ADDRESSES: Final = (
    Address("/status", get=status.show),
    Address("/servers", get=servers.show_all, post=server_changes.add),
    Address("/servers/{id}", patch=server_changes.change, delete=server_changes.remove),
    Address("/servers/{id}/machine", post=server_changes.look_at_machine),
    Address("/servers/{id}/accept-identity", post=server_changes.accept_identity),
    Address("/libraries", get=libraries.show_all),
    Address("/libraries/{id}", patch=library_changes.change),
    Address("/libraries/{id}/removals", get=library_changes.show_removals),
    Address("/items", get=items.find),
    Address("/items/{kind}/{id}", get=items.show),
    Address("/mappings", get=mappings.show_all, post=mapping_changes.add),
    Address("/mappings/{id}", patch=mapping_changes.change, delete=mapping_changes.remove),
    Address("/mappings/coverage", get=mappings.show_coverage),
    Address("/mappings/test", post=mapping_changes.try_path),
    Address("/syncs", post=syncs.request_sync),
    Address("/syncs/{id}", get=syncs.show),
    Address("/passes", get=passes.show),
    Address("/outages", get=passes.show_outages),
    Address("/progress", get=daemon.show_progress),
    Address("/changes", get=changes.show),
    Address("/events", get=events.follow),
    Address("/hooks", get=daemon.show_hooks),
    Address("/publishing", get=daemon.show_publishing),
    Address("/reloads", get=daemon.show_reloads),
)
