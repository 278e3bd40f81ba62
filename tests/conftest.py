"""What applies to all tests: the time limit, the signals that child processes inherit, and shared fixtures."""

from __future__ import annotations

import faulthandler
import signal
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from aioresponses import aioresponses, core

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the teardown too: pytest cancels the limit (``faulthandler_timeout``) of a test that has failed."""
    seconds = float(item.config.getini("faulthandler_timeout"))
    stderr = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Undo that SIGHUP and SIGINT are ignored, as under ``nohup`` and in a script's background: children inherit it.

    A handler is not inherited. So pytest itself still ignores SIGHUP: it runs on when the terminal is closed.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Response(aiohttp.ClientResponse):
    """A response that can be made as aioresponses 0.7.9 makes it: without the writer that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Answers in place of aiohttp's requests, for a test of one request; no socket is opened."""
    monkeypatch.setattr(core, "ClientResponse", _Response)
    with aioresponses() as answers:
        yield answers
