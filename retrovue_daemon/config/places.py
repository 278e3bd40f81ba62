"""Default paths of the configuration and the database."""

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
    """Return the configuration file to use: the explicit one, or the first of the default paths that exists.

    The order is ``explicit``, ``$RETROVUE_DAEMON_CONFIG``, ``/etc/retrovue-daemon/config.toml``,
    ``$XDG_CONFIG_HOME/retrovue-daemon/config.toml``. The first two are returned even if the file does not exist.
    Raise `ConfigError` with all these paths if there is no configuration.
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
    message = f"no configuration found; looked at {', '.join(looked)}; create one with `retrovue-daemon init`"
    raise ConfigError(None, [ConfigProblem("", message)])


def _is_closed(directory: Path) -> bool:
    """Return whether a directory exists, but this user may not enter it."""
    return os.access(directory, os.F_OK) and not os.access(directory, os.X_OK)


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's own configuration."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "config.toml"


def default_database_path(environ: Mapping[str, str]) -> Path:
    """Return the default path of the database: in systemd's state directory, or else in the user's data directory."""
    # systemd separates several directories with colons (systemd.exec(5), RuntimeDirectory=).
    state = environ.get("STATE_DIRECTORY", "").split(":")[0]
    directory = Path(state) if state else _xdg(environ, "XDG_DATA_HOME", ".local/share")
    return directory / "retrovue.db"


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> Path:
    base = Path(environ.get(variable, ""))
    # The XDG Base Directory Specification says to ignore relative paths in these variables.
    return (base if base.is_absolute() else home(environ) / default) / _APPLICATION
