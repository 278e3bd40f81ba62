"""Every exception that the package raises on purpose.

::

    DaemonError
    ├── Interrupted            a signal ended the work early
    ├── InternalError          a bug; the log has the traceback
    ├── UnknownServer          no active server has this name
    ├── UnknownLibrary         no synced library has this title or key
    ├── UnknownShow            no synced library has a show of this title
    ├── AmbiguousShow          several shows have this title
    ├── BadInput               an argument or a request is invalid
    │   ├── BadCursor              a page's cursor is of another list
    │   ├── BadOption              the value of an option or form field is invalid
    │   ├── UnknownName            no object of its kind has this name
    │   ├── UnknownId              no object of its kind has this id
    │   ├── AmbiguousName          several objects have this name
    │   ├── DefinedByConfig        only the configuration can change it
    │   └── BadRequest             a row of sync_requests is invalid
    ├── HookFailed             a hook could not deliver
    ├── OutputFailed           the result of a command could not be written to a file
    ├── ReadAnew               the change feed does not go back to a reader's position
    ├── TokenUnknown           this process does not have the server's token
    ├── ReportedError          an error that the running daemon reported
    ├── ConfigError            the configuration is invalid: all problems, with key paths
    ├── ReloadRefused          the running daemon refused to reload: all problems
    ├── PageUnavailable        the page cannot be served at its address
    ├── PlexError              a request to a server failed
    │   ├── ServerUnreachable      no connection, or it was lost
    │   │   └── AnswerBrokeOff         connected, but closed before the response was complete
    │   ├── ServerTimeout          connected, but too slow
    │   ├── ServerBusy             408, 429, 5xx; may say when to retry
    │   ├── Unauthorized           401, 403
    │   ├── RequestRefused         any other 4xx or 3xx
    │   ├── NotificationsRefused   no websocket or event stream
    │   ├── BadAnswer              not Plex, or not a readable Plex response
    │   │   └── AnswerTooLarge         it holds more than a response to this request may
    │   ├── PagingIgnored          the server returns the same page for every offset
    │   ├── EndlessListing         a listing or a search has more entries than any library
    │   ├── WrongServer            the address belongs to another machineIdentifier
    │   ├── DuplicateServer        two active entries are the same machine
    │   ├── ServerForgotten        its row was deleted from the database
    │   ├── ServerWithdrawn        it was removed from the configuration, or the daemon is stopping
    │   └── WrongLibrary           a page that belongs to another library
    └── StoreError             the database could not be used
        ├── DatabaseHeld           another process has locked it
        ├── DaemonGone             the daemon stopped before it finished the request
        ├── NoDaemon               no daemon is running
        ├── DaemonOutOfReach       a daemon is running, but cannot be signaled from here
        ├── QueryTooSlow           a query for the page took too long
        ├── ReloadUnanswered       the daemon was signaled, but did not report the result in time
        ├── DatabasePlaceMissing   its directory does not exist (yet)
        ├── DatabaseMissing        the file does not exist yet
        ├── DatabaseUnusable       foreign, damaged, from a newer version, or not writable
        │   └── DatabaseOutOfReach     this user may not read or write it
        │   └── DatabaseDamaged        SQLite's check found damaged pages
        ├── WriteFailed            a transaction was rolled back
        │   ├── DatabaseBusy           another program kept it locked for a minute
        │   ├── DiskFull               no space left
        │   └── IdsUsedUp              another program used the highest id of a table
        └── WriterStopped          the writer task has ended; the work was not done
            ├── DatabaseReplaced       the open file was deleted, replaced or overwritten
            └── DatabaseRestored       `database restore` replaced its content

Each error carries fields, from which ``str()`` makes one line, and a ``hint`` that says how to fix it. No field ever
holds a token. One module holds one branch of the tree; import the names from here.
"""

from retrovue_daemon.errors.base import DaemonError, InternalError, Interrupted, ReportedError
from retrovue_daemon.errors.config import ConfigError, ConfigProblem, ReloadRefused
from retrovue_daemon.errors.hooks import HookFailed
from retrovue_daemon.errors.input import (
    AmbiguousName,
    BadCursor,
    BadInput,
    BadOption,
    BadRequest,
    DefinedByConfig,
    OutputFailed,
    ReadAnew,
    TokenUnknown,
    UnknownId,
    UnknownName,
)
from retrovue_daemon.errors.page import PageUnavailable
from retrovue_daemon.errors.plex import (
    AnswerBrokeOff,
    AnswerTooLarge,
    BadAnswer,
    DuplicateServer,
    EndlessListing,
    NotificationsRefused,
    PagingIgnored,
    PlexError,
    RequestRefused,
    ServerBusy,
    ServerForgotten,
    ServerTimeout,
    ServerUnreachable,
    ServerWithdrawn,
    TokenUnreadable,
    Unauthorized,
    WrongLibrary,
    WrongServer,
)
from retrovue_daemon.errors.selection import AmbiguousShow, NamedShow, UnknownLibrary, UnknownServer, UnknownShow
from retrovue_daemon.errors.store import (
    DAMAGE_HINT,
    LOCKED_HINT,
    DaemonGone,
    DaemonOutOfReach,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseHeld,
    DatabaseMissing,
    DatabaseOutOfReach,
    DatabasePlaceMissing,
    DatabaseReplaced,
    DatabaseRestored,
    DatabaseUnusable,
    DiskFull,
    IdsUsedUp,
    NoDaemon,
    QueryTooSlow,
    ReloadUnanswered,
    StoreError,
    WriteFailed,
    WriterStopped,
)

__all__ = [
    "DAMAGE_HINT",
    "LOCKED_HINT",
    "AmbiguousName",
    "AmbiguousShow",
    "AnswerBrokeOff",
    "AnswerTooLarge",
    "BadAnswer",
    "BadCursor",
    "BadInput",
    "BadOption",
    "BadRequest",
    "ConfigError",
    "ConfigProblem",
    "DaemonError",
    "DaemonGone",
    "DaemonOutOfReach",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseHeld",
    "DatabaseMissing",
    "DatabaseOutOfReach",
    "DatabasePlaceMissing",
    "DatabaseReplaced",
    "DatabaseRestored",
    "DatabaseUnusable",
    "DefinedByConfig",
    "DiskFull",
    "DuplicateServer",
    "EndlessListing",
    "HookFailed",
    "IdsUsedUp",
    "InternalError",
    "Interrupted",
    "NamedShow",
    "NoDaemon",
    "NotificationsRefused",
    "OutputFailed",
    "PageUnavailable",
    "PagingIgnored",
    "PlexError",
    "QueryTooSlow",
    "ReadAnew",
    "ReloadRefused",
    "ReloadUnanswered",
    "ReportedError",
    "RequestRefused",
    "ServerBusy",
    "ServerForgotten",
    "ServerTimeout",
    "ServerUnreachable",
    "ServerWithdrawn",
    "StoreError",
    "TokenUnknown",
    "TokenUnreadable",
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
