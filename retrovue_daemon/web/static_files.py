"""The style sheet, the scripts and the icon: read once, sent from memory with their own addresses."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

import msgspec
from aiohttp import web

_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

FOREVER: Final = "public, max-age=31536000, immutable"


class StaticFile(msgspec.Struct, frozen=True):
    """One file, and a tag that changes with its content."""

    content: bytes
    content_type: str
    tag: str


class StaticFiles:
    """All files of ``web/static``. A request only looks up a name, so no path leads out of the folder."""

    def __init__(self) -> None:
        self._files: dict[str, StaticFile] = {}
        for entry in files("retrovue_daemon.web").joinpath("static").iterdir():
            kind = _TYPES.get("." + entry.name.rpartition(".")[2])
            if kind is not None:
                content = entry.read_bytes()
                self._files[entry.name] = StaticFile(content, kind, hashlib.sha256(content).hexdigest()[:16])

    def address(self, name: str) -> str:
        """Return where a file is; the address changes with the content, so that browsers may keep it forever."""
        return f"/static/{name}?v={self._files[name].tag}"

    async def respond(self, request: web.Request) -> web.StreamResponse:
        """Send a file, or say that the browser's copy is still right."""
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        cache = FOREVER if request.query.get("v") == file.tag else "no-cache"
        headers = {"ETag": f'"{file.tag}"', "Cache-Control": cache}
        if any(tag.value == file.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.content, content_type=file.content_type, charset="utf-8", headers=headers)
