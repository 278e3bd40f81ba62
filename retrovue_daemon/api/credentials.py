"""How a program gets at a server of the database: by the configuration that defines it, or by the server's row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import find_config, load_config, parse_config
from retrovue_daemon.errors import ConfigError, TokenUnknown
from retrovue_daemon.service.roster import section_of

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.config import Config, Secret, ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


class Access(msgspec.Struct, frozen=True):
    """How to talk to a server, and by which settings to sync it."""

    section: ServerSection
    config: Config


def find_access(
    database: Path, server: StoredServer, *, token: Secret | None = None, config: Path | None = None
) -> Access:
    """Find out how to talk to a server; blocks.

    The configuration is the given one, else the one of the usual places, if that is about this database. Where it
    defines the server, its section counts, else the row. A token that is given counts before both.

    Raises ConfigError where the given configuration is bad, or where only one that is bad can have the token;
    TokenUnknown where there is none; BadInput where the row cannot be used.
    """
    settings, problem = _configuration(database, config)
    try:
        return Access(section_of(server, settings.servers, token=token), settings)
    except TokenUnknown as error:
        raise (problem if error.is_defined and problem else error) from None


def _configuration(database: Path, given: Path | None) -> tuple[Config, ConfigError | None]:
    """Return the configuration, or the defaults and what is wrong with the one that was found."""
    defaults = parse_config({})
    try:
        found = find_config(given)
    except ConfigError:
        return defaults, None
    try:
        config = load_config(found)
    except ConfigError as error:
        if given is not None:
            raise
        return defaults, error
    if given is None and config.database.path.resolve() != database:
        return defaults, None
    return config, None
