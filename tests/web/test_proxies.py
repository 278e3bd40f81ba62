"""The page behind a real reverse proxy, configured as docs/web.md says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.proxies import nginx_running, snippet
from tests.support.web import FORM_TOKEN, TOKEN

pytestmark = pytest.mark.no_groups

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text("utf-8")
NAME = "tv.example"


async def test_the_documented_proxy_passes_the_page_on(serve_page, tmp_path) -> None:
    """With its host name and for whom it speaks, so that reading needs the token too; events arrive at once."""
    served = await serve_page(web={"hosts": [NAME]})
    location = snippet(PAGE, "nginx").replace("http://127.0.0.1:8181", served.url)
    headers = {"Host": NAME, "Origin": f"http://{NAME}"}
    async with nginx_running(location, tmp_path) as url, asyncio.timeout(PATIENCE_S):
        async with served.client.get(f"{url}/", headers=headers, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/login?next=/")
        async with served.client.get(f"{url}/", headers={"Host": "other.example"}) as response:
            assert response.status == 421
        async with served.client.get(f"{url}/login", headers=headers) as response:
            (form_token,) = FORM_TOKEN.findall(await response.text())
        form = {"form_token": form_token, "token": TOKEN}
        async with served.client.post(f"{url}/login", data=form, headers=headers, allow_redirects=False) as response:
            assert response.status == 303
        async with served.client.get(f"{url}/progress", headers=headers) as stream:
            assert b'"libraries_total":0' in await stream.content.readline()
            await stream.content.readline()
            served.supervisor.board.begin("home", "Films")
            assert b'"libraries_total":1' in await stream.content.readline()
