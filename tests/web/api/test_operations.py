"""Requests to the API that are not as declared: problem documents that say what is wrong where."""

from __future__ import annotations

import json

import pytest

from tests.support.web import BEARER


@pytest.mark.no_groups
async def test_status_has_the_names_that_the_command_prints(serve_page, plex) -> None:
    """And no token."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    answer = json.loads((await served.get("/api/v1/status")).text)
    assert answer["database"]["daemon_running"] is True
    assert [(each["name"], each["error"]) for each in answer["servers"]] == [("home", None)]
    assert {each["last_pass"]["status"] for each in answer["servers"][0]["libraries"]} == {"ok"}
    assert answer["totals"]["movies"] > 0
    assert plex.token not in str(answer)


async def test_unknown_parameters_are_refused(serve_page) -> None:
    """Each is named, with what there is."""
    served = await serve_page()
    response = await served.get("/api/v1/status?x=1&y=2", headers=BEARER)
    problem = json.loads(response.text)
    assert (response.status, response.headers["Content-Type"]) == (422, "application/problem+json")
    assert [each["name"] for each in problem["errors"]] == ["x", "y"]
    assert problem["hint"] == "there are none here"
