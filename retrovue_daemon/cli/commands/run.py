"""``retrovue-daemon run``."""

from __future__ import annotations

import os
import sys
import threading

from retrovue_daemon.cli.display.output import log_warnings, print_error
from retrovue_daemon.cli.options import ConfigOption, DatabaseOption
from retrovue_daemon.cli.startup import import_lightly, tune_memory
from retrovue_daemon.errors import DaemonError

EXIT_TIMEOUT_S = 3.0
"""Seconds that threads of libraries may take to end after the daemon has stopped."""


def run(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Run the daemon: keep the database up to date until SIGTERM or SIGINT.

    Servers are polled at the interval of the configuration. Between polls, the daemon follows their notifications, so
    that changes arrive within seconds; `retrovue-daemon status` shows for which servers that works.

    SIGHUP reloads the configuration, as `retrovue-daemon reload` does; SIGUSR1 starts a sync at once. The daemon logs
    to standard output: in a readable format on a terminal, otherwise as JSON.

    Examples:

    - `retrovue-daemon run --config /etc/retrovue-daemon/config.toml`
    - `retrovue-daemon run --database /srv/retrovue.db`, with the servers that the database defines
    """
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.config import read_config  # noqa: PLC0415 -- likewise

    settings = read_config(config, database)
    import_lightly()
    from retrovue_daemon.logs.setup import configure_logging, log_uncaught  # noqa: PLC0415 -- likewise
    from retrovue_daemon.logs.streams import Outlet  # noqa: PLC0415 -- likewise
    from retrovue_daemon.logs.subscriptions import Subscriptions  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service import daemon  # noqa: PLC0415 -- imports aiohttp, which --help does not need
    from retrovue_daemon.service.reload import Process  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.systemd import Notifier  # noqa: PLC0415 -- likewise

    with Outlet(sys.stdout) as outlet:
        stream = outlet.as_stream()
        subscriptions = Subscriptions()
        redactor = configure_logging(
            level=settings.logging.level,
            format=settings.logging.format,
            stream=stream,
            subscriptions=subscriptions,
        )
        log_uncaught()
        log_warnings(settings.warnings)
        page = None
        if settings.web.listen is not None:
            from retrovue_daemon.web.service import WebService  # noqa: PLC0415 -- not for daemons without a page

            page = WebService()
        tune_memory()
        notifier = Notifier.from_environ(os.environ)
        process = Process(config, database, stream, redactor, notifier, subscriptions, page)

        async def until_stopped() -> None:
            try:
                await daemon.run(settings, process)
            except Exception as error:
                _exit_soon(error)
                raise
            _exit_soon()

        asyncio.run(until_stopped())


def _exit_soon(error: Exception | None = None) -> None:
    """Exit within seconds: everything is closed, but a thread may still wait for a name server.

    asyncio joins the threads of its executor, and a name look-up cannot be interrupted. ``error`` is the error with
    which the daemon stopped; it is printed in this case, too.
    """
    timer = threading.Timer(EXIT_TIMEOUT_S, _exit, (error,))
    timer.daemon = True
    timer.start()


def _exit(error: Exception | None) -> None:
    code = 0
    if isinstance(error, DaemonError):
        print_error(error)
        code = error.exit_code
    elif error is not None:
        sys.excepthook(type(error), error, error.__traceback__)
        code = 1
    sys.stderr.flush()
    os._exit(code)
