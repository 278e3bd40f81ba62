"""A run of a hook's command, which accepts the content with exit code 0."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import tempfile
from asyncio.subprocess import Process
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any, Final, Self

from retrovue_daemon.config.hooks import PROGRAM_PATH
from retrovue_daemon.config.tokens import MASK
from retrovue_daemon.errors import HookFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence

MOST_OUTPUT: Final = 1_000
"""Bytes of the end of the output that an error shows; the rest is dropped as it comes."""

GRACE_S: Final = 1.0
"""Seconds between SIGTERM and SIGKILL."""

END_S: Final = 3.0
"""Seconds to wait for the end after SIGKILL: a process that waits for a dead disk does not end."""

_MOST_KEPT: Final = 8 * MOST_OUTPUT
"""Bytes that are kept, so that what an error shows of them begins with no half of an argument."""

_CHUNK: Final = 64 * 1024

_PUNCTUATION: Final = "'\"`;,()[]{}<>&|"
_NAME: Final = re.compile(r"[\w.~%+-]+")
_SHORTEST_PART: Final = 4
"""Characters of a part of an argument that is removed from output; a shorter one may be part of a word."""

_PAUSE_S: Final = 0.01
"""Seconds between two chunks: a program that prints without end must not keep the event loop busy."""

_PASSING: Final = frozenset(
    {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY, errno.EIO, errno.ENOSPC, errno.EDQUOT}
)
"""Reasons not to start a program that pass by themselves, such as too many processes or a program being replaced."""


async def run_program(arguments: Sequence[str], content: bytes, name: str, timeout: float) -> None:  # noqa: ASYNC109 -- the group is ended, too
    """Run a program without a shell, with the content as its standard input; raise HookFailed unless it exits with 0.

    It leads a process group, which is ended after ``timeout`` seconds, or if the caller is cancelled.
    """
    _let_children_report()
    try:
        with _file_of(content) as stdin, _Output() as output:
            await _run(arguments, stdin, output, name, timeout)
    except OSError as error:
        raise _not_run(error) from None


async def _run(arguments: Sequence[str], stdin: IO[bytes], output: _Output, name: str, timeout: float) -> None:  # noqa: ASYNC109 -- likewise
    starting = asyncio.create_subprocess_exec(
        *arguments,
        stdin=stdin,
        stdout=output.end,
        stderr=output.end,
        env=_environment(name),
        cwd="/",
        start_new_session=True,
    )
    process = await _started(starting, name)
    output.close_end()
    try:
        async with asyncio.timeout(timeout):
            code = await process.wait()
    except TimeoutError:
        output.read()
        detail = f"the command did not end within {timeout:g} s and was killed"
        raise HookFailed(detail + output.shown(arguments), is_slow=True) from None
    finally:
        if process.returncode is None:
            await _end_group(process)
    output.read()
    if code:
        raise HookFailed(_how(code) + output.shown(arguments))


def without_arguments(text: str, arguments: Sequence[str]) -> str:
    """Return a text that a command printed without its arguments, and without the parts of which they consist."""
    parts = set()
    for argument in arguments[1:]:
        words = argument.split()
        names = (name.strip("-.") for name in _NAME.findall(argument))
        parts |= {" ".join(words), *words, *(word.strip(_PUNCTUATION) for word in words), *names}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_PART:
            text = text.replace(part, MASK)
    return text


async def _started(starting: Coroutine[Any, Any, Process], name: str) -> Process:
    """Return the process. If the caller is cancelled before it is there, asyncio alone would end only its leader."""
    task = asyncio.create_task(starting, name=f"start of the command of hook {name}")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        (process,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(process, Process):
            await _end_group(process)
        raise


def _let_children_report() -> None:
    """Let the system keep exit codes: if SIGCHLD is ignored, by inheritance, each command seems to exit with 255."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        with suppress(ValueError):  # only the main thread may do that
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _not_run(error: OSError) -> HookFailed:
    reason = (error.strerror or type(error).__name__).lower()
    if error.errno in _PASSING:
        return HookFailed(f"the command cannot be run: {reason}")
    hint = "put the program there, or correct command in the configuration"
    return HookFailed(f"the command cannot be run: {reason}", hint=hint, lasting=True)


def _environment(name: str) -> dict[str, str]:
    """Return the environment of a command: nothing of the daemon's, which may hold secrets, but its home and zone."""
    kept = {key: os.environ[key] for key in ("HOME", "TZ") if key in os.environ}
    return {**kept, "PATH": PROGRAM_PATH, "LANG": "C.UTF-8", "RETROVUE_HOOK": name}


def _how(code: int) -> str:
    if code > 0:
        return f"the command exited with {code}"
    try:
        return f"the command was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"the command was killed by signal {-code}"


@contextmanager
def _file_of(content: bytes) -> Iterator[IO[bytes]]:
    """Yield a file with the content: unlike a pipe, it does not matter whether the program reads it.

    It is in memory if the system can do that, so a full disk does not matter either.
    """
    in_memory = getattr(os, "memfd_create", None)
    with tempfile.TemporaryFile() if in_memory is None else os.fdopen(in_memory("hook"), "w+b") as file:
        file.write(content)
        file.seek(0)
        yield file


class _Output:
    """What a program prints, whose end is kept. Programs in the background may keep the pipe open."""

    def __init__(self) -> None:
        self._start, self.end = os.pipe()
        self._kept = b""
        self._is_cut = False
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        os.set_blocking(self._start, False)

    def __enter__(self) -> Self:
        self._go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        os.close(self._start)
        self.close_end()

    def shown(self, arguments: Sequence[str]) -> str:
        """Return the end of the output as one line without the arguments, to be added to a message."""
        words = self._kept.decode("utf-8", "replace").split()
        # What begins in the middle may be the second half of a secret, which is not recognized.
        words = words[1:] if self._is_cut else words
        text = without_arguments(" ".join(words), arguments)[-MOST_OUTPUT:].strip()
        return f": {text}" if text else ""

    def close_end(self) -> None:
        """Close the end that the program has inherited."""
        end, self.end = self.end, -1
        if end >= 0:
            os.close(end)

    def read(self) -> None:
        """Read what a program that has ended left in the pipe."""
        self._stop()
        for _ in range(16):  # a pipe holds a MiB at most
            if not self._read_chunk():
                return

    def _read_chunk(self) -> bytes | None:
        """Return what is there, a chunk at most: nothing at the end, None if nothing is there yet."""
        try:
            chunk = os.read(self._start, _CHUNK)
        except BlockingIOError:
            return None
        self._kept += chunk
        if len(self._kept) > _MOST_KEPT:
            self._kept, self._is_cut = self._kept[-_MOST_KEPT:], True
        return chunk

    def _read_some(self) -> None:
        """Read a chunk, and the next one after a pause."""
        self._stop()
        if self._read_chunk() != b"":
            self._pause = self._loop.call_later(_PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._loop.add_reader(self._start, self._read_some)

    def _stop(self) -> None:
        self._loop.remove_reader(self._start)
        if self._pause is not None:
            self._pause.cancel()


async def _end_group(process: Process) -> None:
    """End a process and all that it started in its group, with SIGKILL if SIGTERM is not enough."""
    for number, seconds in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, END_S)):
        # A program that became another user's cannot be signalled, and must not keep the daemon from ending.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await process.wait()
    # Those that outlived their leader.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
