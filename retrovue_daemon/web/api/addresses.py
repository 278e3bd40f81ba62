"""All addresses of the API with their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.web.api import library_changes, mapping_changes, server_changes, status, syncs
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
    Address("/servers", post=server_changes.add),
    Address("/servers/{id}", patch=server_changes.change, delete=server_changes.remove),
    Address("/servers/{id}/machine", post=server_changes.look_at_machine),
    Address("/servers/{id}/accept-identity", post=server_changes.accept_identity),
    Address("/libraries/{id}", patch=library_changes.change),
    Address("/libraries/{id}/removals", get=library_changes.show_removals),
    Address("/mappings", post=mapping_changes.add),
    Address("/mappings/{id}", patch=mapping_changes.change, delete=mapping_changes.remove),
    Address("/mappings/test", post=mapping_changes.try_path),
    Address("/syncs", post=syncs.request_sync),
    Address("/syncs/{id}", get=syncs.show),
)
