"""Running and measuring a whole program.

The benchmark's own process must stay small: the kernel includes the memory of the process that starts a program in
the program's peak memory.
"""

from __future__ import annotations

import compileall
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.simulation import Simulation

LONGEST_S = 1200.0
"""A program that takes longer is terminated, and the benchmark with it."""

MIB = 1024 * 1024
LAST_WORDS = 2000


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. ``wall_s`` and ``first_request_s`` count from the start of the process.

    ``cpu_s`` is user and system time, ``peak_mib`` the largest resident memory, ``written_mib`` the data handed to
    the kernel for files. The rest was observed by the simulated servers.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    written_mib: float
    first_request_s: float | None = None
    requests: int = 0
    mib: float = 0.0
    most_at_once: int = 0


def compile_all() -> None:
    """Compile the modules that programs import, as an installation does; otherwise each process would do so."""
    for package in ("retrovue_daemon", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)


class ProgramFailed(Exception):
    """A program ended with an exit code other than 0."""


def measure(command: Sequence[str], simulation: Simulation | None = None) -> Measured:
    """Run a program to its end. Raise ProgramFailed with its last output."""
    # Flush what the previous program wrote first: that takes processor time, which does not belong to this one.
    os.sync()
    if simulation is not None:
        simulation.forget()
    with tempfile.TemporaryFile() as said:
        began = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )
        limit = threading.Timer(LONGEST_S, process.kill)
        limit.start()
        try:
            # Not reaped yet: the kernel's file counters can only be read while the process exists.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            ended = time.monotonic()
            written = _written(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            limit.cancel()
            if process.returncode is None:  # interrupted
                process.kill()
                process.wait()
        if process.returncode != 0:
            said.seek(0)
            last = said.read().decode(errors="replace")[-LAST_WORDS:] or "nothing was said; is the disk full?"
            raise ProgramFailed(f"{' '.join(command[:4])} … ended with {process.returncode}: {last}")
    measured = Measured(
        wall_s=ended - began,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        written_mib=written / MIB,
    )
    return measured if simulation is None else _with_traffic(measured, simulation, began)


def _with_traffic(measured: Measured, simulation: Simulation, began: float) -> Measured:
    traffic = simulation.traffic()
    return Measured(
        measured.wall_s,
        measured.cpu_s,
        measured.peak_mib,
        measured.written_mib,
        None if traffic.first_at is None else traffic.first_at - began,
        traffic.requests,
        traffic.bytes / MIB,
        traffic.most_at_once,
    )


def _written(pid: int) -> int:
    counters = Path(f"/proc/{pid}/io").read_text(encoding="ascii")
    return next(int(line.partition(": ")[2]) for line in counters.splitlines() if line.startswith("wchar"))


def cpu_of(pid: int) -> float:
    """Return the seconds of processor time, user and system, that a running process has used."""
    # The name before the closing bracket may hold anything.
    counters = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(counters[11]) + int(counters[12])) / os.sysconf("SC_CLK_TCK")
