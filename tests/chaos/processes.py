"""Processes of the daemon under trial: commands that end, and the service with its log."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.processes import Finished

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
"""Seconds after which a wait counts as failed; machines may be busy."""


class Gone(Exception):
    """The process ended, or what was waited for did not come."""


async def start(home: Path, *arguments: str | Path, **environment: str) -> asyncio.subprocess.Process:
    """Start a command; ``environment`` holds the variables of `tests.chaos.child`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "tests.chaos.child"),
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1", "COLUMNS": "200", **environment},
        cwd=ROOT,
        limit=2**22,
    )


async def finish(process: asyncio.subprocess.Process) -> Finished:
    """Wait until a process has ended."""
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


class Service:
    """A running daemon, and its log as it comes."""

    def __init__(self, process: asyncio.subprocess.Process, report: Path) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text = ""
        self._report = report
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read(), name="log")
        self._errors = asyncio.create_task(self._read_errors(), name="stderr")

    @classmethod
    async def run(cls, home: Path, config: Path, **environment: str) -> Service:
        report = home / "report.json"
        process = await start(home, "run", "--config", config, CHAOS_REPORT=str(report), **environment)
        return cls(process, report)

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    def of(self, *events: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] in events]

    def end_of(self, request: int | None) -> dict[str, Any] | None:
        """Return the line that says how a requested sync ended, if it has."""
        ends = self.of("request.finished", "request.refused")
        return next((line for line in ends if line.get("request_id") == request), None)

    async def wait(self, holds: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
        """Wait until something holds, which is checked at each line of the log."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    if self._reading.done():
                        raise Gone(f"the daemon ended while it should {what}: {await self._errors}")
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise Gone(f"the daemon did not {what} within {seconds:.0f} s") from None

    async def wait_or_end(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, or the process has ended, which may be right, too."""
        try:
            await self.wait(holds, "go on or end")
        except Gone:
            if not self._reading.done():
                raise
            await self.process.wait()

    def peak_mib(self) -> float:
        """Return the most memory that the process had (VmHWM), in MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def measurements(self) -> dict[str, Any]:
        """Return what the process reported at its end."""
        return json.loads(self._report.read_text()) if self._report.exists() else {}

    async def complaints(self) -> str:
        """Return what the process wrote to standard error, once it has ended."""
        return await self._errors

    async def end(self) -> tuple[int, str]:
        """End the process with SIGTERM; return its exit code and standard error. Raise Gone after 10 seconds."""
        self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await self._reading
                await self.process.wait()
        except TimeoutError:
            await self.kill()
            raise Gone("the daemon did not end within 10 s of SIGTERM") from None
        assert self.process.returncode is not None
        return self.process.returncode, await self._errors

    async def kill(self) -> None:
        """Kill the process, if it is still there."""
        if self.process.returncode is None:
            self.process.kill()
        await asyncio.gather(self._reading, self._errors, return_exceptions=True)
        await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            async for line in self.process.stdout:
                self.text += line.decode()
                self.lines.append(json.loads(line))
                self._arrived.set()
        finally:
            self._arrived.set()

    async def _read_errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()
