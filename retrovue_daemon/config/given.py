"""Values from the command line or from programs, checked by the rules of the configuration file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from retrovue_daemon.config.reading import Reading
from retrovue_daemon.config.sections import PATH_MAPPING
from retrovue_daemon.config.tokens import TOKEN_FILE, secret
from retrovue_daemon.config.values import BadValue, Context
from retrovue_daemon.errors import ConfigError, ConfigProblem
from retrovue_daemon.records import PathMapping

if TYPE_CHECKING:
    from retrovue_daemon.config.tokens import Secret


def token_from_file(path: Path) -> Secret:
    """Return the token in a file that contains nothing else. Raise `ConfigError` if it is invalid."""
    try:
        return TOKEN_FILE.read(str(path), Context(base_dir=Path.cwd(), environ=os.environ))
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem("token", str(bad))]) from None


def token_from_text(text: str) -> Secret:
    """Return a token that the user entered. Raise `ConfigError` if it is invalid."""
    try:
        return secret(text, "the input")
    except BadValue as bad:
        raise ConfigError(None, [ConfigProblem("token", str(bad))]) from None


def path_mapping(
    plex_path: str, local_path: str, *, library_name: str | None = None, library_root: str | None = None
) -> PathMapping:
    """Return a path mapping. Raise `ConfigError` if the values would be invalid in a configuration file."""
    given = {
        "plex_path": plex_path,
        "local_path": local_path,
        "library_name": library_name,
        "library_root": library_root,
    }
    reading = Reading(Context(base_dir=Path("/"), environ={}))
    fields = reading.table({name: value for name, value in given.items() if value is not None}, PATH_MAPPING, "")
    if reading.problems:
        raise ConfigError(None, reading.problems)
    return PathMapping(**fields)
