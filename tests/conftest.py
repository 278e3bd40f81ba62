"""What applies to all tests: the time limit, the signals that child processes inherit, and shared fixtures."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import pytest
import structlog
import typer.main
from _pytest.faulthandler import fault_handler_stderr_fd_key
from aioresponses import aioresponses, core

pytest.register_assert_rewrite("tests.support")

from tests.support.schema import copy_for  # noqa: E402 -- after the line above

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


# asyncio calls it for each handler of a signal, and it creates 60 members of an enum each time.
signal.valid_signals = cache(signal.valid_signals)
# typer evaluates the annotations of a command each time it is run, which takes longer than most commands.
vars(typer.main)["get_params_from_function"] = cache(vars(typer.main)["get_params_from_function"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Run two tests at once for each core: some wait for timers and disks.

    Each worker collects all tests, which takes three seconds.
    """
    return 2 * (os.cpu_count() or 1)


def pytest_configure() -> None:
    """Keep each worker, and the processes that it starts, on one core.

    A query of the daemon goes to another thread and back. If that sleeps on another core, waking it up takes as long
    as the query: a tenth of the time of all tests. Without -n, tests use all cores, as ``make chaos`` does.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker.isdecimal() and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker) % len(cores)]})


LONGEST = (
    "properties/test_machine",
    "system/test_bombs",
    "system/test_benchmarks",
    "system/test_distribution",
    "system/test_crash",
    "chaos/test_chaos",
    "chaos/test_power",
)
"""Files whose tests take seconds each."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the longest tests, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: "/".join(item.path.with_suffix("").parts[-2:]) not in LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage meanwhile: there is none, and the collector would scan all tests again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Keep the garbage collector from scanning 200,000 objects of tests again and again: they are no garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Limit the test, choose how its databases begin and log lines look, and undo that signals are ignored.

    SIGHUP and SIGINT are under ``nohup``, and in a script's background. structlog's default is colored, aligned text,
    which takes a twentieth of the time of a sync, and there is a line of level debug for each request; few tests read
    lines, and those configure their own.

    Children inherit what is ignored, but no handlers. So pytest itself still ignores SIGHUP: it runs on when the
    terminal is closed.
    """
    _limit(item)
    copy_for(item.path)
    structlog.configure(
        processors=[
            _without_debug,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _without_debug(_logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop lines of level debug before they are rendered. Where lines are captured, no processor runs."""
    if method == "debug":
        raise structlog.DropEvent
    return event


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Limit the teardown too: pytest drops the limit of a test that has failed."""
    _limit(item)
    return (yield)


def _limit(item: pytest.Item) -> None:
    """End the process after ``faulthandler_timeout`` seconds, or as many as the test's own marker says."""
    own = item.get_closest_marker("time_limit")
    seconds = float(item.config.getini("faulthandler_timeout"))
    if seconds:
        stderr = item.config.stash[fault_handler_stderr_fd_key]
        faulthandler.dump_traceback_later(own.args[0] if own else seconds, exit=True, file=stderr)


class _Response(aiohttp.ClientResponse):
    """A response that can be made as aioresponses 0.7.9 makes it: without the writer that aiohttp 3.14 requires."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Responses instead of aiohttp's requests, for a test of one request; no socket is opened."""
    monkeypatch.setattr(core, "ClientResponse", _Response)
    with aioresponses() as answers:
        yield answers
