"""``retrovue-daemon demo --serve``: a simulated Plex server for other programs."""

from __future__ import annotations

import gc
import tempfile
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import typer

from retrovue_daemon.cli.commands.demo.page import ended_by_signal, page_served
from retrovue_daemon.cli.display.output import print_failure

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from retrovue_daemon.demo import SimulatedPlex


async def serve_until_signal(
    plex: SimulatedPlex, *, port: int, control_port: int | None, page: bool, as_json: bool
) -> None:
    """Serve until SIGTERM or SIGINT; print the address once the server accepts connections.

    With a control port, serve an HTTP API there that changes the simulated library (0 selects a free port). With a
    page, a daemon syncs the server into a temporary database, and shows that.
    """
    from retrovue_daemon.demo import Control  # noqa: PLC0415 -- imports aiohttp

    ended = ended_by_signal()
    async with AsyncExitStack() as opened:
        await _open(opened, plex, "--port", port)
        addresses = {"url": plex.url, "token": plex.token}
        if control_port is not None:
            control = Control(plex, port=control_port)
            await _open(opened, control, "--control-port", control_port)
            addresses["control"] = control.url
        if page:
            place = opened.enter_context(tempfile.TemporaryDirectory(prefix="retrovue-demo-"))
            tables = {
                "database": {"path": f"{place}/retrovue.db"},
                "servers": [{"name": "demo", "url": plex.url, "token": plex.token}],
            }
            shown = await opened.enter_async_context(page_served(tables))
            addresses |= {"page": shown.url, "page_token": shown.token}
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
    if "page" in addresses:
        print(f"page    {addresses['page']} (to change something, sign in with {addresses['page_token']})")
    print("Ctrl-C stops the server", flush=True)
