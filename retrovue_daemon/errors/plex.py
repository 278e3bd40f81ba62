"""Errors of requests to a Plex server."""

from __future__ import annotations

from retrovue_daemon.errors.base import DaemonError


class PlexError(DaemonError):
    """A request to a server failed; ``server`` is the server's name, ``detail`` the reason."""

    summary = "failed"

    def __init__(self, server: str, detail: str = "", *, hint: str | None = None) -> None:
        super().__init__(server, detail, hint=hint)
        self.server = server
        self.detail = detail

    def __str__(self) -> str:
        return f"server {self.server!r} {self.summary}" + (f": {self.detail}" if self.detail else "")


class ServerUnreachable(PlexError):
    """The connection failed, or was lost before the response was complete."""

    summary = "cannot be reached"
    hint = "check that the server is running and that url has the right host and port (usually 32400)"


class AnswerBrokeOff(ServerUnreachable):
    """The server accepted the connection, but closed it before the response was complete, or before it began."""

    @property
    def reported_as(self) -> str:
        """The same as for a connection that failed: a server that stops does both, one after the other."""
        return ServerUnreachable.__name__


class ServerTimeout(PlexError):
    """The server took longer than the configured timeout."""

    summary = "did not respond in time"
    hint = "the server may be busy; if this happens often, raise its timeout"


class ServerBusy(PlexError):
    """408, 429 or 5xx (except 501) after all retries; ``retry_after``: the server's own value in seconds, or None."""

    summary = "is temporarily unavailable"

    def __init__(self, server: str, status: int, detail: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(server, f"HTTP {status}" + (f", {detail}" if detail else ""))
        self.status = status
        self.retry_after = retry_after


class Unauthorized(PlexError):
    """401 or 403, confirmed by a second request."""

    summary = "rejected the token"
    hint = "check the token; https://support.plex.tv/articles/204059436 explains how to find a valid one"

    def __init__(self, server: str, status: int) -> None:
        super().__init__(server, f"HTTP {status}")
        self.status = status


class TokenUnreadable(Unauthorized):
    """The file with the server's token cannot be read, so nothing was requested with one."""

    summary = "has no token"
    hint = "put the file back; it is read again at each try"

    def __init__(self, server: str, why: str) -> None:
        PlexError.__init__(self, server, f"token_file {why}")
        self.status = 401

    @property
    def reported_as(self) -> str:
        """The same as for a token that is refused: the server cannot be used until a person mends it."""
        return Unauthorized.__name__


class RequestRefused(PlexError):
    """Any other 4xx, or a redirect; redirects are never followed, since they could send the token to another host."""

    summary = "rejected a request"

    def __init__(self, server: str, status: int, path: str, *, hint: str | None = None) -> None:
        super().__init__(server, f"HTTP {status} for {path}", hint=hint)
        self.status = status
        self.path = path


class NotificationsRefused(PlexError):
    """The server, or a proxy in front of it, does not offer notifications on a channel."""

    summary = "sends no notifications"
    hint = "if a proxy is in front of the server, let it pass upgrades to websockets (docs/live.md)"

    def __init__(self, server: str, status: int, channel: str, *, hint: str | None = None) -> None:
        super().__init__(server, f"HTTP {status} for the {channel}", hint=hint)
        self.status = status


class BadAnswer(PlexError):
    """The response is not a readable MediaContainer: HTML, another program's JSON, truncated, or too large."""

    summary = "does not respond like a Plex Media Server"
    hint = "check that url is the address of a Plex Media Server, not of another program"


class AnswerTooLarge(BadAnswer):
    """A response is larger, or holds more, than one to this request may; requesting fewer entries may help."""

    summary = "sent too much at once"
    hint = "a page that is too large is requested in halves; if this stays, the server or its metadata is damaged"


class PagingIgnored(PlexError):
    """The server returns the first page for every offset, so its listing proves nothing."""

    summary = "ignores X-Plex-Container-Start"
    hint = "a proxy in front of the server may drop query arguments or headers"


class EndlessListing(PlexError):
    """A listing or a search has more entries than any library; what came before is kept."""

    summary = "sent a listing without an end"
    hint = "the server may be damaged, or something else answers in its place; for a search, use a longer title"


class WrongServer(PlexError):
    """The address belongs to another machineIdentifier than the one that this server's rows were read from."""

    summary = "is not the same Plex Media Server as before"

    def __init__(self, server: str, expected: str, found: str) -> None:
        super().__init__(
            server,
            f"machineIdentifier {found!r} instead of {expected!r}",
            hint="nothing was written; if url is wrong, correct it; if this is a new server, add it under another"
            f" name; if Plex was reinstalled, run: retrovue-daemon servers accept-identity {server!r}",
        )
        self.expected = expected
        self.found = found


class DuplicateServer(PlexError):
    """Two active entries are the same machine; ``other`` is the name of the entry that was there first."""

    summary = "is already defined under another name"
    hint = "remove one of the two entries"
    exit_code = 2

    def __init__(self, server: str, other: str) -> None:
        super().__init__(server, f"{other!r} has the same machineIdentifier")
        self.other = other


class ServerForgotten(PlexError):
    """Another program deleted the server's row, so its items cannot be stored."""

    summary = "is no longer in plex_servers"
    hint = "restart the daemon to add the servers of the configuration again"


class ServerWithdrawn(PlexError):
    """A request was dropped: the server is no longer synced, or the daemon is stopping."""

    summary = "is no longer synced"
    hint = "if the server is still configured, try again"


class WrongLibrary(PlexError):
    """A page belongs to another library than requested; nothing of it was written."""

    summary = "returned the listing of another library"

    def __init__(self, server: str, expected: str, found: str) -> None:
        super().__init__(server, f"uuid {found} instead of {expected}")
        self.expected = expected
        self.found = found
