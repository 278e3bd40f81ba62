"""Real reverse proxies, configured by the examples of the documentation."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.support.patience import PATIENCE_S
from tests.support.programs import required_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NGINX = """
daemon off;
pid {place}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""


def snippet(page: str, language: str) -> str:
    """Return the example of a page of the documentation."""
    (text,) = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return text


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


@asynccontextmanager
async def running(port: int, *command: str | Path, home: Path) -> AsyncIterator[str]:
    """Run a proxy until the context ends; yield its address."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert process.returncode is None
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.01)  # nothing tells when a proxy listens
                    continue
                writer.close()
                break
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def nginx_running(location: str, place: Path) -> AsyncIterator[str]:
    """Run nginx with this block of a server until the context ends; yield its address."""
    program, port, file = required_program("nginx"), free_port(), place / "nginx.conf"
    file.write_text(NGINX.format(place=place, port=port, location=location))
    async with running(port, program, "-p", place, "-c", file, home=place) as url:
        yield url
