"""Commands in this process: what they print, and how they end, without the start of a Python for each."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import structlog

from retrovue_daemon.cli.app import run_app
from retrovue_daemon.service.signals import Signals
from tests.support.processes import Commands, Finished

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Terminal(io.TextIOWrapper):
    """Standard input that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class CommandsHere(Commands):
    """Runs commands in a thread of this process, beside the simulated servers; `start` still starts a process.

    Signals are out of its reach: only the main thread may handle them. There is one command at a time.
    """

    _is_busy = False

    async def run(self, *arguments: str | Path, **environment: Any) -> Finished:
        assert not self._is_busy, "two commands at a time need a process for each"
        self._is_busy = True
        try:
            return await self._run(*arguments, **environment)
        finally:
            self._is_busy = False

    async def _run(self, *arguments: str | Path, **environment: Any) -> Finished:
        variables = {"PATH": os.environ["PATH"], "HOME": str(self._home), "NO_COLOR": "1", "COLUMNS": "200"}
        with (
            patch.dict(os.environ, {**variables, **environment}, clear=True),
            _in_directory(self._home),
            patch.object(Signals, "__enter__", lambda signals: signals),
            patch.object(Signals, "__exit__", Mock(return_value=None)),
            patch.object(signal, "signal", Mock()),
        ):
            return await asyncio.to_thread(run_here, *arguments)


def run_here(*arguments: object, stdin: str = "", terminal: bool = False) -> Finished:
    """Run a command line as the console script does; leave logging and the interpreter as they were."""
    source = (Terminal if terminal else io.TextIOWrapper)(io.BytesIO(stdin.encode()))
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for _ in range(2))
    with (
        _settings_kept(),
        patch.object(sys, "argv", ["retrovue-daemon", *map(str, arguments)]),
        patch.multiple(sys, stdin=source, stdout=out, stderr=err),
    ):
        try:
            run_app()
        except SystemExit as ended:
            code = ended.code
        else:
            code = None
    assert code is None or isinstance(code, int)
    return Finished(code or 0, *(stream.buffer.getvalue().decode(encoding) for stream in (out, err)))


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Restore what a command configures for the whole process, which for it is the process's only use."""
    root = logging.getLogger()
    handlers, level, threshold = root.handlers, root.level, gc.get_threshold()
    was_configured, logs = structlog.is_configured(), structlog.get_config()
    hooks = sys.excepthook, threading.excepthook
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers = handlers
        root.setLevel(level)  # an assignment would leave what loggers remember of it
        sys.excepthook, threading.excepthook = hooks
        gc.set_threshold(*threshold)
        structlog.configure(**logs) if was_configured else structlog.reset_defaults()


@contextmanager
def _in_directory(path: Path) -> Iterator[None]:
    before = os.getcwd()  # noqa: PTH109 -- as os.chdir takes it
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
