"""Commands get the content on standard input, in a clean environment, and cannot hold anything up."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

from retrovue_daemon.cli.commands.hooks import deliver_until_stopped
from retrovue_daemon.config import parse_config
from retrovue_daemon.errors import HookFailed, Interrupted
from retrovue_daemon.publish.hooks import programs
from retrovue_daemon.publish.hooks.bodies import example_body
from retrovue_daemon.publish.hooks.programs import MOST_OUTPUT, run_program
from tests.publish.hooks.conftest import hook
from tests.support.patience import PATIENCE_S


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return str(path)


async def test_a_command_gets_changes(start, change, tmp_path) -> None:
    """As one JSON object on its standard input."""
    out = tmp_path / "out"
    command = [script(tmp_path / "hook", f'cat > "{out}.part"; mv "{out}.part" "$1"'), str(out)]
    await start(hook(command=command))
    await change([5])
    async with asyncio.timeout(PATIENCE_S):
        while not out.exists():  # noqa: ASYNC110 -- another process makes it
            await asyncio.sleep(0.005)
    body = json.loads(out.read_text())
    assert (body["type"], body["changes"][0]["id"]) == ("changes", 5)


async def test_the_environment_is_clean(tmp_path, monkeypatch) -> None:
    """No token of the daemon's environment reaches it, and no file that the daemon has open."""
    monkeypatch.setenv("PLEX_TOKEN", "secret")
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.delenv("TZ", raising=False)
    out = tmp_path / "out"
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)  # noqa: FBT003 -- its only form
        command = script(tmp_path / "hook", f"{{ /usr/bin/env; pwd; ls -l /proc/self/fd; }} > {out}")
        await run_program([command], b"{}", "my hook", 10)
    found = out.read_text()
    names = {line.partition("=")[0] for line in found.splitlines() if "=" in line} - {"PWD", "_", "SHLVL", "OLDPWD"}
    assert names == {"PATH", "HOME", "LANG", "RETROVUE_HOOK"}
    assert "RETROVUE_HOOK=my hook" in found
    assert "\n/\n" in found
    assert str(tmp_path / "open") not in found


async def test_arguments_are_no_shell(tmp_path) -> None:
    """What a shell would expand stays as it is."""
    out = tmp_path / "out"
    await run_program([script(tmp_path / "hook", f'printf %s "$1" > {out}'), "$(id); *"], b"", "a", 10)
    assert out.read_text() == "$(id); *"


async def test_another_exit_code_is_a_failure(tmp_path) -> None:
    """With the end of what the command printed."""
    with pytest.raises(HookFailed, match=r"^the command exited with 3: no such library$"):
        await run_program([script(tmp_path / "hook", "echo no such; echo library >&2; exit 3")], b"", "a", 10)
    with pytest.raises(HookFailed, match=r"^the command was killed by SIGKILL$"):
        await run_program([script(tmp_path / "hook2", "kill -9 $$")], b"", "a", 10)


@pytest.mark.parametrize(
    "argument",
    ["s3cr3t", "--key=s3cr3t", "key: s3cr3t", "curl -H 'X: s3cr3t'", "me:s3cr3t@h", "a\ts3cr3t", "f('/s3cr3t')"],
)
async def test_arguments_are_not_shown_in_what_it_prints(tmp_path, argument) -> None:
    """As a whole, or in parts; the rest of the output is."""
    program = script(tmp_path / "hook", 'echo called with "$*"; echo no s3cr3t there; exit 3')
    with pytest.raises(HookFailed) as failed:
        await run_program([program, argument], b"", "a", 10)
    assert str(failed.value).startswith("the command exited with 3: called with ")
    assert str(failed.value).endswith("no *** there")
    assert "s3cr3t" not in str(failed.value)


async def test_a_program_that_is_gone_is_a_failure(tmp_path) -> None:
    """It may be removed after the configuration was read."""
    with pytest.raises(HookFailed, match=r"^the command cannot be run: no such file or directory$") as failed:
        await run_program([str(tmp_path / "none")], b"", "a", 10)
    assert failed.value.lasting


async def test_megabytes_of_output_are_dropped(tmp_path) -> None:
    """The command is not blocked, and only the end is kept."""
    text = "yes x | head -c 2000000; echo the end; exit 1"
    with pytest.raises(HookFailed) as failed:
        await run_program([script(tmp_path / "hook", text)], b"", "a", 20)
    assert str(failed.value).endswith("x the end")
    assert len(str(failed.value)) < MOST_OUTPUT + 100


async def test_half_an_argument_is_not_shown(tmp_path) -> None:
    """Where a long output is cut off, a secret may begin before what is kept."""
    secret = "s3cr3t-" * 500
    text = 'i=0; while [ $i -lt 30 ]; do printf "%s " "$1"; i=$((i+1)); done; echo the end; exit 1'
    with pytest.raises(HookFailed) as failed:
        await run_program([script(tmp_path / "hook", text), secret], b"", "a", 20)
    assert "s3cr3t" not in str(failed.value)
    assert str(failed.value).endswith("the end")


async def test_content_that_is_not_read_is_no_failure() -> None:
    """Megabytes of it do not fit into a pipe."""
    await run_program(["/bin/true"], b"x" * 5_000_000, "a", 10)


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path, monkeypatch) -> None:
    """Its whole group, also if it ignores SIGTERM."""
    monkeypatch.setattr(programs, "GRACE_S", 0.05)
    pids = tmp_path / "pids"
    text = f"trap '' TERM; sleep 600 & echo $$ $! > {pids}; wait; sleep 600"
    with pytest.raises(HookFailed, match=r"^the command did not end within 0\.3 s and was killed$"):
        await run_program([script(tmp_path / "hook", text)], b"", "a", 0.3)
    _are_gone(pids)


async def test_a_daemon_that_stops_ends_its_commands(tmp_path, start, change, monkeypatch) -> None:
    """Within seconds, and nothing is counted as delivered."""
    monkeypatch.setattr(programs, "GRACE_S", 0.05)
    pids = tmp_path / "pids"
    made = await start(hook(command=[script(tmp_path / "hook", f"sleep 600 & echo $$ $! > {pids}; wait")]))
    await change([1])
    async with asyncio.timeout(PATIENCE_S):
        while not pids.exists() or not pids.read_text().endswith("\n"):  # noqa: ASYNC110 -- another process makes it
            await asyncio.sleep(0.005)
    await made.stop()
    _are_gone(pids)


async def test_a_stop_signal_ends_the_command_of_hooks_test(tmp_path, monkeypatch) -> None:
    """With its group, also if it ignores SIGTERM."""
    monkeypatch.setattr(programs, "GRACE_S", 0.05)
    pids, program = tmp_path / "pids", tmp_path / "stubborn"
    os.mkfifo(pids)
    program.write_text(f"#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $$ $! > {pids}\nwait; sleep 600\n")
    program.chmod(0o700)
    (section,) = parse_config({"hooks": [{"name": "a", "on": ["changes"], "command": [str(program)]}]}).hooks
    trying = asyncio.create_task(deliver_until_stopped(section, example_body("a", None, [])))
    started = tmp_path / "started"
    started.write_text(await asyncio.to_thread(pids.read_text))
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted):
        await trying
    _are_gone(started)


async def test_a_command_that_just_starts_is_ended_with_its_children(tmp_path, monkeypatch) -> None:
    """It may have children before asyncio knows it."""
    pids, reached, going_on = tmp_path / "pids", asyncio.Event(), asyncio.Event()
    start = asyncio.create_subprocess_exec

    async def slowly(*arguments, **keys):
        process = await start(*arguments, **keys)
        while not pids.exists() or not pids.read_text().endswith("\n"):  # noqa: ASYNC110 -- another process makes it
            await asyncio.sleep(0.005)
        reached.set()
        await going_on.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    command = script(tmp_path / "hook", f"sleep 600 & echo $$ $! > {pids}; wait")
    running = asyncio.create_task(run_program([command], b"", "a", 60))
    await reached.wait()
    running.cancel()
    await asyncio.sleep(0)
    going_on.set()
    await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled()
    _are_gone(pids)


async def test_a_program_in_the_background_holds_nothing_up(tmp_path) -> None:
    """It keeps the output open, and goes on after the command has ended."""
    pids = tmp_path / "pids"
    await run_program([script(tmp_path / "hook", f"sleep 600 & echo $! > {pids}")], b"", "a", 10)
    os.kill(int(pids.read_text()), signal.SIGKILL)


def _are_gone(pids: Path) -> None:
    for pid in pids.read_text().split():
        until = time.monotonic() + PATIENCE_S
        while _runs(int(pid)):
            assert time.monotonic() < until


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


async def test_exit_codes_are_read_if_the_signal_of_children_was_ignored(tmp_path) -> None:
    """A process inherits that from its parent; the system then forgets how children ended."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        await run_program(["/bin/true"], b"", "a", 10)
        with pytest.raises(HookFailed, match=r"^the command exited with 3$"):
            await run_program([script(tmp_path / "hook", "exit 3")], b"", "a", 10)
    finally:
        signal.signal(signal.SIGCHLD, before)


async def test_a_program_that_is_being_replaced_is_tried_again_soon(tmp_path) -> None:
    """That passes by itself."""
    program = tmp_path / "hook"
    shutil.copyfile("/bin/true", program)
    program.chmod(0o700)
    with program.open("r+b"), pytest.raises(HookFailed, match="text file busy") as failed:
        await run_program([str(program)], b"", "a", 10)
    assert not failed.value.lasting


async def test_a_full_disk_keeps_no_command_from_its_content(tmp_path, monkeypatch) -> None:
    """The content is in memory."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    out = tmp_path / "out"
    await run_program([script(tmp_path / "hook", f"cat > {out}")], b"{}", "a", 10)
    assert out.read_bytes() == b"{}"
