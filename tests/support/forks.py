"""Processes of the daemon without the start of a Python for each: forks of one that has imported everything.

To start Python and to import the package takes two thirds of the processor time of a short command, and the tests run
a hundred. Whatever happens before ``main`` is tested with commands that are started as users start them: see the
marker ``commands``.

As a program, this module is the process that forks. It reads requests from the socket that is its standard input:
what to run, with the ends of pipes for standard output, standard error and the status, which is a line with the
process id, and one with the exit code.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONGEST_REQUEST = 100_000
LONGEST_LINE = 2**20
PASSED = 3
"""How many descriptors come with a request."""


class Forked:
    """A process as `asyncio.create_subprocess_exec` gives it."""

    def __init__(
        self, status: asyncio.StreamReader, pid: int, streams: Sequence[asyncio.StreamReader | None]
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout, self.stderr = streams
        self._status = status
        self._ended = asyncio.create_task(self._end(), name=f"end of process {pid}")

    async def _end(self) -> int:
        self.returncode = int(await self._status.readline())
        return self.returncode

    async def wait(self) -> int:
        """Return the exit code once the process has ended; a signal's is negative."""
        return await asyncio.shield(self._ended)

    async def communicate(self) -> tuple[bytes, bytes]:
        """Read everything that the process prints until it has ended."""
        out, err, _ = await asyncio.gather(_content(self.stdout), _content(self.stderr), self.wait())
        return out, err

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes that nothing was read from."""
        for stream in (self.stdout, self.stderr, self._status):
            if stream is not None:
                stream._transport.close()  # type: ignore[attr-defined]


async def _content(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


class _Forker:
    """The process that forks, for some options of Python."""

    def __init__(self, options: Sequence[str], environment: dict[str, str]) -> None:
        self._socket, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, *options, "-P", __file__]
        # Python notes at its start whether a stream can seek. Nothing is read from these pipes.
        with its_end:
            self._process = subprocess.Popen(
                command, env=environment, stdin=its_end.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        atexit.register(self._stop)

    def request(self, request: dict[str, object], descriptors: Sequence[int]) -> None:
        """Have a process forked."""
        socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)

    def _stop(self) -> None:
        self._socket.close()
        with self._process:
            pass


_forkers: dict[tuple[str, ...], _Forker] = {}


async def fork(
    arguments: Sequence[str], *, options: Sequence[str], environment: dict[str, str], directory: Path, stdout: Any
) -> Forked:
    """Start a command; ``stdout`` is `asyncio.subprocess.PIPE` or an open file."""
    if tuple(options) not in _forkers:
        _forkers[tuple(options)] = _Forker(options, environment)
    request: dict[str, object] = {"arguments": [*arguments], "environment": environment, "directory": str(directory)}
    pipes = [os.pipe() for _ in range(PASSED)]
    readers = [await _reader(reading) for reading, _ in pipes]
    out, err, status = (writing for _, writing in pipes)
    if stdout != asyncio.subprocess.PIPE:
        os.close(out)
        readers[0]._transport.close()  # type: ignore[attr-defined]
        out = os.dup(stdout.fileno())
    try:
        _forkers[tuple(options)].request(request, (out, err, status))
    finally:
        for descriptor in (out, err, status):
            os.close(descriptor)
    is_piped = stdout == asyncio.subprocess.PIPE
    return Forked(readers[2], int(await readers[2].readline()), (readers[0] if is_piped else None, readers[1]))


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb"))
    return reader


def _import_all() -> None:
    """Import what commands do, in their way."""
    from retrovue_daemon.cli.startup import defer_collection, import_lightly  # noqa: PLC0415

    defer_collection()
    import_lightly()
    import typer.main  # noqa: PLC0415

    from retrovue_daemon.cli.app import command_line  # noqa: PLC0415

    # The forks need not evaluate the annotations of their commands.
    vars(typer.main)["get_params_from_function"] = cache(vars(typer.main)["get_params_from_function"])
    typer.main.get_command(command_line())
    for name in ("service.daemon", "cli.startup", "api.importer", "demo"):
        import_module(f"retrovue_daemon.{name}")


def _serve() -> None:
    """Fork as requested until the socket is closed. In a fork, return; the parent ends here."""
    requests = socket.socket(fileno=0)
    statuses: dict[int, int] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    sources: list[Any] = [requests, woken]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 1_000)
            _report_ended(statuses)
        if requests in ready:
            text, descriptors, _, _ = socket.recv_fds(requests, LONGEST_REQUEST, PASSED)
            if not text:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (woken, wake, *statuses.values()):
                    os.close(descriptor)
                requests.detach()
                _become(json.loads(text), descriptors)
                return
            statuses[pid] = descriptors.pop()
            os.write(statuses[pid], b"%d\n" % pid)
            for descriptor in descriptors:
                os.close(descriptor)
    for pid in statuses:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os._exit(0)


def _report_ended(statuses: dict[int, int]) -> None:
    for pid in list(statuses):
        ended, how = os.waitpid(pid, os.WNOHANG)
        if ended:
            descriptor = statuses.pop(pid)
            with suppress(BrokenPipeError):
                os.write(descriptor, b"%d\n" % os.waitstatus_to_exitcode(how))
            os.close(descriptor)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """Make this fork what the request describes."""
    null = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((null, *descriptors[:2])):
        os.dup2(descriptor, number)
    for descriptor in (null, *descriptors):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.argv = ["retrovue-daemon", *request["arguments"]]


if __name__ == "__main__":
    _import_all()
    _serve()
    from retrovue_daemon.cli import main

    main()
