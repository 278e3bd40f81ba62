"""Processes of the daemon: how they are started, end, and hear from systemd."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tests.support.forks import Forked, fork
from tests.support.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STRICT = ("-X", "faulthandler", "-W", "error")
"""Options of Python: any warning is an error. What was not closed is found at the end, at the latest."""

DEVELOPMENT = ("-X", "dev", "-W", "error")
"""Options for the development mode, in which asyncio also refuses calls from other threads than its own. It notes
where each task and callback was created, so a sync takes half as long again."""

ALLOCATOR = {"PYTHONMALLOC": "pymalloc"}
"""Development mode would also check each block of memory, which finds mistakes in C only and takes a sixth of the
time of a command."""

SLOW = re.compile(r"^.*Executing <.* took [0-9.]+ seconds.*\n", re.MULTILINE)
"""asyncio's remark, in development mode, on a callback of more than 0.1 s: on a busy machine any can take as long."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended."""

    code: int
    out: str
    err: str


AT_START = ("PYTHON", "LANG", "LC_", "TZ")
"""How variables begin that Python reads as it starts."""


class Commands:
    """Starts real processes of the daemon; in them too every warning is an error."""

    def __init__(self, home: Path, options: Sequence[str] = STRICT, *, forks: bool = False) -> None:
        self._home = home
        self._options = options
        self._forks = forks
        """Whether processes may be forks of one that has imported everything; see `tests.support.forks`."""
        self._started: list[asyncio.subprocess.Process | Forked] = []

    async def start(
        self, *arguments: str | Path, stdout: int | IO[bytes] = asyncio.subprocess.PIPE, **environment: str
    ) -> Any:
        """Start a command; the result is an `asyncio.subprocess.Process`, or like one."""
        if self._forks and not any(name.startswith(AT_START) for name in environment):
            variables = {"PATH": os.environ["PATH"], "HOME": str(self._home), "NO_COLOR": "1", "COLUMNS": "200"}
            forked = await fork(
                [str(argument) for argument in arguments],
                options=self._options,
                environment={**variables, **ALLOCATOR, **environment},
                directory=self._home,
                stdout=stdout,
            )
            self._started.append(forked)
            return forked
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(*self._options, "-m", "retrovue_daemon"),
            *map(str, arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._home),
                "NO_COLOR": "1",
                "COLUMNS": "200",
                **ALLOCATOR,
                **environment,
            },
            cwd=self._home,
            limit=2**20,
        )
        self._started.append(process)
        return process

    async def run(self, *arguments: str | Path, **environment: Any) -> Finished:
        process = await self.start(*arguments, **environment)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Finished(process.returncode, out.decode(), SLOW.sub("", err.decode()))

    async def end_all(self) -> None:
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()
            if isinstance(process, Forked):
                process.close()


# The kernel lets root write wherever it likes by a capability; a process that has given it up is like any other user.
WITHOUT_PRIVILEGE = """
import ctypes, os, sys
if os.geteuid() == 0:
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
            sys.exit(f"cannot give up a capability: {os.strerror(ctypes.get_errno())}")
os.execv(sys.executable, [sys.executable, "-X", "dev", "-W", "error", "-m", "retrovue_daemon", *sys.argv[1:]])
"""


class NotifySocket:
    """The service manager's end of the socket to which ``$NOTIFY_SOCKET`` leads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    async def next(self, wanted: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """Read on until a message is what is wanted."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = (await asyncio.get_running_loop().sock_recv(self._socket, 65_536)).decode()
                told = dict(line.split("=", 1) for line in message.split("\n"))
                self.heard.append(told)
                if wanted(told):
                    return told

    def close(self) -> None:
        self._socket.close()


def mask_of(process: asyncio.subprocess.Process, kind: str) -> int:
    """Return which signals a process blocks (SigBlk), ignores (SigIgn) or catches (SigCgt): proc_pid_status(5)."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1], 16)
    return 0


def has(mask: int, number: int) -> bool:
    """Tell whether a signal is in a mask."""
    return bool(mask >> (number - 1) & 1)
