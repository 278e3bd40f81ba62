"""Contacting servers at the request of a person: bounded in time and number, and reported in our own words."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from retrovue_daemon.errors import (
    DaemonError,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerTimeout,
    ServerUnreachable,
    Unauthorized,
    WrongServer,
)
from retrovue_daemon.service.management.server_check import check_server, machine_at
from retrovue_daemon.sources.plex.retries import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from retrovue_daemon.config import ServerSection
    from retrovue_daemon.service.management.server_check import ServerCheck

MOST: Final = 4
"""Servers that are contacted at once."""

LONGEST_S: Final = 20.0
"""Seconds that a contact may take."""

_RETRY: Final = RetryPolicy(attempts=2)

_OWN: Final = (RequestRefused, ServerTimeout, ServerUnreachable, Unauthorized)
"""Errors whose texts hold nothing that a server has sent."""


class TooManyContactsError(Exception):
    """Other servers are being contacted."""


class Contacts:
    """Contacts servers with the checks of ``servers add``; link-local addresses are refused."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._running = 0

    async def check(self, section: ServerSection, machine: str | None = None) -> ServerCheck:
        """Return the check of a server that can be used. Raise PlexError or TooManyContactsError."""
        async with self._bounded(section.name):
            answer = await check_server(section, machine, whose_token=True, link_local=False, retry=_RETRY)
        if answer.error is not None:
            raise answer.error
        return answer

    async def machine(self, section: ServerSection) -> str:
        """Return the machineIdentifier of a server, requested without the token. Raises as `check` does."""
        async with self._bounded(section.name):
            return await machine_at(section, retry=_RETRY)

    @asynccontextmanager
    async def _bounded(self, server: str) -> AsyncIterator[None]:
        if self._running >= MOST:
            raise TooManyContactsError
        self._running += 1
        try:
            async with asyncio.timeout(self._longest_s):
                yield
        except TimeoutError:
            raise ServerTimeout(server, f"no complete response within {self._longest_s:g} s") from None
        finally:
            self._running -= 1


def own_words(error: DaemonError) -> str:
    """Return what is wrong with a server, without anything that it has sent: it may be another program's."""
    if isinstance(error, ServerBusy):
        return f"server {error.server!r} {error.summary}: HTTP {error.status}"
    if isinstance(error, WrongServer):
        return f"another Plex Media Server responds at the address of server {error.server!r}"
    if isinstance(error, PlexError) and not isinstance(error, _OWN):
        return f"server {error.server!r} {error.summary}"
    return str(error)
