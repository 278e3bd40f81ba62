"""Every exception that the package raises on purpose.

::

    DaemonError
    ├── Interrupted            a signal ended the work early
    ├── InternalError          a mistake of ours; the log has the traceback
    ├── UnknownServer          no active server has the name that was asked for
    ├── UnknownLibrary         no library to sync has the title or key that was asked for
    ├── UnknownShow            no library to sync has a show of the title that was asked for
    ├── AmbiguousShow          several shows have that title
    ├── BadInput               something that was typed, or asked for, cannot be used
    │   ├── UnknownName            nothing of its kind is called that
    │   ├── UnknownId              nothing of its kind has that id
    │   ├── AmbiguousName          several things are called that
    │   ├── DefinedByConfig        only the configuration can change it
    │   └── BadRequest             a row of sync_requests is not understood
    ├── TokenUnknown           the token of a server is not known here
    ├── ReportedError          what the daemon that was asked says went wrong
    ├── ConfigError            the configuration has problems: all of them, with key paths
    ├── PlexError              a server could not be used as asked
    │   ├── ServerUnreachable      no connection, or it broke
    │   ├── ServerTimeout          connected, but too slow
    │   ├── ServerBusy             408, 429, 5xx; may say when to come back
    │   ├── Unauthorized           401, 403
    │   ├── RequestRefused         any other 4xx or 3xx
    │   ├── BadAnswer              not Plex, or not readable as an answer of Plex
    │   ├── PagingIgnored          the server sends the same page whatever is asked
    │   ├── WrongServer            the address answers with another machineIdentifier
    │   ├── DuplicateServer        two active entries are the same machine
    │   ├── ServerForgotten        its row has vanished from the database
    │   ├── ServerWithdrawn        it was taken out of the configuration, or the daemon ends
    │   └── WrongLibrary           a listing that says it is another library's
    └── StoreError             the database could not be used
        ├── DatabaseHeld           another process holds it
        ├── DaemonGone             the daemon that was asked has ended
        ├── NoDaemon               nobody runs who could be asked
        ├── DaemonOutOfReach       somebody runs, but cannot be told from here
        ├── DatabasePlaceMissing   its directory is not there (yet)
        ├── DatabaseMissing        nothing has been synced into it yet
        ├── DatabaseUnusable       foreign, damaged, from a newer version, or not writable
        ├── WriteFailed            a transaction was rolled back: disk full, lock held too long …
        └── WriterStopped          the writer task has ended; the work was not done

Each carries fields, from which ``str()`` makes one line, and a ``hint``: what the person who must mend it can do.
No field ever holds a token.
"""

from __future__ import annotations

import difflib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class DaemonError(Exception):
    """Root of the tree; ``exit_code`` is what a command that fails for this reason returns."""

    exit_code = 1
    hint: str | None = None

    def __init__(self, *args: object, hint: str | None = None) -> None:
        super().__init__(*args)
        if hint is not None:
            self.hint = hint


class Interrupted(DaemonError):
    """A signal asked the process to end before its work was done; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.exit_code = 128 + number  # what a shell reports of a process that a signal ended

    @property
    def name(self) -> str:
        """The signal's name, as in ``SIGTERM``."""
        return signal.Signals(self.number).name

    def __str__(self) -> str:
        return f"interrupted by {self.name}; what was written stays, the next pass does the rest"


class InternalError(DaemonError):
    """A mistake of ours, kept from costing more than the one server or library that met it; ``kind`` is its type."""

    hint = "please report this; the log has the traceback"

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind

    def __str__(self) -> str:
        return f"internal error: {self.kind}"


class UnknownServer(DaemonError):
    """No active server is called ``name``; ``known`` are those that there are."""

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, tuple(known), hint=_nearest(name, known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"no active server is called {self.name!r}"


class UnknownLibrary(DaemonError):
    """No library to sync is called ``name``; ``known`` are the titles of those that there are.

    ``reason`` completes "it is there, but …" where one of that name is not for syncing.
    """

    exit_code = 2

    def __init__(self, name: str, known: Sequence[str], reason: str | None = None) -> None:
        hint = _nearest(name, known) if reason is None else f"it is there, but {reason}"
        super().__init__(name, tuple(known), reason, hint=hint)
        self.name = name
        self.known = tuple(known)
        self.reason = reason

    def __str__(self) -> str:
        return f"no library to sync is called {self.name!r}"


class UnknownShow(DaemonError):
    """No library to sync has a show called ``title``, or none of that ``year``, where 0 means without one."""

    exit_code = 2
    hint = "give the whole title as Plex shows it; upper and lower case are the same"

    def __init__(self, title: str, year: int | None) -> None:
        super().__init__(title, year)
        self.title = title
        self.year = year

    def __str__(self) -> str:
        return f"no show is called {self.title!r}" + ("" if self.year is None else _began(self.year or None))


@dataclass(frozen=True, slots=True)
class NamedShow:
    """A show among others of its title: the title as Plex has it, the year, None where it has none, the library."""

    title: str
    year: int | None
    library: str

    def __str__(self) -> str:
        return f"{self.title!r}{_began(self.year)} in library {self.library!r}"


class AmbiguousShow(DaemonError):
    """Several shows are called ``title``: ``shows``. ``years`` are those in which they began, None for no year."""

    exit_code = 2
    hint = "say in which year it began; 0 means the one without a year"

    def __init__(self, title: str, shows: Sequence[NamedShow]) -> None:
        super().__init__(title, tuple(shows))
        self.title = title
        self.shows = tuple(shows)
        self.years = tuple(dict.fromkeys(show.year for show in shows))

    def __str__(self) -> str:
        return f"several shows are called {self.title!r}: {', '.join(map(str, self.shows))}"


def _began(year: int | None) -> str:
    return " without a year" if year is None else f" ({year})"


class BadInput(DaemonError):
    """A value that somebody typed cannot be used; ``message`` says which and why."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.message = message

    def __str__(self) -> str:
        return self.message


class UnknownName(BadInput):
    """No ``kind`` (as in "library") is called ``name``; ``known`` are those that there are."""

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {kind} is called {name!r}", hint=_nearest(name, known))
        self.kind = kind
        self.name = name
        self.known = tuple(known)


class UnknownId(BadInput):
    """No ``kind`` (as in "server") has the id ``row_id``; ``known`` are ids and names of those that there are."""

    def __init__(self, kind: str, row_id: int, known: Mapping[int, str]) -> None:
        there = ", ".join(f"{number} ({name})" for number, name in known.items())
        super().__init__(f"no {kind} has the id {row_id!r}", hint=f"there is {there or 'none'}")
        self.kind = kind
        self.row_id = row_id
        self.known = dict(known)


class AmbiguousName(BadInput):
    """Several things answer to ``name``; ``found`` says how to tell them apart, one text for each."""

    def __init__(self, name: str, found: Sequence[str], *, hint: str) -> None:
        super().__init__(f"{name!r} can be {'; '.join(found)}", hint=hint)
        self.name = name
        self.found = tuple(found)


class DefinedByConfig(BadInput):
    """The configuration decides ``what`` of a server; ``source`` is its file, None where it was not found."""

    def __init__(self, name: str, what: str, source: Path | None) -> None:
        where = f"{source}" if source else "a configuration that was not found here (--config names it)"
        super().__init__(
            f"server {name!r} is defined in {where}: {what} can only be changed there",
            hint="edit its [[servers]] table, then reload or restart the daemon",
        )
        self.name = name
        self.source = source


class BadRequest(BadInput):
    """A row of sync_requests is not understood: ``detail``. It is better not to guess what may remove something."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"the request is not understood: {detail}",
            hint="kind is quick, full or show; options is a JSON object with library, show (texts), year (a number, 0"
            " for none), full and accept_removals (true or false)",
        )
        self.detail = detail


class TokenUnknown(DaemonError):
    """The token of server ``name`` is not known here.

    Only the configuration that defines it has it, which was not found; or, not ``is_defined`` so, its row holds none.
    """

    def __init__(self, name: str, *, is_defined: bool = True) -> None:
        where = "say where the configuration is" if is_defined else "store one with the server"
        super().__init__(name, is_defined, hint=f"give the token, or {where}")
        self.name = name
        self.is_defined = is_defined

    def __str__(self) -> str:
        why = "a configuration defines it" if self.is_defined else "its row holds none"
        return f"the token of server {self.name!r} is not known here: {why}"


class ReportedError(DaemonError):
    """What the daemon that was asked says went wrong; ``kind`` is the name of the class that it met there."""

    def __init__(self, kind: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(kind, message, hint=hint)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return self.message


def _nearest(name: str, known: Sequence[str]) -> str:
    """Return a hint for a name that is not among the known ones."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, known)) or 'none'}"


# -- configuration --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong in a configuration.

    ``path`` is the key's path, as in ``servers[0].url``; ``message`` says what is wrong and what would be valid.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(DaemonError):
    """All problems of one configuration at once; ``source`` is the file, or None for a mapping in memory."""

    exit_code = 78

    def __init__(self, source: Path | None, problems: Sequence[ConfigProblem]) -> None:
        super().__init__(source, tuple(problems))
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        return where + "; ".join(str(problem) for problem in self.problems)


# -- Plex -----------------------------------------------------------------------------------------------------------


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


# -- store ----------------------------------------------------------------------------------------------------------


class StoreError(DaemonError):
    """The database at ``path`` could not be used; ``detail`` says why."""

    def __init__(self, path: Path, detail: str, *, hint: str | None = None) -> None:
        super().__init__(path, detail, hint=hint)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"database {self.path}: {self.detail}"


class DatabaseHeld(StoreError):
    """Another process holds the database; ``pid`` is its process id where known.

    ``serves`` says that it is a daemon, which does what ``sync_requests`` asks for.
    """

    exit_code = 75
    hint = "stop that process first, or give this one a database of its own"

    def __init__(self, path: Path, pid: int | None, *, serves: bool = False, hint: str | None = None) -> None:
        super().__init__(path, f"held by process {pid}" if pid else "held by another process", hint=hint)
        self.pid = pid
        self.serves = serves


class DaemonGone(StoreError):
    """The daemon that was asked to sync ended before it had answered."""

    exit_code = 75
    hint = "try again; the next daemon finds the request, too"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the daemon that was asked has ended")


class NoDaemon(StoreError):
    """No daemon runs on a database."""

    hint = (
        "--config or --database says which database; of a service of systemd `systemctl reload` knows it;"
        " `retrovue-daemon run` starts a daemon"
    )

    def __init__(self, path: Path) -> None:
        super().__init__(path, "no daemon runs on it")


class DaemonOutOfReach(StoreError):
    """A daemon runs on a database, but cannot be sent a signal from here; ``pid`` is its process id where known."""

    hint = "do it as root or as the daemon's user, in its container if it has one; `systemctl reload` does, too"

    def __init__(self, path: Path, pid: int | None, reason: str) -> None:
        who = f"the daemon (process {pid})" if pid else "the daemon"
        super().__init__(path, f"{who} cannot be told from here: {reason}")
        self.pid = pid
        self.reason = reason


class DatabasePlaceMissing(StoreError):
    """The directory of the database does not exist: not mounted yet, or never made."""

    exit_code = 75
    hint = "create the directory, or mount what it is on"


class DatabaseMissing(StoreError):
    """There is no database yet; whoever only reads never makes one."""

    exit_code = 75
    hint = "run `retrovue-daemon sync` first, or name the right file with --config or --database"

    def __init__(self, path: Path) -> None:
        super().__init__(path, "there is nothing yet")


class DatabaseUnusable(StoreError):
    """The file is another program's, damaged, of a newer version, or cannot be written; it is left as it is."""

    exit_code = 78


class WriteFailed(StoreError):
    """SQLite refused a transaction, which was rolled back; what was stored before is untouched."""


class WriterStopped(StoreError):
    """The writer task has ended, so the work that was handed to it was not done."""
