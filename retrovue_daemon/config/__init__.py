"""The configuration: the path of the database, the servers to mirror, the schedule, and the logging.

::

    path = find_config(explicit)     # the path of the file
    config = load_config(path)       # checked as a whole, or ConfigError with all problems
    config.servers[0].selects("Movies", "1")

Modules: `values`, `files`, `addresses` and `tokens` define types of values; `sections` lists the keys, and says
which names and mappings are the same; `keys` describes keys and reads them from tables; `loading` reads files and
checks rules on several keys; `schema` documents all keys.
"""

from retrovue_daemon.config.addresses import is_loopback
from retrovue_daemon.config.files import SYSTEM_CONFIG, VARIABLE, default_database, find_config
from retrovue_daemon.config.hooks import HookSection
from retrovue_daemon.config.loading import load_config, parse_config, read_config, server_from_row
from retrovue_daemon.config.schema import Documented, documented_keys
from retrovue_daemon.config.sections import (
    Config,
    DatabaseSection,
    LoggingSection,
    PostgresqlSection,
    ServerSection,
    SyncSection,
    WebSection,
    idle_entries,
)
from retrovue_daemon.config.tokens import MASK, Secret
from retrovue_daemon.errors import ConfigError, ConfigProblem
from retrovue_daemon.records import PathMapping

__all__ = [
    "MASK",
    "SYSTEM_CONFIG",
    "VARIABLE",
    "Config",
    "ConfigError",
    "ConfigProblem",
    "DatabaseSection",
    "Documented",
    "HookSection",
    "LoggingSection",
    "PathMapping",
    "PostgresqlSection",
    "Secret",
    "ServerSection",
    "SyncSection",
    "WebSection",
    "default_database",
    "documented_keys",
    "find_config",
    "idle_entries",
    "is_loopback",
    "load_config",
    "parse_config",
    "read_config",
    "server_from_row",
]
