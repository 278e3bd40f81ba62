"""Where things are by default: the configuration that is looked for, and the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrovue_daemon.config.files import home
from retrovue_daemon.errors import ConfigError, ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "RETROVUE_DAEMON_CONFIG"
SYSTEM_CONFIG: Final = Path("/etc/retrovue-daemon/config.toml")
_APPLICATION: Final = "retrovue-daemon"


def find_config(
    explicit: Path | None = None, environ: Mapping[str, str] | None = None, *, system: Path = SYSTEM_CONFIG
) -> Path:
    """Give the configuration file to use: the one asked for, else the first that exists of the usual places.

    The order is ``explicit``, ``$RETROVUE_DAEMON_CONFIG``, ``/etc/retrovue-daemon/config.toml``,
    ``$XDG_CONFIG_HOME/retrovue-daemon/config.toml``. What is named by the first two is given whether it exists or
    not. Raises `ConfigError` that names every place where none was found.
    """
    environ = os.environ if environ is None else environ
    named = explicit or environ.get(VARIABLE)
    if named:
        return Path(named)
    places = (system, user_config(environ))
    for place in places:
        if os.path.lexists(place):
            return place
    looked = ["--config (not given)", f"${VARIABLE} (not set)"]
    looked += [
        f"{place} ({'permission denied' if _is_closed(place.parent) else 'does not exist'})" for place in places
    ]
    message = f"no configuration found; looked at {', '.join(looked)}; `retrovue-daemon init` writes an example"
    raise ConfigError(None, [ConfigProblem("", message)])


def _is_closed(directory: Path) -> bool:
    """Tell whether there is a directory that may not be looked into."""
    return os.access(directory, os.F_OK) and not os.access(directory, os.X_OK)


def user_config(environ: Mapping[str, str]) -> Path:
    """Give the place of a user's own configuration."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"


def default_database_path(environ: Mapping[str, str]) -> Path:
    """Give the database's place where none is configured: systemd's state directory, else the user's data."""
    # systemd separates several directories by colons (systemd.exec(5), RuntimeDirectory=).
    state = environ.get("STATE_DIRECTORY", "").split(":")[0]
    directory = Path(state) if state else _xdg(environ, "XDG_DATA_HOME", ".local/share")
    return directory / "retrovue.db"


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    base = Path(environ.get(variable, ""))
    # Relative paths in these variables are to be ignored (XDG Base Directory Specification).
    return (base if base.is_absolute() else home(environ) / default) / _APPLICATION
