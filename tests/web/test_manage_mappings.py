"""``/manage/mappings``: path mappings, the files that each covers, and the test of a path."""

from __future__ import annotations

import asyncio
import threading

import pytest

from retrovue_daemon.web import own_thread
from retrovue_daemon.web.own_thread import in_own_thread
from tests.support.patience import PATIENCE_S
from tests.support.web import check_accessibility, rows_of, sign_in

pytestmark = pytest.mark.no_groups

MAPPINGS = "SELECT plex_path, local_path, library_name FROM plex_path_mappings ORDER BY id"


async def test_a_mapping_is_suggested_added_and_tested_by_keyboard(serve_page, page, plex, path, tmp_path) -> None:
    """From the files that have none; afterwards the page says how many it covers, with examples."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    (plex_path,) = rows_of(path, "SELECT plex_path FROM media_files ORDER BY plex_path LIMIT 1")[0]
    await sign_in(page, served)
    await page.goto(f"{served.url}/manage/mappings")
    await check_accessibility(page)
    suggestion = page.get_by_role("list", name="If these files").get_by_role("link").first
    prefix = await suggestion.inner_text()
    await suggestion.focus()
    await page.keyboard.press("Enter")
    field = page.get_by_label("Directory on the server")
    await field.wait_for()
    assert await field.input_value() == prefix
    await page.get_by_label("The same directory here").focus()
    await page.keyboard.type(str(tmp_path))
    await page.keyboard.press("Enter")
    await page.get_by_role("status").filter(has_text="Added").wait_for()
    row = page.get_by_role("row").filter(has_text=str(tmp_path)).first
    assert "file" in await row.inner_text()
    assert await row.get_by_role("code").count() in {1, 2}
    await check_accessibility(page)
    await page.get_by_label("Path of a file on a server").fill(f"{prefix}/<b>x</b>.mkv")
    await page.keyboard.press("Enter")
    trials = page.get_by_role("list", name="Test a path")
    await trials.wait_for()
    assert f"{tmp_path}/<b>x</b>.mkv" in await trials.inner_text()
    assert "the file does not exist" in await trials.inner_text()
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.get_by_label("The same directory here").input_value() == ""
    # The daemon itself follows.
    async with asyncio.timeout(PATIENCE_S):
        sql = "SELECT count(*) FROM media_files WHERE file_path LIKE ? || '/%'"
        while rows_of(path, sql, str(tmp_path)) == [(0,)]:
            await served.events.next("paths.recomputed")
    assert plex_path


WRONG = [
    ({"server": ""}, "server"),
    ({"server": "x"}, "server"),
    ({"plex_path": ""}, "plex_path"),
    ({"plex_path": "relative"}, "plex_path"),
    ({"plex_path": "/" + "x" * 5000}, "plex_path"),
    ({"plex_path": "/a\x00b"}, "plex_path"),
    ({"plex_path": "/taken"}, "plex_path"),
    ({"local_path": "here"}, "local_path"),
    ({"local_path": "/a\nb"}, "local_path"),
    ({"library_name": "No Such Library"}, "library_name"),
    ({"library_root": "/" + "x" * 5000}, "library_root"),
]


async def test_each_wrong_value_is_said_beside_its_field(serve_page, plex, path) -> None:
    """When a mapping is added, and when it is changed; nothing is stored."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    token = await served.form_token("/manage/mappings")
    good = {"form_token": token, "server": "1", "plex_path": "/data/x", "local_path": "/mnt/x"}
    for plex_path in ("/taken", "/data/x"):
        response = await served.post("/manage/mappings", good | {"plex_path": plex_path})
        assert response.status == 303
    assert "does not exist on this system" in (await served.get("/manage/mappings")).text
    before = rows_of(path, MAPPINGS)
    for values, name in WRONG:
        addresses = ["/manage/mappings", "/manage/mappings/2"]
        for address in addresses[: 1 if name == "server" else 2]:
            new = {"plex_path": "/data/y"} if address == addresses[0] else {}
            response = await served.post(address, good | new | values)
            assert (response.status, f'id="{name}-error"' in response.text) == (422, True), (address, values)
    assert rows_of(path, MAPPINGS) == before
    # Twice the same is said; a change to itself is none.
    again = await served.post("/manage/mappings", good)
    assert (again.status, "already maps /data/x" in again.text) == (422, True)
    library = rows_of(path, "SELECT library_name FROM libraries LIMIT 1")[0][0]
    changed = good | {"local_path": "/mnt/z", "library_name": library}
    for _ in range(2):
        assert (await served.post("/manage/mappings/2", changed)).status == 303
    assert rows_of(path, MAPPINGS)[1] == ("/data/x", "/mnt/z", library)
    assert (await served.post("/manage/mappings", good | {"server": "99"})).status == 404
    assert (await served.post("/manage/mappings/2/remove", {"form_token": token})).status == 303
    assert (await served.post("/manage/mappings/2/remove", {"form_token": token})).status == 404
    assert (await served.get("/manage/mappings/2")).status == 404
    wrong = await served.get("/manage/mappings?path=%00")
    assert (wrong.status, 'id="path-error"' in wrong.text) == (200, True)


async def test_what_the_configuration_defines_is_only_shown(serve_page, plex, path) -> None:
    """With the key to edit."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    columns = "(server_id, plex_path, local_path, source, created_at)"
    rows_of(path, f"INSERT INTO plex_path_mappings {columns} VALUES (1, '/a', '/b', 'config', 1)")
    text = (await served.get("/manage/mappings/1")).text
    assert "path_mappings" in text
    assert "/manage/mappings/1/remove" not in text
    form = {"form_token": await served.form_token("/manage"), "plex_path": "/a", "local_path": "/c"}
    for address in ("/manage/mappings/1", "/manage/mappings/1/remove"):
        response = await served.post(address, form)
        assert (response.status, "can only be changed there" in response.text) == (422, True)
    assert rows_of(path, "SELECT local_path FROM plex_path_mappings") == [("/b",)]


async def test_a_file_system_that_does_not_respond_keeps_nothing_waiting() -> None:
    """Neither the page nor the end of the daemon; and only so many threads hang."""
    hanging = threading.Event()
    before = len(own_thread._running)
    for _ in range(own_thread.MOST - before):
        with pytest.raises(TimeoutError):
            await in_own_thread(hanging.wait, 0.001)
    with pytest.raises(TimeoutError):
        await in_own_thread(lambda: "not begun", 60.0)
    threads = list(own_thread._running)
    assert all(thread.daemon for thread in threads)
    hanging.set()
    for thread in threads:
        thread.join()
    assert await in_own_thread(lambda: "done", 60.0) == "done"
    with pytest.raises(ZeroDivisionError):
        await in_own_thread(lambda: 1 // 0, 60.0)
