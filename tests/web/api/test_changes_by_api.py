"""What programs change by the API: the same as the page, with problem documents."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.web import BEARER, rows_of

if TYPE_CHECKING:
    from tests.support.web import Served

pytestmark = pytest.mark.no_groups


async def ask(served: Served, method: str, address: str, body: object = None) -> tuple[int, Any]:
    """Send a request of a program; return the status, and the response as JSON if there is one."""
    options = {} if body is None else {"json": body}
    response = await served.get(f"/api/v1{address}", method=method, headers=BEARER, **options)
    if response.status >= 400:
        assert response.headers["Content-Type"] == "application/problem+json"
    return response.status, json.loads(response.text) if response.text else None


async def test_a_program_can_do_what_the_page_does(serve_page, plex, path) -> None:
    """From the first server to its removal; no response holds its token."""
    served = await serve_page(syncs=True)
    new = {"name": "home", "url": plex.url, "token": plex.token}
    status, server = await ask(served, "POST", "/servers", new)
    assert (status, server["name"], server["has_token"]) == (201, "home", True)
    assert plex.token not in str(server)
    await served.has_synced()
    status, server = await ask(served, "PATCH", "/servers/1", {"is_active": False, "token": plex.token})
    assert (status, server["is_active"]) == (200, False)
    assert (await ask(served, "PATCH", "/servers/1", {"is_active": True}))[1]["is_active"] is True
    status, library = await ask(served, "PATCH", "/libraries/1", {"priority": 5, "sync_enabled": False})
    assert (status, library["priority"], library["sync_enabled"]) == (200, 5, False)
    assert (await ask(served, "GET", "/libraries/1/removals"))[1]["is_held_back"] is False
    rows_of(path, "UPDATE libraries SET state = 'blocked', last_error = 'too many' WHERE id = 1")
    held = (await ask(served, "GET", "/libraries/1/removals"))[1]
    assert held == {"is_held_back": True, "reason": "too many", "count": None, "items": []}

    mapping = {"server": "HOME", "plex_path": "/data", "local_path": "/mnt", "library_name": None}
    status, added = await ask(served, "POST", "/mappings", mapping)
    assert (status, added["server"], added["source"]) == (201, "home", "database")
    status, changed = await ask(served, "PATCH", f"/mappings/{added['id']}", {"local_path": "/srv"})
    assert (status, changed["plex_path"], changed["local_path"]) == (200, "/data", "/srv")
    status, tested = await ask(served, "POST", "/mappings/test", {"path": "/data/a.mkv"})
    assert (status, [each["local_path"] for each in tested["results"]]) == (200, ["/srv/a.mkv"])
    assert (await ask(served, "DELETE", f"/mappings/{added['id']}")) == (204, None)
    assert (await ask(served, "DELETE", f"/mappings/{added['id']}"))[0] == 404

    status, sync = await ask(served, "POST", "/syncs", {"server": "home", "full": True})
    assert (status, sync["finished_at"]) == (202, None)
    async with asyncio.timeout(PATIENCE_S):
        await served.events.next("request.finished")
    status, sync = await ask(served, "GET", f"/syncs/{sync['id']}")
    assert (status, sync["result"]["exit_code"]) == (200, 0)

    assert (await ask(served, "POST", "/servers/1/machine"))[1]["found"] == plex.world.machine_identifier
    seen = {"machine_identifier": plex.world.machine_identifier}
    assert await ask(served, "POST", "/servers/1/accept-identity", seen) == (200, {"items": 0})
    assert await ask(served, "DELETE", "/servers/1") == (204, None)
    assert (await ask(served, "DELETE", "/servers/1"))[0] == 404


WRONG: list[tuple[str, str, object, int, str]] = [
    ("POST", "/servers", {"name": "x"}, 422, "url"),
    ("POST", "/servers", {"name": "x", "url": "http://x", "token": "t0ken", "extra": 1}, 422, "extra"),
    ("POST", "/servers", {"name": 1, "url": "http://x", "token": "t0ken"}, 422, "$.name"),
    ("POST", "/servers", {"name": "x", "url": "ftp://x", "token": "t0ken"}, 422, '"url"'),
    ("POST", "/servers", {"name": "x", "url": "http://169.254.169.254", "token": "t0ken"}, 422, "link-local"),
    ("POST", "/servers", {"name": "y" * 201, "url": "http://x", "token": "t0ken"}, 422, "$.name"),
    ("POST", "/servers", {"name": "a\nb", "url": "http://x", "token": "t0ken"}, 422, "control characters"),
    ("POST", "/servers", [], 422, "object"),
    ("PATCH", "/servers/1", {"is_active": "yes"}, 422, "$.is_active"),
    ("PATCH", "/servers/1", {"is_active": False}, 422, "can only be changed there"),
    ("PATCH", "/servers/1", {"token": "t0ken"}, 422, "can only be changed there"),
    ("DELETE", "/servers/1", None, 422, "can only be changed there"),
    ("PATCH", "/servers/x", {}, 404, "nothing at this address"),
    ("PATCH", "/servers/0", {}, 404, "nothing at this address"),
    ("PATCH", f"/servers/{2**63}", {}, 404, "nothing at this address"),
    ("PATCH", "/servers/99", {"is_active": True}, 404, "no server has the id 99"),
    ("POST", "/servers/1/accept-identity", {"machine_identifier": "another"}, 409, "another machine responds now"),
    ("PATCH", "/libraries/99", {"priority": 1}, 404, "no library has the id 99"),
    ("PATCH", "/libraries/1", {"priority": -1}, 422, "$.priority"),
    ("PATCH", "/libraries/1", {"priority": 1.5}, 422, "$.priority"),
    ("POST", "/mappings", {"server": "none", "plex_path": "/a", "local_path": "/b"}, 404, "none"),
    ("POST", "/mappings", {"server": "home", "plex_path": "a", "local_path": "b"}, 422, '"plex_path"'),
    ("POST", "/mappings", {"server": "home", "plex_path": "/a", "local_path": "/b", "id": 1}, 422, "id"),
    ("PATCH", "/mappings/99", {"local_path": "/b"}, 404, "no mapping has the id 99"),
    ("POST", "/mappings/test", {"path": "a\x00b"}, 422, "control characters"),
    ("POST", "/syncs", {"server": "none"}, 404, "none"),
    ("POST", "/syncs", {"year": 1961}, 422, "requires show"),
    ("POST", "/syncs", {"full": 1}, 422, "$.full"),
    ("GET", "/syncs/99", None, 404, "no sync has the id 99"),
]


async def test_each_wrong_request_gets_a_problem_document(serve_page, plex, path) -> None:
    """And changes nothing."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    tables = ("plex_servers", "libraries", "plex_path_mappings", "sync_requests")
    sql = "SELECT id, name, token, is_active, machine_identifier FROM plex_servers"
    before = [rows_of(path, sql), *(rows_of(path, f"SELECT count(*) FROM {table}") for table in tables)]
    for method, address, body, expected, words in WRONG:
        status, problem = await ask(served, method, address, body)
        said = json.dumps(problem, ensure_ascii=False)
        assert (status, words in said) == (expected, True), (address, body, said)
        assert "t0ken" not in str(problem)
    after = [rows_of(path, sql), *(rows_of(path, f"SELECT count(*) FROM {table}") for table in tables)]
    assert after == before
    for method, address in (("POST", "/servers"), ("PATCH", "/servers/1"), ("POST", "/syncs")):
        response = await served.get(f"/api/v1{address}", method=method, headers=BEARER, data="{")
        assert response.status == 415
        json_type = {"Content-Type": "application/json"}
        response = await served.get(f"/api/v1{address}", method=method, headers=BEARER | json_type, data="{")
        assert response.status == 400


async def test_a_page_that_may_not_manage_refuses_the_api_too(serve_page, plex) -> None:
    """With the key that decides."""
    served = await serve_page(plex, web={"manage": False})
    status, problem = await ask(served, "POST", "/syncs", {})
    assert (status, "[web] manage = false" in problem["hint"]) == (403, True)
