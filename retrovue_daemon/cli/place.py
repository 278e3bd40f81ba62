"""The database and the configuration that the options of a command select."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrovue_daemon.errors import ConfigError

if TYPE_CHECKING:
    from retrovue_daemon.config import Config, ServerSection


@dataclass(frozen=True, slots=True)
class Place:
    """The path of the database, and the configuration if it could be read; ``source`` is the configuration file."""

    path: Path
    config: Config | None = None
    source: Path | None = None

    @property
    def is_of_config(self) -> bool:
        """Return whether the configuration was read and belongs to this database."""
        return self.config is not None and self.config.database.path == self.path

    def section(self, name: str) -> ServerSection | None:
        """Return the configuration of a server; case is ignored in names."""
        from retrovue_daemon.config.identity import find_named  # noqa: PLC0415 -- not for --help

        return find_named(self.config.servers if self.config else (), name)

    def make_if_missing(self) -> None:
        """Create an empty database if there is none, with the permissions that the configuration sets."""
        from retrovue_daemon.config import default_database_path  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.file.visits import make_if_missing  # noqa: PLC0415 -- likewise

        own_place = self.path == default_database_path(os.environ)
        if self.config is None:
            make_if_missing(self.path, own_place=own_place)
        else:
            place = self.config.database
            make_if_missing(self.path, mode=place.mode, group=place.group, own_place=own_place)


def find_place(config: Path | None, database: Path | None, *, needs_tokens: bool = False) -> Place:
    """Return the database that the options select. With ``database``, an unreadable configuration is ignored.

    Unless the command ``needs_tokens``, systemd credentials count as valid, although only the service can read them.
    Raise ConfigError if the configuration is invalid and is needed: named by ``config``, or to find the database.
    """
    from retrovue_daemon.config import find_config, load_config  # noqa: PLC0415 -- not for --help

    try:
        source = find_config(config)
        settings = load_config(source, trusts_credentials=not needs_tokens)
    except ConfigError as error:
        if database is None or config is not None:
            error.hint = error.hint or "--database FILE selects a database without a configuration"
            raise
        return Place(database.absolute())
    return Place(settings.database.path if database is None else database.absolute(), settings, source)
