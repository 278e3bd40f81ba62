"""Errors of hooks."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class HookFailed(DaemonError):
    """A hook could not deliver; ``detail`` says why, and names neither the address nor the arguments.

    A ``lasting`` failure needs a person, so that it is retried rarely. ``retry_after`` are the seconds that the
    receiver demands, or None. ``too_large`` says that it would accept less at a time, ``is_slow`` that it might: it
    was still busy with the content when the time was up or the connection ended.
    """

    def __init__(
        self,
        detail: str,
        *,
        hint: str | None = None,
        lasting: bool = False,
        retry_after: float | None = None,
        too_large: bool = False,
        is_slow: bool = False,
    ) -> None:
        super().__init__(detail, hint=hint)
        self.detail = detail
        self.lasting = lasting
        self.retry_after = retry_after
        self.too_large = too_large
        self.is_slow = is_slow

    def __str__(self) -> str:
        return self.detail
