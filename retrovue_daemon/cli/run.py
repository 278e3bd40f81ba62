"""``retrovue-daemon run``."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from retrovue_daemon.cli.options import ConfigOption, DatabaseOption, read_config
from retrovue_daemon.cli.output import log_warnings

if TYPE_CHECKING:
    from retrovue_daemon.config import Config
    from retrovue_daemon.logs import Redactor
    from retrovue_daemon.outlet import Outlet


def run(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Keep the database in step until SIGTERM or SIGINT.

    SIGHUP reloads the configuration, as `retrovue-daemon reload` does; SIGUSR1 syncs at once. Log lines go to
    standard output: JSON, or for people where that is a terminal.

    Examples:

    - `retrovue-daemon run --config /etc/retrovue-daemon/config.toml`
    - `retrovue-daemon run --database /srv/retrovue.db`, with servers that were added to the database
    """
    load = partial(read_config, config, database)
    settings = load()
    from retrovue_daemon import daemon  # noqa: PLC0415 -- brings aiohttp, which --help does not need
    from retrovue_daemon.logs import log_uncaught  # noqa: PLC0415 -- likewise
    from retrovue_daemon.outlet import Outlet  # noqa: PLC0415 -- likewise
    from retrovue_daemon.systemd import Notifier  # noqa: PLC0415 -- likewise

    with Outlet(sys.stdout) as outlet:
        redactor = _log(settings, outlet)
        log_uncaught()
        log_warnings(settings.warnings)
        calm_collector()

        def relog(changed: Config) -> None:
            _log(changed, outlet, redactor)

        async def until_stopped() -> None:
            await daemon.run(settings, redactor, daemon.Process(load, relog, Notifier.from_environ(os.environ)))
            _leave_soon()

        asyncio.run(until_stopped())


def _log(settings: Config, outlet: Outlet, redactor: Redactor | None = None) -> Redactor:
    from retrovue_daemon.logs import configure_logging  # noqa: PLC0415 -- brings structlog, which --help does not need

    return configure_logging(
        level=settings.logging.level, format=settings.logging.format, stream=outlet.as_stream(), redactor=redactor
    )


def calm_collector() -> None:
    """Let the garbage collector look less often, and never again at what was imported.

    Pages and rows hold no cycles and go by their reference counts; looking through them took a tenth to a quarter of
    the time of an unchanged pass, and up to 80 ms at once. Imports leave next to no garbage, and looking for it once
    more would take as long as a tenth of them.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _leave_soon() -> None:
    """End the process within three seconds: everything is closed, but a thread may still wait for a name server.

    asyncio joins the threads of its executor, and a name look-up cannot be interrupted.
    """
    timer = threading.Timer(3.0, os._exit, (0,))
    timer.daemon = True
    timer.start()
