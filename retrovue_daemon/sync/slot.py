"""The slot that a pass holds while it reads: the service limits how many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

T = TypeVar("T")


class Slot(Protocol):
    """A slot of a pass; an async context manager that waits for the slot and holds it during the block."""

    async def __aenter__(self) -> object:
        """Wait for the slot."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release it."""

    async def wait_for(self, response: Awaitable[T]) -> T:
        """Return a server's response. If it takes long, other passes may use the slot until it arrives."""


class Unlimited:
    """A slot that is always free."""

    async def __aenter__(self) -> None:
        """Take it."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave it."""

    async def wait_for(self, response: Awaitable[T]) -> T:
        """Return a server's response."""
        return await response


UNLIMITED: Final = Unlimited()
