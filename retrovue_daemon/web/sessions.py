"""Sessions of browsers that have sent the token. They are kept in memory, and end with the daemon."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.clock import Clock
    from retrovue_daemon.config import Secret

MOST = 200
"""Sessions at once; the one that was not used for the longest time ends first."""

MOST_NOTES = 5
LONGEST_NOTE = 1_000

IDLE_S = 7 * 86_400.0
LONGEST_S = 30 * 86_400.0


class Session(msgspec.Struct, eq=False):
    """A signed-in browser; ``id`` is the value of its cookie, ``notes`` are shown by the next page that it loads."""

    id: str
    began: float
    used: float
    notes: list[str] = msgspec.field(default_factory=list)

    def note(self, text: str) -> None:
        """Let the next page show what was done."""
        self.notes = [*self.notes, text[:LONGEST_NOTE]][-MOST_NOTES:]

    def take_notes(self) -> list[str]:
        """Return the notes, which are shown once."""
        notes, self.notes = self.notes, []
        return notes


class Sessions:
    """The sessions, and the token that opens them.

    ``ended`` is called with each session that ends.
    """

    def __init__(self, token: Secret | None, clock: Clock, ended: Callable[[Session], None] = lambda _: None) -> None:
        self._clock = clock
        self._ended = ended
        self._digest = _digest_of(token)
        self._key = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    @property
    def has_token(self) -> bool:
        """Whether a token is configured; without one, there are no sessions."""
        return self._digest is not None

    def is_token(self, text: str) -> bool:
        """Return whether a text is the token, in a time that does not depend on how much of it is right."""
        given = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return hmac.compare_digest(given, self._digest or bytes(32)) and self._digest is not None

    def begin(self) -> Session:
        """Begin a session, with a new random id."""
        now = self._clock.monotonic()
        session = Session(secrets.token_urlsafe(32), now, now)
        self._sessions[session.id] = session
        while len(self._sessions) > MOST:
            self.end(next(iter(self._sessions.values())))
        return session

    def find(self, session_id: str | None) -> Session | None:
        """Return the session of a cookie, which counts as used now; None if it is unknown or over."""
        session = self._sessions.get(session_id or "")
        if session is None:
            return None
        now = self._clock.monotonic()
        if now - session.used > IDLE_S or now - session.began > LONGEST_S:
            self.end(session)
            return None
        session.used = now
        self._sessions.move_to_end(session.id)
        return session

    def end(self, session: Session) -> None:
        """End a session."""
        if self._sessions.pop(session.id, None) is not None:
            self._ended(session)

    def use_token(self, token: Secret | None) -> bool:
        """Require a token from now on; if it is another one, all sessions end. Return whether it is."""
        digest = _digest_of(token)
        if digest == self._digest:
            return False
        self._digest = digest
        for session in list(self._sessions.values()):
            self.end(session)
        return True

    def form_token(self, cookie: str) -> str:
        """Return the token of the forms of a session, or of a browser that has a cookie but no session yet."""
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()


def _digest_of(token: Secret | None) -> bytes | None:
    text = "" if token is None else token.reveal()
    return hashlib.sha256(text.encode()).digest() if text else None
