"""A server whose responses are built to fill the memory: pages are requested in halves, and memory stays bounded."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import sys
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MIB: Final = 1024 * 1024
FILMS: Final = 300
HONEST: Final = 150
"""Entries; every request for more gets a bomb."""

MEASURED: Final = """
import resource, subprocess, sys
code = subprocess.run([sys.executable, "-m", "retrovue_daemon", *sys.argv[1:]], stderr=sys.stderr).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def film(inner: str) -> bytes:
    entry = f'{{"ratingKey":"1","type":"movie","title":"Alien",{inner}}}'
    return f'{{"MediaContainer":{{"size":1,"totalSize":{FILMS},"Metadata":[{entry}]}}}}'.encode()


def xml(inner: str) -> bytes:
    return f'<MediaContainer size="1" totalSize="{FILMS}">{inner}</MediaContainer>'.encode()


BOMBS: Final = {
    "zipped": lambda: gzip.compress(film('"summary":"' + "x" * (60 * MIB) + '"'), 1),
    "nulls": lambda: film('"Guid":[' + "null," * (3 * MIB) + "null]"),
    "ids": lambda: film('"Guid":[' + "{}," * (5 * MIB) + "{}]"),
    "numbers": lambda: film('"Guid":[' + "1000," * (3 * MIB) + "0]"),
    "elements": lambda: xml("<Video/>" * (MIB // 2)),
    "nested": lambda: xml("<Video>" * (MIB // 2)),
    "attributes": lambda: xml("<Video " + " ".join(f'a{number}=""' for number in range(400_000)) + "/>"),
}
"""Functions, because together they take 100 MB, in every process that imports this module."""


class BombServer:
    """Lists one library per bomb, each of FILMS films."""

    def __init__(self, *, bombs: bool) -> None:
        self.url = ""
        self._bombs = {name: bomb() for name, bomb in BOMBS.items()} if bombs else {}
        application = web.Application()
        application.router.add_get("/identity", self._identity)
        application.router.add_get("/library/sections", self._sections)
        application.router.add_get("/library/sections/{key}/all", self._listing)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _identity(self, _request: web.Request) -> web.Response:
        return web.json_response({"MediaContainer": {"machineIdentifier": "m", "version": "1.40"}})

    async def _sections(self, _request: web.Request) -> web.Response:
        libraries = [{"key": name, "type": "movie", "title": name, "uuid": f"u-{name}"} for name in BOMBS]
        return web.json_response({"MediaContainer": {"size": len(BOMBS), "Directory": libraries}})

    async def _listing(self, request: web.Request) -> web.Response:
        name, start = request.match_info["key"], int(request.query["X-Plex-Container-Start"])
        size = int(request.query["X-Plex-Container-Size"])
        if self._bombs and size > HONEST:
            headers = {"Content-Encoding": "gzip"} if name == "zipped" else {}
            return web.Response(body=self._bombs[name], headers=headers)
        first = 1 + FILMS * list(BOMBS).index(name)
        entries = [
            {"ratingKey": str(first + number), "type": "movie", "title": f"{name} {number}"}
            for number in range(start, min(start + size, FILMS))
        ]
        content = {"size": len(entries), "totalSize": FILMS, "offset": start, "Metadata": entries}
        return web.json_response({"MediaContainer": content})


@pytest.fixture
async def servers() -> AsyncIterator[tuple[BombServer, BombServer]]:
    """Give an honest server, and one of bombs."""
    both = (BombServer(bombs=False), BombServer(bombs=True))
    for server in both:
        await server.start()
    yield both
    for server in both:
        await server.stop()


def configured(server: BombServer, place: Path) -> Path:
    config = place.with_suffix(".toml")
    config.write_text(
        f'[database]\npath = "{place.with_suffix(".db")}"\n'
        f'[[servers]]\nname = "home"\nurl = "{server.url}"\ntoken = "tok-bombs"\n'
    )
    return config


async def synced(server: BombServer, place: Path) -> tuple[int, int, int]:
    """Sync in a process of its own; give its exit code, its peak memory in MiB, and the number of stored films."""
    config = configured(server, place)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", MEASURED, "sync", "--quiet", "--json", "--config", str(config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(place.parent)},
    )
    out, err = await process.communicate()
    code, peak = out.decode().splitlines()[-1].split()
    assert int(code) in {0, 1}, err.decode()
    with sqlite3.connect(place.with_suffix(".db")) as database:
        (films,) = database.execute("SELECT count(*) FROM movies").fetchone()
    database.close()
    return int(code), int(peak), films


async def test_no_response_takes_more_than_64_mib(servers: tuple[BombServer, BombServer], tmp_path: Path) -> None:
    """Seven libraries at once, and all of their films arrive."""
    honest, bombs = servers
    code, base, films = await synced(honest, tmp_path / "honest")
    assert (code, films) == (0, FILMS * len(BOMBS))
    code, peak, films = await synced(bombs, tmp_path / "bombs")
    assert (code, films) == (0, FILMS * len(BOMBS)), json.dumps({"peak": peak})
    assert peak <= base + 64
