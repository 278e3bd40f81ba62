"""Errors of hooks."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class HookFailed(DaemonError):
    """A hook could not deliver; ``detail`` says why, and names neither the address nor the arguments.

    A ``lasting`` failure needs a person, so that it is retried rarely. ``retry_after`` are the seconds that the
    receiver demands, or None. ``too_large`` says that it would accept less at a time.
    """

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        lasting: bool = False,
        retry_after: float | None = None,
        too_large: bool = False,
    ) -> None:
        super().__init__(detail, hint=hint)
        self.detail = detail
        self.lasting = lasting
        self.retry_after = retry_after
        self.too_large = too_large

    def __str__(self) -> str:
        return self.detail
