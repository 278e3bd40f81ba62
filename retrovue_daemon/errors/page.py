"""Errors of the page."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class PageUnavailable(DaemonError):
    """The page cannot be served at ``address``, for a reason of the system."""

    exit_code = 75

    def __init__(self, address: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(address, reason, hint=hint)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"web.listen: cannot serve the page at {self.address}: {self.reason}"
