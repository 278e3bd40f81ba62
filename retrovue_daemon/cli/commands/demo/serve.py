"""``retrovue-daemon demo --serve``: a simulated Plex server for other programs."""

from __future__ import annotations

import gc
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import typer

from retrovue_daemon.cli.display.output import print_failure

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from retrovue_daemon.demo import SimulatedPlex


async def serve_until_signal(plex: SimulatedPlex, *, port: int, control_port: int | None, as_json: bool) -> None:
    """Serve until SIGTERM or SIGINT; print the address once the server accepts connections.

    With a control port, serve an HTTP API there that changes the simulated library (0 selects a free port).
    """
    import asyncio  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.demo import Control  # noqa: PLC0415 -- imports aiohttp

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with AsyncExitStack() as opened:
        await _open(opened, plex, "--port", port)
        addresses = {"url": plex.url, "token": plex.token}
        if control_port is not None:
            control = Control(plex, port=control_port)
            await _open(opened, control, "--control-port", control_port)
            addresses["control"] = control.url
        # The library stays in memory until the end, so the collector need not scan it.
        gc.freeze()
        _print(addresses, as_json=as_json)
        await ended.wait()


async def _open(opened: AsyncExitStack, server: AbstractAsyncContextManager[object], option: str, port: int) -> None:
    try:
        await opened.enter_async_context(server)
    except OSError as error:
        print_failure(f"cannot serve on port {port}: {error.strerror}", f"{option} 0 selects a free port")
        raise typer.Exit(1) from None


def _print(addresses: dict[str, str], *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415 -- only some commands need it

    if as_json:
        print(msgspec.json.encode(addresses).decode(), flush=True)
        return
    print(f"serving {addresses['url']}\ntoken   {addresses['token']}")
    if "control" in addresses:
        print(f"control {addresses['control']}")
    print("Ctrl-C stops the server", flush=True)
