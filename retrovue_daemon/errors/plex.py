"""Errors of requests to a Plex server."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class PlexError(DaemonError):
    """Something that kept one request to one server from being answered; ``server`` is its name, ``detail`` why."""

    summary = "failed"

    def __init__(self, server: str, detail: str = "", *, hint: str | None = None) -> None:
        super().__init__(server, detail, hint=hint)
        self.server = server
        self.detail = detail

    def __str__(self) -> str:
        return f"server {self.server!r} {self.summary}" + (f": {self.detail}" if self.detail else "")


class ServerUnreachable(PlexError):
    """No connection could be made, or it broke before the answer was whole."""

    summary = "cannot be reached"
    hint = "check that the server runs and that url is its address and port (usually 32400)"


class AnswerBrokeOff(ServerUnreachable):
    """The connection was made, but closed before the answer was whole, or before there was any."""


class ServerTimeout(PlexError):
    """The server took longer than the configured timeout."""

    summary = "did not answer in time"
    hint = "the server may be busy; raise its timeout if this happens often"


class ServerBusy(PlexError):
    """408, 429 or 5xx (but 501) after all tries; ``retry_after``: the seconds that the server asked for, or None."""

    summary = "cannot answer now"

    def __init__(self, server: str, status: int, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(server, f"HTTP {status}" + (f", {detail}" if detail else ""))
        self.status = status
        self.retry_after = retry_after


class Unauthorized(PlexError):
    """401 or 403, confirmed by a second try."""

    summary = "refuses the token"
    hint = "check the token: https://support.plex.tv/articles/204059436 says how to find a valid one"

    def __init__(self, server: str, status: int) -> None:
        super().__init__(server, f"HTTP {status}")
        self.status = status


class RequestRefused(PlexError):
    """Any other 4xx, or a redirect, which is never followed because it would carry the token to another host."""

    summary = "refused a request"

    def __init__(self, server: str, status: int, path: str, *, hint: str | None = None) -> None:
        super().__init__(server, f"HTTP {status} for {path}", hint=hint)
        self.status = status
        self.path = path


class BadAnswer(PlexError):
    """The answer is no readable MediaContainer: HTML, another program's JSON, broken, too large."""

    summary = "does not answer like a Plex Media Server"
    hint = "check that url is the address of a Plex Media Server and not of another program"


class PagingIgnored(PlexError):
    """The server repeats the first page wherever a page is asked to start; nothing may be concluded from that."""

    summary = "ignores X-Plex-Container-Start"
    hint = "a proxy between here and the server may drop query arguments or headers"


class WrongServer(PlexError):
    """The address answers with another machineIdentifier than the rows of this server were read from."""

    summary = "is another Plex Media Server than before"

    def __init__(self, server: str, expected: str, found: str) -> None:
        super().__init__(
            server,
            f"machineIdentifier {found!r} instead of {expected!r}",
            hint="nothing was written; check url, or give the new server an entry with a name of its own; if this one"
            f" was installed anew, run: retrovue-daemon servers accept-identity {server!r}",
        )
        self.expected = expected
        self.found = found


class DuplicateServer(PlexError):
    """Two active entries lead to the same machine; ``other`` is the name of the one that had it first."""

    summary = "is already there under another name"
    hint = "remove one of the two entries"

    def __init__(self, server: str, other: str) -> None:
        super().__init__(server, f"{other!r} has the same machineIdentifier")
        self.other = other


class ServerForgotten(PlexError):
    """Another program has deleted the server's row, so there is nothing to write its items below."""

    summary = "is no longer in plex_servers"
    hint = "restart, and the configuration's servers are entered again"


class ServerWithdrawn(PlexError):
    """What was asked for was not done: the server is no longer synced, or the daemon is about to end."""

    summary = "is not synced any more"
    hint = "ask again, if it is still configured"


class WrongLibrary(PlexError):
    """A page says that it belongs to another library than was asked for; nothing of it was written."""

    summary = "sent a listing of another library"

    def __init__(self, server: str, expected: str, found: str) -> None:
        super().__init__(server, f"uuid {found} instead of {expected}")
        self.expected = expected
        self.found = found
