"""A run of a hook's command, which accepts the content with exit code 0."""

from __future__ import annotations

import asyncio
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

_CHUNK: Final = 64 * 1024

_PUNCTUATION: Final = "'\"`;,()[]{}<>&|=:"
_SHORTEST_PART: Final = 4
"""Characters of a part of an argument that is removed from output; a shorter one may be part of a word."""


async def run_program(arguments: Sequence[str], content: bytes, name: str, timeout: float) -> None:  # noqa: ASYNC109 -- the group is ended, too
    """Run a program without a shell, with the content as its standard input; raise HookFailed unless it exits with 0.

    It leads a process group, which is ended after ``timeout`` seconds, or if the caller is cancelled.
    """
    with _file_of(content) as stdin, _Output() as output:
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
            raise HookFailed(f"the command did not end within {timeout:g} s and was killed") from None
        finally:
            if process.returncode is None:
                await _end_group(process)
        output.read()
        if code:
            text = without_arguments(output.text, arguments)
            raise HookFailed(_how(code) + (f": {text}" if text else ""))


def without_arguments(text: str, arguments: Sequence[str]) -> str:
    """Return a text that a command printed without its arguments, and without the parts of which they consist."""
    parts = set()
    for argument in arguments[1:]:
        words = [word.strip(_PUNCTUATION) for word in argument.split()]
        values = [value.strip(_PUNCTUATION) for word in words for value in re.split("[=:@]", word)[1:]]
        parts |= {" ".join(argument.split()), *words, *values}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SHORTEST_PART:
            text = text.replace(part, MASK)
    return text


async def _started(starting: Coroutine[Any, Any, Process], name: str) -> Process:
    """Return the process. If the caller is cancelled before it is there, asyncio alone would end only its leader."""
    task = asyncio.create_task(starting, name=f"start of the command of hook {name}")
    try:
        return await asyncio.shield(task)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        hint = "put the program there, or correct command in the configuration"
        raise HookFailed(f"the command cannot be run: {reason}", hint=hint, lasting=True) from None
    except asyncio.CancelledError:
        (process,) = await asyncio.gather(task, return_exceptions=True)
        if isinstance(process, Process):
            await _end_group(process)
        raise


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
    """Yield a file with the content: unlike a pipe, it does not matter whether the program reads it."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        yield file


class _Output:
    """What a program prints, whose end is kept. Programs in the background may keep the pipe open."""

    def __init__(self) -> None:
        self._start, self.end = os.pipe()
        self._kept = b""
        os.set_blocking(self._start, False)

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._start, self.read_some)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        os.close(self._start)
        self.close_end()

    @property
    def text(self) -> str:
        """The end of the output as one line."""
        words = self._kept.decode("utf-8", "replace").split()
        return " ".join(words)

    def close_end(self) -> None:
        """Close the end that the program has inherited."""
        end, self.end = self.end, -1
        if end >= 0:
            os.close(end)

    def read_some(self) -> bool:
        """Read what is there, a piece at most; return whether there was anything."""
        try:
            chunk = os.read(self._start, _CHUNK)
        except BlockingIOError:
            return False
        self._kept = (self._kept + chunk)[-MOST_OUTPUT:]
        if not chunk:
            self._stop()
        return bool(chunk)

    def read(self) -> None:
        """Read what a program that has ended left in the pipe."""
        self._stop()
        for _ in range(16):  # a pipe holds a MiB at most
            if not self.read_some():
                return

    def _stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._start)


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
