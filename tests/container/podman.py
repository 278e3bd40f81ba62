"""Podman with images, containers and mounts of its own, of which nothing is left at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = """
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /dev/shm || exit
umount /sys/fs/cgroup/unified 2>/dev/null
echo ready
exec cat
"""
"""Prepares a mount namespace and stays in it. crun refuses to work where both versions of cgroups are mounted."""

LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096")
"""Podman's own limits are higher than those of most users, and only some users may raise a limit."""


class CannotRun(Exception):
    """This machine does not let this user run containers; the text says why."""


class Podman:
    """Runs podman's commands in one mount namespace."""

    def __init__(self, namespace: int, directory: Path) -> None:
        enter = ("nsenter", f"--target={namespace}", "--mount")
        places = (f"--{name}={directory / name}" for name in ("root", "runroot", "tmpdir"))
        self._command = (*enter, "podman", *places, "--cgroup-manager=cgroupfs")

    def command(self, *arguments: str | Path) -> list[str]:
        """Return what runs a command of podman."""
        return [*self._command, *map(str, arguments)]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)

    def succeed(self, *arguments: str | Path) -> str:
        """Run a command that must not fail, and return what it printed."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, f"{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        return ended.stdout


@contextmanager
def private_podman() -> Iterator[Podman]:
    """Enter with a mount namespace and an empty storage; on leaving, end all containers and remove both."""
    directory = Path(tempfile.mkdtemp(prefix="podman-"))
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", PRIVATE],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "ready\n":
                raise CannotRun(holder.stderr.read().strip())
            podman = Podman(holder.pid, directory)
            try:
                yield podman
            finally:
                podman.run("rm", "--all", "--force", "--time=0")
        finally:
            holder.communicate()
            shutil.rmtree(directory)
