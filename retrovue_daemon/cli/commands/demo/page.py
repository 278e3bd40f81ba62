"""The page of the demo: a daemon that keeps syncing the simulated servers, to be looked at in a browser."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping


class Page(NamedTuple):
    """Where the page is, and the token that changes something there. It opens nothing but this demo."""

    url: str
    token: str


def wants_page(given: bool | None, *, as_json: bool, serve: bool, sized: bool) -> bool:
    """Return whether to serve a page: if asked for; without a word, at the end of the story on a terminal."""
    if given is not None:
        return given
    return not (as_json or serve or sized) and sys.stdin.isatty() and sys.stdout.isatty()


def ended_by_signal() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set from now on."""
    import asyncio  # noqa: PLC0415 -- not for --help
    import signal  # noqa: PLC0415 -- likewise

    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    return ended


@asynccontextmanager
async def page_served(settings: Mapping[str, Any]) -> AsyncIterator[Page]:
    """Run a daemon with a page; ``settings`` are the tables of its configuration but for ``[web]``."""
    import secrets  # noqa: PLC0415 -- not for --help

    from retrovue_daemon.clock import Clock  # noqa: PLC0415 -- likewise
    from retrovue_daemon.config import parse_config  # noqa: PLC0415 -- likewise
    from retrovue_daemon.logs.setup import configure_logging  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.background import DaemonParts, in_background  # noqa: PLC0415 -- likewise
    from retrovue_daemon.service.daemon import kept_in_sync  # noqa: PLC0415 -- imports aiohttp
    from retrovue_daemon.web.service import WebService  # noqa: PLC0415 -- imports jinja2

    token, service = secrets.token_hex(8), WebService()
    config = parse_config({**settings, "web": {"listen": "127.0.0.1:0", "token": token}})
    redactor = configure_logging(level="critical", stream=sys.stderr)
    async with (
        kept_in_sync(config, redactor) as supervisor,
        in_background(service, DaemonParts(supervisor, redactor, Clock())),
    ):
        yield Page(service.addresses[0], token)
