"""Shell completion for the names of servers and libraries, read from the database."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from retrovue_daemon.cli.place import select_place
from retrovue_daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Callable

    from retrovue_daemon.cli.place import Place


_SPECIAL: Final = re.compile(r"[^\w@%+=:,./-]")
"""Characters that may have a special meaning in a shell."""

_SPECIAL_IN_QUOTES: Final = re.compile(r'["\\$`]')
"""The same inside double quotes."""


def server_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of servers, of the database and the configuration, that start with the typed text."""
    place = _place(context)
    if place is None:
        return []
    configured = [section.name for section in place.config.servers] if place.config else []
    return _matching(incomplete, [*configured, *(server for server, _ in _stored(place))])


def library_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the titles of libraries that start with the typed text, only of the given server if there is one."""
    place = _place(context)
    server = context.params.get("server")
    if place is None:
        return []
    return _matching(
        incomplete, [title for owner, title in _stored(place) if title is not None and server in {None, owner}]
    )


def stored_names(what: str) -> Callable[[typer.Context, str], list[str]]:
    """Return a completion with the names of stored genres, labels, collections, people or content ratings."""

    def complete(context: typer.Context, incomplete: str) -> list[str]:
        from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.items.names import names_of  # noqa: PLC0415 -- not for --help

        place = _place(context)
        if place is None:
            return []
        try:
            with visits.reading(place.path) as connection:
                return _matching(incomplete, names_of(connection, what, incomplete))
        except (DaemonError, OSError):
            return []

    return complete


def _place(context: typer.Context) -> Place | None:
    """Return the database that the options so far select; on errors, complete nothing and print nothing."""
    # During completion, option values are still raw strings.
    config, database = (context.params.get(option) for option in ("config", "database"))
    try:
        return select_place(config and Path(config), database and Path(database))
    except (DaemonError, OSError):
        return None


def _stored(place: Place) -> list[tuple[str, str | None]]:
    """Return the servers of the database, each with None and with each of its libraries."""
    from retrovue_daemon.store.file import visits  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.libraries import read_libraries  # noqa: PLC0415 -- not for --help
    from retrovue_daemon.store.tables.servers import read_servers  # noqa: PLC0415 -- not for --help

    try:
        with visits.reading(place.path) as connection:
            servers = [(server.name, None) for server in read_servers(connection)]
            return [*servers, *((library.server, library.name.strip()) for library in read_libraries(connection))]
    except (DaemonError, OSError):
        return []


class _Word(str):
    """A name that typer compares with the typed text unchanged, but prints escaped as one word for bash."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        quote = _open_quote(os.environ.get("COMP_WORDS", ""))
        if quote == "'":
            return self.replace("'", r"'\''")
        return (_SPECIAL_IN_QUOTES if quote else _SPECIAL).sub(r"\\\g<0>", self)


def _matching(incomplete: str, names: list[str]) -> list[str]:
    """Return the names that start with ``incomplete``, each once."""
    matches = [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
    # Other shells quote what they insert.
    in_bash = os.environ.get("_RETROVUE_DAEMON_COMPLETE", "").endswith("_bash")
    return [_Word(name) for name in matches] if in_bash else matches


def _open_quote(words: str) -> str:
    """Return the quotation mark that is open at the end of a command line, or an empty string."""
    quote, is_escaped = "", False
    for letter in words:
        if is_escaped:
            is_escaped = False
        elif letter == "\\" and quote != "'":
            is_escaped = True
        elif letter == quote:
            quote = ""
        elif letter in {"'", '"'} and not quote:
            quote = letter
    return quote
