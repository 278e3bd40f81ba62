"""All addresses of the API with their operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from retrovue_daemon.web.api import status
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


ADDRESSES: Final = (Address("/status", get=status.show),)
