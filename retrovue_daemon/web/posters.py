"""Posters for the page: from the cache, or from their server, which is neither pestered nor waited for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import structlog

from retrovue_daemon.errors import AnswerTooLarge, BadAnswer, PlexError, RequestRefused
from retrovue_daemon.sources.plex.pictures import Picture, is_picture_address, type_of
from retrovue_daemon.web.poster_cache import PosterCache, key_of

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.service.supervisor import Supervisor
    from retrovue_daemon.store.items.posters import Poster

SIZE: Final = (240, 360)
"""Pixels that a poster needs on a display with two per point."""

WAIT_S: Final = 5.0
"""Seconds that a browser waits for a poster; later, it comes with the next page. A browser has few connections."""

MOST_AT_ONCE: Final = 100
"""Posters that are requested or wait for their turn; more get no picture for now."""

SERVER_RESTS_S: Final = 30.0
"""Seconds without requests to a server that did not respond, or refused the token."""

POSTER_RESTS_S: Final = 600.0
"""Seconds until a poster is requested again that the server does not have, or that is no picture."""

_MOST_FAILED: Final = 2_000
_OF_ONE_POSTER: Final = (RequestRefused, BadAnswer, AnswerTooLarge)

log = structlog.get_logger()


class Posters:
    """Gets posters. ``directory`` is where they are kept, up to ``[web] poster_cache``."""

    def __init__(self, supervisor: Supervisor, directory: Path, clock: Clock) -> None:
        self._supervisor = supervisor
        self._clock = clock
        self._cache = PosterCache(directory)
        self._writing = asyncio.Lock()
        self._running: dict[str, asyncio.Task[Picture | None]] = {}
        self._resting: dict[int | str, float] = {}
        """Until when servers, by id, and posters, by key, are not requested; the oldest first."""
        self._is_kept = True
        self.clearing: asyncio.Task[None] | None = None
        """Removes all posters."""

    def key(self, poster: Poster) -> str | None:
        """Return what names a poster's picture; None if it has no address that may be requested."""
        if poster.address is None or not is_picture_address(poster.address):
            return None
        return key_of(poster.machine, poster.address, SIZE)

    async def get(self, poster: Poster) -> Picture | None:
        """Return the picture of a poster; None if there is none for now."""
        key = self.key(poster)
        if key is None:
            return None
        if self._most and (content := await asyncio.to_thread(self._cache.read, key)) is not None:
            content_type = type_of(content)
            if content_type is not None:
                return Picture(content, content_type)
            await asyncio.to_thread(self._cache.drop, key)
        if key not in self._running:
            if len(self._running) >= MOST_AT_ONCE or self._rests(poster.server_id) or self._rests(key):
                return None
            task = self._running[key] = asyncio.create_task(self._fetch(poster, key), name="poster")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        try:
            async with asyncio.timeout(WAIT_S):
                # Others may wait for it, too, and what is requested is worth keeping.
                return await asyncio.shield(self._running[key])
        except TimeoutError:
            return None

    def follow(self) -> None:
        """Begin to remove all posters if the configuration in force keeps none: there may be very many."""
        if not self._most and (self.clearing is None or self.clearing.done()):
            self.clearing = asyncio.create_task(self._clear(), name="posters")

    async def _clear(self) -> None:
        async with self._writing:
            with contextlib.suppress(OSError):  # what cannot be removed is not read either
                await asyncio.to_thread(self._cache.clear)

    async def close(self) -> None:
        """End all requests."""
        self._cache.close()
        tasks = [*self._running.values(), *([self.clearing] if self.clearing else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _most(self) -> int:
        return self._supervisor.config.web.poster_cache

    async def _fetch(self, poster: Poster, key: str) -> Picture | None:
        client = self._supervisor.client_of(poster.server_id)
        if client is None or poster.address is None:
            return None
        try:
            picture = await client.pictures.picture(poster.address, SIZE, poster.machine)
        except PlexError as error:
            # One that waited for its turn behind the first failure does not prolong the rest.
            if isinstance(error, _OF_ONE_POSTER):
                self._let_rest(key, POSTER_RESTS_S)
            elif not self._rests(poster.server_id):
                self._let_rest(poster.server_id, SERVER_RESTS_S)
            return None
        except RuntimeError:  # the session has ended meanwhile, by a reload
            return None
        await self._keep(key, picture.content)
        return picture

    async def _keep(self, key: str, content: bytes) -> None:
        if not self._most:
            return
        try:
            async with self._writing:
                await asyncio.to_thread(self._cache.keep, key, content, self._most)
        except OSError as error:
            if self._is_kept:
                log.warning(
                    "web.posters_not_kept",
                    error=error.strerror or str(error),
                    hint="the page requests each poster anew; check the disk of the database",
                )
            self._is_kept = False
        else:
            self._is_kept = True

    def _rests(self, what: int | str) -> bool:
        return self._resting.get(what, float("-inf")) > self._clock.monotonic()

    def _let_rest(self, what: int | str, seconds: float) -> None:
        self._resting.pop(what, None)
        self._resting[what] = self._clock.monotonic() + seconds
        while len(self._resting) > _MOST_FAILED:
            del self._resting[next(iter(self._resting))]
