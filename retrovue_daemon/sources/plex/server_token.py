"""The token of one server: sent in a header, and read from its file again if the server refuses it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from retrovue_daemon.config.tokens import renewed
from retrovue_daemon.errors import ConfigError, PlexError, TokenUnreadable, WrongServer
from retrovue_daemon.logs.setup import redactor_in_use
from retrovue_daemon.sources.plex.repeated_token import RepeatedTokens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from retrovue_daemon.config import Secret, ServerSection
    from retrovue_daemon.errors import Unauthorized
    from retrovue_daemon.logs.redaction import Redactor

log = structlog.get_logger()


class ServerToken:
    """The ``current`` token of a server. ``redactor`` and that of the log learn each token before it is sent."""

    def __init__(self, server: ServerSection, redactor: Redactor) -> None:
        self.current = server.token
        self.stranger: tuple[str, str] | None = None
        """The machineIdentifier that the server should have and the one found at its address, if they differ."""
        self.confirm: Callable[[], Awaitable[object]] | None = None
        """Raises PlexError unless the machine is still the one that the refused token was sent to."""
        self._server = server.name
        self._redactor = redactor
        self._sent = RepeatedTokens()
        self._sent.learn(server.token.reveal())
        redactor.learn(server.token.reveal())

    def header(self) -> dict[str, str]:
        """Return the header of a request. Raise PlexError if no header can hold the token.

        Raise WrongServer while another machine is at the address, TokenUnreadable if there is no token.
        """
        if self.stranger is not None:
            raise WrongServer(self._server, *self.stranger)
        if self.current.missing is not None:
            raise TokenUnreadable(self._server, self.current.missing)
        text = self.current.reveal()
        if not text.isprintable():
            # aiohttp would refuse such a header; no part of the token may be sent or shown.
            raise PlexError(self._server, "the token holds control characters", hint="check the token")
        return {"X-Plex-Token": text}

    async def replaces(self, refused: Secret, refusal: Unauthorized) -> bool:
        """Return whether there is another token than the refused one: its file may contain a newer one by now.

        If the file cannot be read, the hint of ``refusal`` says so. Another machine may be at the address by now,
        which refuses any token: raise WrongServer if so.
        """
        try:
            # In a thread, because the file may be on a slow disk.
            found = await asyncio.to_thread(renewed, self.current) if self.current == refused else None
        except ConfigError as error:
            if refused.missing is None:
                refusal.hint = f"{refusal.hint}; {error}"
            return False
        if found is not None and self.current == refused and self.confirm is not None:
            await self.confirm()
        # Meanwhile, another request may have replaced the token.
        if found is not None and self.current == refused:
            for redactor in (self._redactor, redactor_in_use()):
                redactor.learn(found.reveal())
            self.current = found
            self._sent.learn(found.reveal())
            log.info("server.token_renewed", server=self._server)
        return self.current != refused

    async def hidden_in(self, body: bytes) -> bytes:
        """Return a response without the token, which a server or proxy may repeat, as in an id or a path.

        What comes from it is stored, printed and used in further requests: it must not have to be hidden there.
        """
        return await self._sent.hidden_in(body)
