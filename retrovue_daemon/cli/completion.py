"""What the shell offers for the name of a server or a library: those that the database knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from retrovue_daemon.errors import DaemonError

if TYPE_CHECKING:
    from retrovue_daemon.cli.options import Place


_SPECIAL: Final = re.compile(r"[^\w@%+=:,./-]")
"""What a shell may take for something else than a letter of a word."""

_SPECIAL_IN_QUOTES: Final = re.compile(r'["\\$`]')
"""The same between double quotation marks."""


def server_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of servers that begin with what was typed, those of the configuration too."""
    place = _place(context)
    if place is None:
        return []
    configured = [section.name for section in place.config.servers] if place.config else []
    return _beginning(incomplete, [*configured, *(server for server, _ in _stored(place))])


def library_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the titles of libraries that begin with what was typed, of the server that was named, if one was."""
    place = _place(context)
    server = context.params.get("server")
    if place is None:
        return []
    return _beginning(
        incomplete, [title for owner, title in _stored(place) if title is not None and server in {None, owner}]
    )


def _place(context: typer.Context) -> Place | None:
    """Find the database that the options so far name; where that fails, nothing is offered and nothing said."""
    from retrovue_daemon.cli.options import find_place  # noqa: PLC0415 -- it offers these names itself

    # While a line is being completed, options are still the texts that were typed.
    config, database = (context.params.get(option) for option in ("config", "database"))
    try:
        return find_place(config and Path(config), database and Path(database))
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
    """A name that typer compares with what was typed as it is, and writes as bash takes it for one word."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        quote = _open_quote(os.environ.get("COMP_WORDS", ""))
        if quote == "'":
            return self.replace("'", r"'\''")
        return (_SPECIAL_IN_QUOTES if quote else _SPECIAL).sub(r"\\\g<0>", self)


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    """Return each name once that begins so."""
    beginning = [name for name in dict.fromkeys(names) if name.startswith(incomplete)]
    # Other shells quote what they insert.
    in_bash = os.environ.get("_RETROVUE_DAEMON_COMPLETE", "").endswith("_bash")
    return [_Word(name) for name in beginning] if in_bash else beginning


def _open_quote(words: str) -> str:
    """Return the quotation mark that a command line has opened and not closed; nothing where there is none."""
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
