"""The sections of the configuration as frozen values, and which servers and path mappings are the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from retrovue_daemon.config import addresses, conninfo, files, postgresql, tokens
from retrovue_daemon.config.files import DefaultDatabase, default_database
from retrovue_daemon.config.hooks import HookSection
from retrovue_daemon.config.keys import Key, key, one_of, section, specs_of, tables, to_plain
from retrovue_daemon.config.values import BOOLEAN, choice, duration, integer, names, retention, share, size, text
from retrovue_daemon.paths import path_form, split
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from retrovue_daemon.config.tokens import Secret
    from retrovue_daemon.config.values import Value
    from retrovue_daemon.errors import ConfigProblem


@section
class DatabaseSection:
    """``[database]``: the database file, its permissions, and its change feed.

    A ``changes_retention`` of None keeps entries forever.
    """

    path: Path = key(
        files.FILE,
        "the SQLite file; absent: retrovue.db in $STATE_DIRECTORY; else, for a configuration in /etc/retrovue-daemon,"
        " in /var/lib/retrovue-daemon if that exists; else in $XDG_DATA_HOME/retrovue-daemon",
        derived=lambda context: default_database(context.environ, context.base_dir).path,
    )
    batch_size: int = key(integer(1, 10_000), "the number of rows written per transaction", default=1000)
    mode: int = key(files.MODE, "the mode of the database's files", default="0600")
    group: str | None = key(files.GROUP, "the group of the files; absent: the daemon's group", default=None)
    changes_retention: float | None = key(retention(), "how long entries of the change feed are kept", default="30d")


@section
class SyncSection:
    """``[sync]``: the schedule, the concurrency, and the treatment of missing items.

    Times are in seconds, ``max_removed`` is a fraction; a ``retention`` of None keeps rows forever.
    """

    interval: float = key(duration("1s", "7d"), "how often each library is synced", default="5m")
    full_interval: float = key(
        duration("1s", "90d"), "how often each library gets a full listing, even without changes", default="6h"
    )
    concurrency: int = key(integer(1, 64), "libraries synced at the same time, across all servers", default=4)
    page_size: int = key(integer(1, 1000), "items per request", default=500)
    max_removed: float = key(
        share(), "the share of a library that may be removed within a day without confirmation", default="20%"
    )
    retention: float | None = key(retention(), "how long rows of missing items are kept", default="30d")
    details: bool = key(
        BOOLEAN,
        "read all tags, credits, chapters and markers of items, in the background after a library was listed",
        default=True,
    )
    cast: int = key(integer(0, 1000), "the number of actors stored per item, in the order of billing", default=20)
    notifications: bool = key(BOOLEAN, "subscribe to the servers' notifications", default=True)
    interval_live: float = key(
        duration("1s", "7d"),
        "how often each library is synced while the server announces changes, if that is longer than interval",
        default="30m",
    )


@section
class LoggingSection:
    """``[logging]``: the level and format of log lines."""

    level: str = key(choice("debug", "info", "warning", "error"), "the lowest level to log", default="info")
    format: str = key(
        choice("auto", "json", "console"),
        "json: one object per line; console: readable text; auto: console on a terminal, else json",
        default="auto",
    )


TOKEN_KEYS: Final[Mapping[str, tuple[Value[Secret], str]]] = {
    "token": (tokens.TOKEN, "the token itself"),
    "token_file": (tokens.TOKEN_FILE, "a file that contains only the token"),
    "token_env": (tokens.TOKEN_ENV, "an environment variable that contains the token"),
    "token_credential": (tokens.TOKEN_CREDENTIAL, "a systemd credential (LoadCredential=) that contains the token"),
}


@section
class WebSection:
    """``[web]``: the page; ``listen`` is (host, port), or None to disable it, ``poster_cache`` is in bytes."""

    listen: tuple[str, int] | None = key(
        addresses.LISTEN, "the address of the page; port 0 selects a free port", default=""
    )
    token: Secret | None = one_of(TOKEN_KEYS, default=None)
    hosts: tuple[str, ...] = key(
        addresses.HOSTS,
        "further host names by which the page is reached, such as those of a reverse proxy",
        default=[],
    )
    manage: bool = key(BOOLEAN, "allow changes by the page and its API; they always require the token", default=True)
    poster_cache: int = key(
        size("100GB"),
        'how much disk space posters may take, beside the database; "0": they are not kept',
        default="200MB",
    )


URL_KEYS: Final[Mapping[str, tuple[Value[Secret], str]]] = {
    "url": (postgresql.URL, "the database to publish to; absent: nothing is published"),
    "url_file": (postgresql.URL_FILE, "a file that contains only that, for an address with a password"),
}


@section
class PostgresqlSection:
    """``[postgresql]``: the PostgreSQL database to publish to; without ``url`` there is none.

    ``origin`` is None for the mirror's own id.
    """

    url: Secret | None = one_of(URL_KEYS, default=None)
    schema: str = key(postgresql.SCHEMA, "the schema of the tables, which is created if necessary", default="plex")
    origin: str | None = key(
        postgresql.ORIGIN,
        "the name of this mirror in every key, if several publish to one database; absent: the mirror's own id",
        default=None,
    )


PATH_MAPPING: Final = {
    "plex_path": Key(addresses.PLEX_PATH, "a directory on the server", required=True),
    "local_path": Key(addresses.LOCAL_PATH, "the same directory where the database is read", required=True),
    "library_name": Key(text("the title of a library"), "only for the library with this title"),
    "library_root": Key(addresses.PLEX_PATH, "only for the library with this folder"),
}
"""The keys of ``[[servers.path_mappings]]``."""


@section
class ServerSection:
    """``[[servers]]``: one Plex Media Server. ``timeout`` is in seconds, ``url`` has no trailing slash."""

    name: str = key(text("a name of visible characters on one line"), "a name for the server")
    url: str = key(addresses.URL, "the server's address; it may include a path prefix")
    token: Secret = one_of(TOKEN_KEYS)
    concurrency: int = key(integer(1, 32), "simultaneous requests to this server", default=2)
    timeout: float = key(duration("1s", "10m"), "how long to wait for data from the server", default="30s")
    compression: bool = key(BOOLEAN, "request compressed responses; useful on slow connections", default=False)
    verify_tls: bool = key(BOOLEAN, "check the server's certificate", default=True)
    ca_file: Path | None = key(
        files.CA_FILE, "the trusted certificate authorities; absent: those of the system", default=None
    )
    tls_server_name: str | None = key(
        addresses.HOST_NAME,
        "the host name in the certificate; absent: the host of url",
        default=None,
    )
    libraries: tuple[str, ...] | None = key(
        names('an array of titles, keys or patterns, such as ["Movies", "TV*"]', may_be_empty=False),
        "the libraries to mirror, in order of priority; absent: all",
        default=None,
    )
    exclude_libraries: tuple[str, ...] = key(
        names('an array of titles, keys or patterns, such as ["Home Videos"]', may_be_empty=True),
        "libraries to skip, even if libraries selects them",
        default=[],
    )
    details: bool | None = key(BOOLEAN, "overrides [sync] details for this server", default=None)
    cast: int | None = key(integer(0, 1000), "overrides [sync] cast for this server", default=None)
    notifications: bool = key(BOOLEAN, "overrides [sync] notifications for this server", default=True)
    path_mappings: tuple[PathMapping, ...] = tables(
        PathMapping, PATH_MAPPING, "the local paths of the server's files", default=()
    )

    def rank(self, title: str, library_key: str, former: Sequence[str] = ()) -> int | None:
        """Return a library's position in the order of priority, starting at 0, or None if it is not selected.

        An entry is an exact title, a library key, or a pattern with ``*``, ``?`` and ``[…]``. If several entries
        match, an exact title wins over a key, and a key over a pattern. Spaces around titles are ignored.

        ``former`` are the library's titles before it was renamed, the latest first. They select and exclude the
        library like its title, but with lower precedence; an entry of ``libraries`` that is exactly the title or key
        overrides the exclusion of a former title.
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
        """Return whether a library is selected; see ``rank``."""
        return self.rank(title, library_key, former) is not None

    def former_name_in_use(self, title: str, library_key: str, former: Sequence[str]) -> str | None:
        """Return the former title that affects a library's selection or rank, or None."""
        for number, name in enumerate(former):
            if self.rank(title, library_key, former[: number + 1]) != self.rank(title, library_key, former[:number]):
                return name
        return None


def idle_entries(entries: Sequence[str], libraries: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """Return the entries that match none of the libraries, each of which is given as (key, titles)."""
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
    """A complete, valid configuration; two are equal if all sections are."""

    database: DatabaseSection
    sync: SyncSection = field(default_factory=SyncSection)
    logging: LoggingSection = field(default_factory=LoggingSection)
    web: WebSection = field(default_factory=WebSection)
    postgresql: PostgresqlSection = field(default_factory=PostgresqlSection)
    servers: tuple[ServerSection, ...] = ()
    hooks: tuple[HookSection, ...] = ()
    source: Path | None = field(default=None, compare=False)
    """The file that was read, or None."""
    default_database: DefaultDatabase | None = field(default=None, compare=False)
    """The default path, and why it is that one; None if the path of the database is set."""
    warnings: tuple[ConfigProblem, ...] = field(default=(), compare=False)
    """Values that are allowed but questionable, such as a token that every user can read."""

    def wants_details(self, server: str) -> bool:
        """Return whether details of items are read from a server; one that the database defines has no own key."""
        section = find_named(self.servers, server)
        return self.sync.details if section is None or section.details is None else section.details

    def keeping(self, before: Config) -> Config:
        """Return this configuration with the secrets of the one before whose files cannot be read now."""
        tokens_before = {server.name: server.token for server in before.servers}
        servers = tuple(
            replace(server, token=_kept(server.token, tokens_before.get(server.name))) for server in self.servers
        )
        web, publishing = self.web, self.postgresql
        if web.token is not None:
            web = replace(web, token=_kept(web.token, before.web.token))
        if publishing.url is not None:
            publishing = replace(publishing, url=_kept(publishing.url, before.postgresql.url))
        return replace(self, servers=servers, web=web, postgresql=publishing)

    def secrets(self) -> Iterator[str]:
        """Yield everything in it that must not be shown."""
        for token in (*(server.token for server in self.servers), self.web.token):
            if token is not None:
                yield token.reveal()
        if self.postgresql.url is not None:
            yield from conninfo.secrets_in(self.postgresql.url.reveal())
        for hook in self.hooks:
            yield from hook.secrets()

    def to_plain(self) -> dict[str, object]:
        """Return the configuration as tables for TOML or JSON, with the effective value of every key; mask tokens."""
        plain: dict[str, object] = {
            name: to_plain(getattr(self, name), specs_of(section)) for name, section in SECTIONS.items()
        }
        for name, described in ARRAYS.items():
            plain[name] = [to_plain(entry, specs_of(described)) for entry in getattr(self, name)]
        return plain


SECTIONS: Final[Mapping[str, type]] = {
    "database": DatabaseSection,
    "sync": SyncSection,
    "logging": LoggingSection,
    "web": WebSection,
    "postgresql": PostgresqlSection,
}
"""All tables of a configuration except those of `ARRAYS`."""

ARRAYS: Final[Mapping[str, type]] = {"servers": ServerSection, "hooks": HookSection}
"""The arrays of tables."""


def _kept(now: Secret, before: Secret | None) -> Secret:
    """Return a secret, or the one from before if its file cannot be read now, and is the same file."""
    return now if now.missing is None or before is None or before.source != now.source else before


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def name_form(name: str) -> str:
    """Return the form in which two names of one server are equal: letter case is ignored."""
    return name.strip().casefold()


def find_name(names: Iterable[str], name: str) -> str | None:
    """Return the first of ``names`` equal to ``name`` regardless of case, or None; an exact match is preferred."""
    alike = [each for each in names if name_form(each) == name_form(name)]
    return name.strip() if name.strip() in alike else next(iter(alike), None)


def find_named(entries: Iterable[N], name: str) -> N | None:
    """Return the entry of this name, found as in `find_name`, or None."""
    listed = tuple(entries)
    found = find_name((entry.name for entry in listed), name)
    return next((entry for entry in listed if entry.name == found), None)


def mapping_form(mapping: PathMapping) -> tuple[str, str | None, str | None]:
    """Return the form in which two mappings are equal that map one directory for the same library."""
    path = mapping.plex_path
    return path_form(path) if split(path) else path.rstrip("/"), mapping.library_name, mapping.library_root
