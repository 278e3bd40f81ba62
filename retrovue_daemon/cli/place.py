"""The database and the configuration that the options of a command select."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrovue_daemon.cli.display.output import print_note
from retrovue_daemon.errors import ConfigError

if TYPE_CHECKING:
    from retrovue_daemon.config import Config, ServerSection
    from retrovue_daemon.service.management.definitions import Definitions


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
        from retrovue_daemon.config.sections import find_named  # noqa: PLC0415 -- not for --help

        return find_named(self.config.servers if self.config else (), name)

    @property
    def definitions(self) -> Definitions:
        """What the configuration defines."""
        from retrovue_daemon.service.management.definitions import Definitions  # noqa: PLC0415 -- not for --help

        return Definitions(self.config.servers if self.config else (), self.source, self.is_of_config)

    def make_if_missing(self) -> None:
        """Create an empty database if there is none, with the permissions that the configuration sets."""
        from retrovue_daemon.config import default_database  # noqa: PLC0415 -- not for --help
        from retrovue_daemon.store.file.visits import make_if_missing  # noqa: PLC0415 -- likewise

        own_place = self.path == default_database(os.environ).path
        if self.config is None:
            make_if_missing(self.path, own_place=own_place)
        else:
            place = self.config.database
            make_if_missing(self.path, mode=place.mode, group=place.group, own_place=own_place)


def find_place(config: Path | None, database: Path | None, *, needs_tokens: bool = False) -> Place:
    """Return the database that the options select, as `select_place` does; print which one if that may surprise."""
    place = select_place(config, database, needs_tokens=needs_tokens)
    if place.config is not None and database is None:
        announce(place.config)
    return place


def announce(settings: Config) -> None:
    """Print which database is used, and why, if it is that of the service or if there is none at a default path."""
    from retrovue_daemon.config.files import SYSTEM_STATE  # noqa: PLC0415 -- not for --help

    default = settings.default_database
    if default is None or not (default.by_hand or not os.path.lexists(default.path)):
        return
    note = f"using {default.path}, {default.why}: {settings.source or 'the configuration'} sets no [database] path"
    if default.path.parent != SYSTEM_STATE and os.path.lexists(SYSTEM_STATE):
        note += f"; the service's database is in {SYSTEM_STATE}"
    print_note(note)


def select_place(config: Path | None, database: Path | None, *, needs_tokens: bool = False) -> Place:
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
