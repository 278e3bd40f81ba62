"""The sections of a configuration as frozen values: what they hold, in which units, and what is true by default."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config import addresses, files, tokens
from retrovue_daemon.config.keys import Key, key, one_of, section, specs_of, tables, to_plain
from retrovue_daemon.config.places import default_database_path
from retrovue_daemon.config.values import BOOLEAN, choice, duration, integer, names, retention, share, text
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.config.secret import Secret
    from retrovue_daemon.config.values import Value
    from retrovue_daemon.errors import ConfigProblem


@section
class DatabaseSection:
    """``[database]``: the mirror, and who may read it."""

    path: Path = key(
        files.FILE,
        "the SQLite file; absent: retrovue.db in $STATE_DIRECTORY, else in $XDG_DATA_HOME/retrovue-daemon",
        derived=lambda context: default_database_path(context.environ),
    )
    batch_size: int = key(integer(1, 10_000), "rows that are written in one transaction", default=2000)
    mode: int = key(files.MODE, "the mode of the database's files", default="0600")
    group: str | None = key(files.GROUP, "the group of the database's files; absent: the daemon's own", default=None)


@section
class SyncSection:
    """``[sync]``: when, how much at once, and what happens to items that are gone.

    Times are in seconds, ``max_removed`` is a fraction; a ``retention`` of None keeps the rows for ever.
    """

    interval: float = key(duration("1s", "7d"), "how often each library is looked at", default="5m")
    full_interval: float = key(
        duration("1s", "90d"), "how often a library is listed completely, whatever it claims", default="6h"
    )
    concurrency: int = key(integer(1, 64), "libraries that are synced at once, over all servers", default=4)
    page_size: int = key(integer(1, 1000), "items that are asked for in one request", default=500)
    max_removed: float = key(
        share(), "the part of a library that may vanish within a day unquestioned", default="20%"
    )
    retention: float | None = key(retention(), "how long the row of a missing item is kept", default="30d")
    notifications: bool = key(BOOLEAN, "listen to what the servers announce", default=True)


@section
class LoggingSection:
    """``[logging]``: how much is logged, and in which form."""

    level: str = key(choice("debug", "info", "warning", "error"), "the least severe level logged", default="info")
    format: str = key(
        choice("auto", "json", "console"),
        "json: an object a line; console: for people; auto: console on a terminal, else json",
        default="auto",
    )


TOKEN_KEYS: Final[Mapping[str, tuple[Value[Secret], str]]] = {
    "token": (tokens.TOKEN, "the token itself"),
    "token_file": (tokens.TOKEN_FILE, "a file with the token and nothing else"),
    "token_env": (tokens.TOKEN_ENV, "an environment variable with the token"),
    "token_credential": (tokens.TOKEN_CREDENTIAL, "a credential that systemd hands over (LoadCredential=)"),
}


@section
class WebSection:
    """``[web]``: the status page, as (host, port); off where ``listen`` is None."""

    listen: tuple[str, int] | None = key(
        addresses.LISTEN, "where the status page is served; port 0: any free one", default=""
    )
    token: Secret | None = one_of(TOKEN_KEYS, default=None)


PATH_MAPPING: Final = {
    "plex_path": Key(addresses.PLEX_PATH, "a directory as the server sees it", required=True),
    "local_path": Key(addresses.LOCAL_PATH, "the same directory as readers of the database see it", required=True),
    "library_name": Key(text("the title of a library"), "only for the library of this title"),
    "library_root": Key(addresses.PLEX_PATH, "only for the library with this root"),
}
"""The keys of ``[[servers.path_mappings]]``."""


@section
class ServerSection:
    """``[[servers]]``: one Plex Media Server. ``timeout`` is in seconds, ``url`` has no slash at its end."""

    name: str = key(text("a name"), "what the server is called here")
    url: str = key(addresses.URL, "its address; a path prefix is kept")
    token: Secret = one_of(TOKEN_KEYS)
    concurrency: int = key(integer(1, 32), "requests in flight to this server", default=2)
    timeout: float = key(duration("1s", "10m"), "how long the server may keep silent", default="30s")
    compression: bool = key(BOOLEAN, "ask for compressed answers, for servers behind a slow link", default=False)
    verify_tls: bool = key(BOOLEAN, "check the server's certificate", default=True)
    ca_file: Path | None = key(
        files.CA_FILE, "who may sign the certificate; absent: whom the system trusts", default=None
    )
    tls_server_name: str | None = key(
        addresses.HOST_NAME,
        "the name in the certificate; absent: the host of url",
        default=None,
    )
    libraries: tuple[str, ...] | None = key(
        names('an array of titles, keys or patterns, such as ["Movies", "TV*"]', may_be_empty=False),
        "which libraries are mirrored, the most important first; absent: all",
        default=None,
    )
    exclude_libraries: tuple[str, ...] = key(
        names('an array of titles, keys or patterns, such as ["Home Videos"]', may_be_empty=True),
        "which libraries are left out, also where libraries selects them",
        default=[],
    )
    notifications: bool = key(BOOLEAN, "over [sync].notifications, which is the default", default=True)
    path_mappings: tuple[PathMapping, ...] = tables(
        PathMapping, PATH_MAPPING, "where readers of the database find the server's files", default=()
    )

    def rank(self, title: str, library_key: str, former: Sequence[str] = ()) -> int | None:
        """Return a library's place in the order of priority, 0 first, or None if it is not selected.

        An entry may be the exact title, the library's key, or a pattern with ``*``, ``?`` and ``[…]``; of the entries
        that fit, an exact title counts before a key, and a key before a pattern. Spaces around titles do not count.

        ``former`` are titles that the library had before it was renamed, the latest first. They select and exclude
        as the title does, after it; an entry of ``libraries`` that is exactly the title or the key overrides the
        exclusion of a former title.
        """
        if _first_match(self.exclude_libraries, title, library_key) is not None:
            return None
        is_named = not {title.strip(), library_key}.isdisjoint(self.libraries or ())
        if not is_named and any(
            _first_match(self.exclude_libraries, name, library_key) is not None for name in former
        ):
            return None
        if self.libraries is None:
            return 0
        ranks = (_first_match(self.libraries, name, library_key) for name in (title, *former))
        return next((rank for rank in ranks if rank is not None), None)

    def selects(self, title: str, library_key: str, former: Sequence[str] = ()) -> bool:
        """Return whether a library is to be mirrored; see ``rank``."""
        return self.rank(title, library_key, former) is not None

    def former_name_in_use(self, title: str, library_key: str, former: Sequence[str]) -> str | None:
        """Return the former title without which a library would be selected otherwise, or rank otherwise; or None."""
        for number, name in enumerate(former):
            if self.rank(title, library_key, former[: number + 1]) != self.rank(title, library_key, former[:number]):
                return name
        return None


def idle_entries(entries: Sequence[str], libraries: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """Return the entries that fit none of some libraries, each given as its key and its titles."""
    return tuple(
        entry
        for entry in entries
        if not any(_first_match((entry,), title, key) is not None for key, titles in libraries for title in titles)
    )


def _first_match(entries: tuple[str, ...], title: str, library_key: str) -> int | None:
    for exact in (title.strip(), library_key):
        if exact in entries:
            return entries.index(exact)
    for position, entry in enumerate(entries):
        if fnmatchcase(title.strip(), entry):
            return position
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole configuration, checked; equal where all sections are."""

    database: DatabaseSection
    sync: SyncSection = field(default_factory=SyncSection)
    logging: LoggingSection = field(default_factory=LoggingSection)
    web: WebSection = field(default_factory=WebSection)
    servers: tuple[ServerSection, ...] = ()
    warnings: tuple[ConfigProblem, ...] = field(default=(), compare=False)
    """What is allowed but should be looked at, such as a token that every user can read."""

    def to_plain(self) -> dict[str, object]:
        """Write it as tables for TOML or JSON, every key with its value in force; tokens are ``***``."""
        plain: dict[str, object] = {
            name: to_plain(getattr(self, name), specs_of(section)) for name, section in SECTIONS.items()
        }
        plain["servers"] = [to_plain(server, specs_of(ServerSection)) for server in self.servers]
        return plain


SECTIONS: Final[Mapping[str, type]] = {
    "database": DatabaseSection,
    "sync": SyncSection,
    "logging": LoggingSection,
    "web": WebSection,
}
"""The tables of a configuration besides ``[[servers]]``."""
