"""The ``retrovue-daemon`` command. Nothing else of the package prints for people."""

from __future__ import annotations

import signal
import sys

from retrovue_daemon.cli.startup import defer_collection, skip_final_collection


def main() -> None:
    """Run the command that the arguments name and end the process with its exit code."""
    if sys.argv[1:2] == ["run"]:
        _hold_back_signals()
    defer_collection()
    from retrovue_daemon.cli.app import run_app  # noqa: PLC0415 -- importing the package must stay cheap

    try:
        run_app()
    finally:
        skip_final_collection()


def _hold_back_signals() -> None:
    """Keep SIGHUP and SIGUSR1 from ending a service that has just begun: it acts on them once it can.

    Until then, and at the very end, SIGTERM and SIGINT end the process on the spot, the latter without a traceback:
    nothing is open.
    """
    told = {signal.SIGHUP, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    for number in told:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


__all__ = ["main"]
