"""``retrovue-daemon run``."""

from __future__ import annotations

import asyncio
import gc
import sys

from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, read_config
from retrovue_daemon.cli.output import log_warnings


def run(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Keep the database in step until SIGTERM or SIGINT.

    Log lines go to standard output: JSON, or for people where that is a terminal.

    Example:

    - `retrovue-daemon run --config /etc/retrovue-daemon/config.toml`
    """
    settings = read_config(config, database)
    from retrovue_daemon import daemon  # noqa: PLC0415 -- brings aiohttp, which --help does not need
    from retrovue_daemon.logs import configure_logging  # noqa: PLC0415 -- likewise

    redactor = configure_logging(level=settings.logging.level, format=settings.logging.format, stream=sys.stdout)
    log_warnings(settings.warnings)
    # What was imported lives as long as the process: the garbage collector need not look at it again and again.
    gc.freeze()
    asyncio.run(daemon.run(settings, redactor))
