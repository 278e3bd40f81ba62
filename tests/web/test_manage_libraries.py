"""``/manage/libraries``: which libraries are synced, their priorities, and removals that are held back."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tests.support.patience import PATIENCE_S
from tests.support.web import check_accessibility, rows_of, sign_in

pytestmark = pytest.mark.no_groups

SETTINGS = "SELECT id, sync_enabled, priority FROM libraries ORDER BY id"


async def test_libraries_are_switched_and_ordered(serve_page, plex, path) -> None:
    """Only what is different from what the page has shown: what others changed meanwhile stays."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    before = rows_of(path, SETTINGS)
    first, second, third = (row[0] for row in before[:3])
    form = {"form_token": await served.form_token("/manage/libraries")}
    for number in (first, second, third):
        form |= {f"was-{number}": "1:100", f"on-{number}": "1", f"priority-{number}": "100"}
    rows_of(path, "UPDATE libraries SET priority = 7, sync_enabled = 0 WHERE id = ?", third)
    del form[f"on-{first}"]
    form[f"priority-{second}"] = "10"
    response = await served.post("/manage/libraries", form)
    assert response.headers["Location"] == "/manage/libraries"
    assert "is off, with priority 100" in (await served.get("/manage/libraries")).text
    assert rows_of(path, SETTINGS)[:3] == [(first, 0, 100), (second, 1, 10), (third, 0, 7)]
    # The same form again changes nothing, and says so.
    await served.post("/manage/libraries", {"form_token": form["form_token"], f"was-{first}": "0:100"})
    assert "Nothing has changed" in (await served.get("/manage/libraries")).text
    stored = rows_of(path, SETTINGS)
    for wrong in ("", "x", "-1", "1000001", "9" * 30, "1.5", "\u0661"):
        response = await served.post("/manage/libraries", form | {f"priority-{third}": wrong})
        assert (response.status, f'id="priority-{third}-error"' in response.text) == (422, True), wrong
    unknown = {"form_token": form["form_token"], "was-99": "1:100", f"was-{third}": "1:7"}
    assert (await served.post("/manage/libraries", unknown)).status == 404
    assert rows_of(path, SETTINGS) == stored


async def test_the_configuration_decides_what_it_lists(serve_page, plex, path) -> None:
    """An order in the file sets the priorities, which are then only shown."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    config = served.supervisor.config
    titles = tuple(title for (title,) in rows_of(path, "SELECT library_name FROM libraries ORDER BY id LIMIT 2"))
    section = dataclasses.replace(config.servers[0], libraries=titles)
    served.supervisor.config = dataclasses.replace(config, servers=(section,))
    text = (await served.get("/manage/libraries")).text
    assert 'name="priority-' not in text
    assert "the configuration does not select it" in text
    form = {"form_token": await served.form_token("/manage/libraries"), "was-1": "1:100", "priority-1": "5"}
    response = await served.post("/manage/libraries", form | {"on-1": "1"})
    assert (response.status, "the order of its libraries can only be changed there" in response.text) == (422, True)


async def test_a_library_that_is_held_back_is_released(serve_page, page, plex, path) -> None:
    """After a look at what would go; in the browser, by keyboard alone."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    gone = [item for item in plex.world.items.values() if item.library == "1"]
    for item in gone:
        plex.changes.delete(item.id)
    served.supervisor.sync_now()
    await served.events.next("sync.blocked")
    (library_id,) = rows_of(path, "SELECT id FROM libraries WHERE state = 'blocked'")[0]
    await sign_in(page, served)
    await page.goto(f"{served.url}/manage/libraries")
    await check_accessibility(page)
    await page.get_by_role("link", name="look at them").focus()
    await page.keyboard.press("Enter")
    shown = page.get_by_role("list", name="Not listed any more")
    await shown.wait_for()
    assert await shown.get_by_role("listitem").count() == len(gone)
    await check_accessibility(page)
    await page.get_by_role("button", name="Accept the removals").focus()
    await page.keyboard.press("Enter")
    await page.get_by_role("status").filter(has_text="Accepted").wait_for()
    async with asyncio.timeout(PATIENCE_S):
        while (await served.events.next("request.finished"))["exit_code"] != 0:
            pass
    assert rows_of(path, "SELECT state FROM libraries WHERE id = ?", library_id) == [("active",)]
    sql = "SELECT count(*) FROM movies WHERE library_id = ? AND state = 'missing'"
    assert rows_of(path, sql, library_id) == [(len(gone),)]
    # A second click finds nothing to release.
    await served.sign_in()
    form = {"form_token": await served.form_token("/manage")}
    again = await served.post(f"/manage/libraries/{library_id}/accept-removals", form)
    assert again.status == 409
    assert "No removals are held back" in (await served.get(f"/manage/libraries/{library_id}")).text


async def test_what_is_not_known_can_be_listed_again(serve_page, plex, path) -> None:
    """After a restart of the daemon, nothing is known of what would go."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    rows_of(path, "UPDATE libraries SET state = 'blocked', last_error = '<b>9 of 10</b>' WHERE id = 1")
    text = (await served.get("/manage/libraries/1")).text
    assert "is not known until" in text
    assert "&lt;b&gt;9 of 10" in text
    form = {"form_token": await served.form_token("/manage")}
    assert (await served.post("/manage/libraries/1/list", form)).status == 303
    assert rows_of(path, "SELECT kind, options ->> 'accept_removals' FROM sync_requests") == [("full", 0)]
    for number in ("99", "x"):
        assert (await served.get(f"/manage/libraries/{number}")).status == 404
        assert (await served.post(f"/manage/libraries/{number}/accept-removals", form)).status == 404
