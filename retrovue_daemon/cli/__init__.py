"""The ``retrovue-daemon`` command: the only part of the package that prints to the terminal."""

from __future__ import annotations

import signal
import sys

from retrovue_daemon.cli.startup import defer_collection, skip_final_collection


def main() -> None:
    """Run the command named by the arguments, and exit with its exit code."""
    if sys.argv[1:2] == ["run"]:
        _defer_signals()
    defer_collection()
    from retrovue_daemon.cli.app import run_app  # noqa: PLC0415 -- importing the package must stay cheap

    try:
        run_app()
    finally:
        skip_final_collection()


def _defer_signals() -> None:
    """Keep SIGHUP and SIGUSR1 from killing a daemon that is still starting: it handles them once it is ready.

    Before that, and at the very end, SIGTERM and SIGINT end the process at once, SIGINT without a traceback: no
    file is open yet.
    """
    requests = {signal.SIGHUP, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, requests)
    for number in requests:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


__all__ = ["main"]
