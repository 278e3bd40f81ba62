"""The connection to one server's notifications: opening it, keeping it, and retrying after failures."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog

from retrovue_daemon.errors import NotificationsRefused, PlexError, RequestRefused, ServerBusy, Unauthorized
from retrovue_daemon.records import Refreshed
from retrovue_daemon.sources.plex.frames import read_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Never

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.records import Hint
    from retrovue_daemon.service.live.pending import PendingHints
    from retrovue_daemon.service.live.state import LiveStatus
    from retrovue_daemon.sources.plex.client import PlexClient
    from retrovue_daemon.sources.plex.notifications import Channel

FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 300.0
"""Seconds until the next connection after one that failed or did not last; each further failure doubles the wait."""

REFUSED_WAIT_S: Final = 300.0
"""Seconds until the next try after a refusal: a proxy that lets nothing pass will not do so in a moment."""

PROVEN_S: Final = 60.0
"""Seconds that a connection must have lasted before earlier failures are forgotten.

It is doubled each time that the server ceases to be live, until a connection has lasted for an hour: of connections
that come and go, neither a line each nor a poll each is of use.
"""

_MOST_DOUBLINGS: Final = 6

MOST_RECONNECTS: Final = 10
RECONNECTS_S: Final = 3600.0
"""More connections than that in so many seconds count as failures, because a poll follows each of them."""

_FAILURES_OF_A_CHANNEL: Final = 3
"""Connections in a row that failed or ended at once, after which the other channel is tried first."""

_UNAUTHORIZED_HINT: Final = "use the token of the server's owner; if the polls fail, too, check the token"

log = structlog.get_logger()


class LiveConnection:
    """Keeps one server's connection, and hands what it hints at to ``pending``.

    ``identify`` is awaited before each connection, as the token is shown to no other machine. ``connected`` is called
    after it, as nothing that was missed before is sent again, and ``heard`` after each frame.
    """

    def __init__(
        self,
        server: str,
        clock: Clock,
        status: LiveStatus,
        pending: PendingHints,
        identify: Callable[[PlexClient], Awaitable[None]],
        connected: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        self._server = server
        self._clock = clock
        self._status = status
        self._pending = pending
        self._identify = identify
        self._connected = connected
        self._heard = heard
        self._failures = 0
        self._troubles = 0
        """How often the server ceased to be live since the last connection that lasted for long."""
        self._opened: float | None = None
        self._made: deque[float] = deque(maxlen=MOST_RECONNECTS)
        self._proof_s = PROVEN_S
        self._channels: tuple[Channel, Channel] = ("websocket", "event stream")
        self._short = 0
        self._unreadable = False
        self.has_hinted = False
        """Whether the latest connection has brought any hint."""

    async def run(self, client: PlexClient) -> Never:
        """Keep a connection until cancelled."""
        try:
            while True:
                error = await self._use(client)
                # By the time they are due, another machine may have the address. The next connection begins with a
                # poll.
                self._pending.clear()
                lasted = None if self._opened is None else self._clock.monotonic() - self._opened
                self._opened = None
                await self._clock.sleep(self._wait_after(error, lasted))
        finally:
            self._opened = None

    def forget_failures(self) -> None:
        """Report the next connection at once, because a reload has just turned notifications on."""
        self._failures = self._short = self._troubles = 0

    async def _use(self, client: PlexClient) -> PlexError:
        """Use one connection until it is lost, over whichever channel the server offers; return why it ended."""
        refusals: list[NotificationsRefused] = []
        try:
            await self._identify(client)
        except PlexError as error:
            return error
        for channel in self._channels:
            try:
                await self._listen(client, channel)
            except NotificationsRefused as refusal:
                refusals.append(refusal)
            except Unauthorized as refusal:
                # Not always the token's fault: some servers send notifications to their owner only.
                refusals.append(NotificationsRefused(self._server, refusal.status, channel, hint=_UNAUTHORIZED_HINT))
            except PlexError as error:
                if self._opened is None:
                    self._note_length(0.0)  # the machine has just answered, so it is the channel that fails
                return error
        detail = "; ".join(refusal.detail for refusal in refusals)
        refusals[0].detail = detail
        return refusals[0]

    async def _listen(self, client: PlexClient, channel: Channel) -> Never:
        async with client.notifications.connect(channel) as frames:
            self._opened = self._clock.monotonic()
            is_owner = await client.is_owner()
            proof = asyncio.create_task(self._prove(channel, is_owner=is_owner), name=f"live proof {self._server}")
            try:
                self.has_hinted = False
                self._connected()
                async for raw in frames:
                    found = read_frame(raw.data, raw.event)
                    self._pending.note_frame()
                    self._pending.add(hint for hint in found.hints if not _is_echo(hint, client))
                    self._status.heard()
                    if found.hints:
                        self.has_hinted = True
                        self._status.announced(is_silent=False)
                    self._note_dropped(found.dropped + (not found.readable))
                    self._heard()
            finally:
                proof.cancel()
                await asyncio.gather(proof, return_exceptions=True)
        raise AssertionError("a connection ends with an error")

    async def _prove(self, channel: Channel, *, is_owner: bool | None) -> None:
        """Report the connection: at once, or, if earlier ones failed, when it has lasted."""
        if self._failures:
            await self._clock.sleep(self._proof_s)
        self._failures = self._short = 0
        if not self._status.latest.is_live:
            self._status.begin(channel, is_owner=is_owner)

    def _wait_after(self, error: PlexError, lasted: float | None) -> float:
        """Return the seconds until the next connection, and report the trouble when it begins.

        They are no fewer than the server demands.
        """
        pause = error.retry_after if isinstance(error, ServerBusy) else None
        return max(self._usual_wait(error, lasted), pause or 0.0)

    def _usual_wait(self, error: PlexError, lasted: float | None) -> float:
        now = self._clock.monotonic()
        if lasted is not None:
            self._made.append(now)
            self._note_length(lasted)
            if lasted >= RECONNECTS_S:
                self._troubles = 0
        too_many = len(self._made) == MOST_RECONNECTS and now - self._made[0] < RECONNECTS_S
        if lasted is not None and lasted >= PROVEN_S and not too_many:
            # Servers restart, and proxies end connections: not a failure, unless the next one fails.
            log.debug("server.disconnected", server=self._server, reason=str(error))
            return random.uniform(0.5, 1.5)  # noqa: S311 -- spreads load, guards nothing
        self._failures += 1
        if self._status.end(error):
            self._troubles += 1
            self._proof_s = PROVEN_S * 2 ** min(self._troubles - 1, _MOST_DOUBLINGS)
        if too_many:
            self._proof_s = max(self._proof_s, RECONNECTS_S / MOST_RECONNECTS)
        if too_many or isinstance(error, NotificationsRefused | RequestRefused):
            return REFUSED_WAIT_S * random.uniform(1.0, 1.2)  # noqa: S311 -- likewise
        wait: float = min(FIRST_WAIT_S * 2 ** (min(self._failures, 20) - 1), LONGEST_WAIT_S)
        return wait * random.uniform(0.75, 1.25)  # noqa: S311 -- likewise

    def _note_length(self, lasted: float) -> None:
        """After several connections that ended at once, try the other channel first: a proxy may spoil this one."""
        self._short = self._short + 1 if lasted < PROVEN_S else 0
        if self._short >= _FAILURES_OF_A_CHANNEL:
            self._short = 0
            self._channels = self._channels[1], self._channels[0]

    def _note_dropped(self, number: int) -> None:
        """Count what could not be read; log the first."""
        if not number:
            return
        self._status.dropped += number
        if not self._unreadable:
            self._unreadable = True
            log.warning(
                "events.unreadable",
                server=self._server,
                hint="a part of the server's notifications cannot be read; polls find what they were about",
            )


def _is_echo(hint: Hint, client: PlexClient) -> bool:
    """Return whether a server checked an item because we requested it; to follow that would never end."""
    return isinstance(hint, Refreshed) and hint.rating_key in client.requested
