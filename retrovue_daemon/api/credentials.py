"""The address and token of a server for programs: from the configuration that defines it, or from its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from retrovue_daemon.config import find_config, load_config, parse_config
from retrovue_daemon.errors import ConfigError, TokenUnknown
from retrovue_daemon.service.roster import section_of
from retrovue_daemon.store.file.lock import real_path

if TYPE_CHECKING:
    from pathlib import Path

    from retrovue_daemon.config import Config, Secret, ServerSection
    from retrovue_daemon.store.tables.servers import StoredServer


class Access(msgspec.Struct, frozen=True):
    """A server's address and token, and the configuration with the settings to sync it by."""

    section: ServerSection
    config: Config


def find_access(
    database: Path, server: StoredServer, *, token: Secret | None = None, config: Path | None = None
) -> Access:
    """Find the address and token of a server; this reads files, so call it in a thread.

    The configuration is the given file, or else the one in the usual places if it is for this database. If it defines
    the server, its section is used, otherwise the server's row. A given ``token`` is used instead of theirs.

    Raises ConfigError if the given configuration is invalid, or if the token can only be in an invalid one;
    TokenUnknown if there is no token; BadInput if the row is invalid.
    """
    settings, problem = _configuration(database, config)
    try:
        return Access(section_of(server, settings.servers, token=token), settings)
    except TokenUnknown as error:
        raise (problem if error.is_defined and problem else error) from None


def _configuration(database: Path, given: Path | None) -> tuple[Config, ConfigError | None]:
    """Return the configuration and None, or the defaults and, if the file that was found is invalid, its error."""
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
    if given is None and real_path(config.database.path) != database:
        return defaults, None
    return config, None
