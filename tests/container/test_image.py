"""The image that ``Containerfile`` makes: built without a network, and run as the page says."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.demo import built_in_library
from tests.container.base_image import VARIABLES, write_base
from tests.container.podman import LIMITS, CannotRun, Podman, private_podman
from tests.support.logs import Log
from tests.support.servers import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from retrovue_daemon.demo import SimulatedPlex

    Run = Callable[..., Awaitable[tuple[int | None, str]]]

pytestmark = [
    pytest.mark.time_limit(300),
    pytest.mark.skipif("CI" not in os.environ, reason="building an image takes half a minute: CI=true includes it"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount what these containers need"),
]

CHECKOUT = Path(__file__).parents[2]
IMAGE = "localhost/retrovue-daemon"
BASE = "localhost/base"
SEES = (
    "import os; places = '/var/lib/retrovue-daemon', '/etc/retrovue-daemon', '/opt/retrovue-daemon';"
    "print(os.getuid(), os.getgid(), [os.access(place, os.W_OK) for place in places])"
)
"""Prints the user and the group, and which places they may write to."""
CLOSED = ("--rm", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host", *LIMITS)
"""As in ``compose.yaml``; the simulated server is on the host's loopback."""


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with the image."""
    missing = [program for program in ("podman", "unshare", "nsenter") if shutil.which(program) is None]
    if missing:
        pytest.fail(f"{' and '.join(missing)} not installed")
    try:
        with private_podman() as podman:
            _build(podman, tmp_path_factory.mktemp("base") / "base.tar")
            yield podman
    except CannotRun as reason:
        pytest.skip(f"this machine cannot run containers: {reason}")


def _build(podman: Podman, base: Path) -> None:
    write_base(base)
    variables = [f"--change=ENV {name}={value}" for name, value in VARIABLES.items()]
    podman.succeed("import", *variables, base, BASE)
    tried = podman.run("run", *CLOSED, BASE, "python3", "-c", "import ssl, sqlite3, pip")
    assert "Traceback" not in tried.stderr, tried.stderr
    if tried.returncode:
        raise CannotRun(tried.stderr.strip())
    options = ("--format=docker", "--layers=false", "--network=none", f"--build-arg=BASE={BASE}", *LIMITS)
    podman.succeed("build", *options, f"--tag={IMAGE}", CHECKOUT)


@pytest.fixture
def plex() -> Iterator[SimulatedPlex]:
    with served(built_in_library()) as server:
        yield server


@pytest.fixture
def mounted(tmp_path: Path, plex: SimulatedPlex) -> tuple[str, ...]:
    """The options of the page: a directory with the configuration, and a volume."""
    file = tmp_path / "config.toml"
    file.write_text(f'[[servers]]\nname = "home"\nurl = "{plex.url}"\ntoken = "{plex.token}"\n')
    for path in (tmp_path, file):
        path.chmod(0o700)
        os.chown(path, 1000, 1000)
    return (*CLOSED, f"--volume={tmp_path}:/etc/retrovue-daemon:ro", "--volume=retrovue:/var/lib/retrovue-daemon")


@pytest.fixture
def run(podman: Podman) -> Run:
    """Run a command of podman; return its exit code and what it printed."""

    async def call(*words: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(*podman.command(*words), stdout=PIPE, stderr=PIPE)
        out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    return call


@pytest.fixture
async def daemon(podman: Podman, mounted: tuple[str, ...], run) -> AsyncIterator[asyncio.subprocess.Process]:
    """The daemon in a container in the foreground."""
    start = podman.command("run", "--name=daemon", *mounted, IMAGE)
    process = await asyncio.create_subprocess_exec(*start, stdout=PIPE, stderr=PIPE)
    yield process
    if process.returncode is None:
        await run("rm", "--force", "--time=0", "daemon")
        await process.communicate()


async def test_the_image_runs_as_the_page_says(podman, daemon, run, mounted, plex) -> None:
    """One test, because building takes so long; its helpers say what is expected."""
    _has_what_a_platform_looks_at(podman)
    await _serves(daemon, run, plex)
    await _keeps_its_data(run, mounted)


def _has_what_a_platform_looks_at(podman: Podman) -> None:
    """The user, the volume, the command and the health check. No pip, no sources, and `init` needs no mounts."""
    (image,) = json.loads(podman.succeed("image", "inspect", IMAGE))
    config = image["Config"]
    assert (config["User"], config["Volumes"]) == ("1000:1000", {"/var/lib/retrovue-daemon": {}})
    assert (config["Entrypoint"], config["Cmd"]) == (["retrovue-daemon"], ["run"])
    assert image["Healthcheck"]["Test"] == ["CMD", "retrovue-daemon", "health"]
    find = "import importlib.util, os; print(importlib.util.find_spec('pip'), os.path.exists('/src'))"
    environment = "--entrypoint=/opt/retrovue-daemon/bin/python3"
    assert podman.succeed("run", environment, *CLOSED, IMAGE, "-c", find) == "None False\n"
    example = CHECKOUT.joinpath("config.example.toml").read_text("utf-8")
    assert podman.succeed("run", *CLOSED, IMAGE, "init", "-") == example


async def _serves(daemon: asyncio.subprocess.Process, run: Run, plex: SimulatedPlex) -> None:
    """It syncs, is healthy, has no privileges, and writes to the volume only; commands reach it."""
    log = Log(daemon)
    await log.next("daemon.starting")
    for _ in [library for library in plex.world.libraries.values() if library.type in {"movie", "show"}]:
        await log.next("sync.finished", status="ok")
    code, printed = await run("exec", "daemon", "retrovue-daemon", "health")
    assert (code, printed[:13]) == (0, "ok: 1 server,")
    assert (await run("healthcheck", "run", "daemon"))[0] == 0
    assert await run("exec", "daemon", "python3", "-c", SEES) == (0, "1000 1000 [True, False, False]\n")
    assert (await run("exec", "daemon", "retrovue-daemon", "reload"))[0] == 0
    daemon.terminate()
    await daemon.communicate()
    assert daemon.returncode == 0


async def _keeps_its_data(run: Run, mounted: tuple[str, ...]) -> None:
    """In the volume, for the next container of the same user."""
    for options, words, expected, text in (
        ((), ("items", "search", "metropolis"), 0, "Metropolis"),
        ((), ("health",), 1, "no daemon is running"),
        (("--user=1234:1234",), ("status",), 78, "permission denied"),
    ):
        code, printed = await run("run", *options, *mounted, IMAGE, *words)
        assert code == expected, printed
        assert text in printed
