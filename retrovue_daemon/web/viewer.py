"""Who sent a request: what handlers and templates know about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from retrovue_daemon.web.sessions import Session


class Viewer(msgspec.Struct, frozen=True):
    """Who sent a request.

    ``by_header`` means that it carries the token itself, as programs do. ``cookie`` is what its forms are bound to:
    the session's id, or a value that a browser without a session has.
    """

    cookie: str
    session: Session | None = None
    by_header: bool = False
    is_local: bool = False
    can_manage: bool = False
    """Whether the configuration allows anyone to manage."""
    why_not: str = ""
    """If not, what to do about that."""

    @property
    def is_signed_in(self) -> bool:
        """Whether the token was sent, now or at the beginning of the session."""
        return self.session is not None or self.by_header

    @property
    def may_read(self) -> bool:
        """Whether it may read."""
        return self.is_local or self.is_signed_in

    @property
    def may_manage(self) -> bool:
        """Whether it may change something."""
        return self.can_manage and self.is_signed_in


STRANGER: Final = Viewer("")

VIEWER: Final = web.RequestKey("viewer", Viewer)


def viewer_of(request: web.Request) -> Viewer:
    """Return who sent a request; a stranger before that was found out."""
    return request.get(VIEWER) or STRANGER
