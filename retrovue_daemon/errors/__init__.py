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

from retrovue_daemon.errors.base import DaemonError, InternalError, Interrupted, ReportedError
from retrovue_daemon.errors.config import ConfigError, ConfigProblem
from retrovue_daemon.errors.input import (
    AmbiguousName,
    BadInput,
    BadRequest,
    DefinedByConfig,
    TokenUnknown,
    UnknownId,
    UnknownName,
)
from retrovue_daemon.errors.plex import (
    AnswerBrokeOff,
    BadAnswer,
    DuplicateServer,
    PagingIgnored,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerForgotten,
    ServerTimeout,
    ServerUnreachable,
    ServerWithdrawn,
    Unauthorized,
    WrongLibrary,
    WrongServer,
)
from retrovue_daemon.errors.selection import AmbiguousShow, NamedShow, UnknownLibrary, UnknownServer, UnknownShow
from retrovue_daemon.errors.store import (
    DaemonGone,
    DaemonOutOfReach,
    DatabaseHeld,
    DatabaseMissing,
    DatabasePlaceMissing,
    DatabaseUnusable,
    NoDaemon,
    StoreError,
    WriteFailed,
    WriterStopped,
)

__all__ = [
    "AmbiguousName",
    "AmbiguousShow",
    "AnswerBrokeOff",
    "BadAnswer",
    "BadInput",
    "BadRequest",
    "ConfigError",
    "ConfigProblem",
    "DaemonError",
    "DaemonGone",
    "DaemonOutOfReach",
    "DatabaseHeld",
    "DatabaseMissing",
    "DatabasePlaceMissing",
    "DatabaseUnusable",
    "DefinedByConfig",
    "DuplicateServer",
    "InternalError",
    "Interrupted",
    "NamedShow",
    "NoDaemon",
    "PagingIgnored",
    "PlexError",
    "ReportedError",
    "RequestRefused",
    "ServerBusy",
    "ServerForgotten",
    "ServerTimeout",
    "ServerUnreachable",
    "ServerWithdrawn",
    "StoreError",
    "TokenUnknown",
    "Unauthorized",
    "UnknownId",
    "UnknownLibrary",
    "UnknownName",
    "UnknownServer",
    "UnknownShow",
    "WriteFailed",
    "WriterStopped",
    "WrongLibrary",
    "WrongServer",
]
