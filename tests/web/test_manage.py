"""``/manage``: adding and changing servers, and requesting syncs."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from pathlib import Path

import pytest
from aiohttp import web

from retrovue_daemon.demo import SimulatedPlex, built_in_library
from retrovue_daemon.errors import (
    AnswerTooLarge,
    BadAnswer,
    DuplicateServer,
    ServerBusy,
    ServerUnreachable,
    WrongServer,
)
from retrovue_daemon.web import contacts
from retrovue_daemon.web.contacts import own_words
from tests.support.web import BEARER, TOKEN, check_accessibility, rows_of, sign_in

pytestmark = pytest.mark.no_groups


async def form_of(served, **values: str) -> dict[str, str]:
    """Return a form of the session with these values."""
    return {"form_token": await served.form_token("/manage"), **values}


async def test_a_server_is_added_by_keyboard_and_synced(serve_page, page, plex, path, complaints) -> None:
    """The first one, on a page that looks the same in both colors and on a phone; its token is never shown."""
    served = await serve_page(syncs=True)
    await sign_in(page, served)
    await page.goto(f"{served.url}/manage")
    await check_accessibility(page)
    await page.get_by_label("Name").focus()
    await page.keyboard.type("<b>home</b>")
    await page.keyboard.press("Tab")
    await page.keyboard.type(plex.url)
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong")
    await page.keyboard.press("Enter")
    error = page.locator("#token-error")
    await error.wait_for()
    assert "rejected the token: HTTP 401; check the token" in await error.inner_text()
    assert await page.get_by_label("Name").input_value() == "<b>home</b>"
    assert await page.get_by_label("Token").input_value() == ""
    assert rows_of(path, "SELECT count(*) FROM plex_servers") == [(0,)]
    assert [text for text in complaints if "422" not in text] == []
    complaints.clear()
    await page.get_by_label("Token").focus()
    await page.keyboard.type(plex.token)
    await page.keyboard.press("Enter")
    note = await page.get_by_role("status").inner_text()
    assert "it responds and accepts the token. It has" in note
    await served.has_synced()
    assert rows_of(path, "SELECT count(*) > 3 FROM movies") == [(1,)]
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.emulate_media(color_scheme="dark")
    await page.goto(f"{served.url}/manage")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await check_accessibility(page)
    await page.get_by_role("link", name="<b>home</b>").click()
    await page.get_by_role("heading", name="Server <b>home</b>").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await check_accessibility(page)
    assert plex.token not in await page.content()
    page_text = await served.get("/manage/servers/1", headers=BEARER)
    assert plex.token not in page_text.text


WRONG = [
    ({}, {"name", "url", "token"}),
    ({"name": "home"}, {"name"}),
    ({"name": "HOME "}, {"name"}),
    ({"name": "x" * 201}, {"name"}),
    ({"name": "a\nb"}, {"name"}),
    ({"name": "a\u202eb"}, {"name"}),
    ({"url": "SAME"}, {"url"}),
    ({"url": "ftp://127.0.0.1"}, {"url"}),
    ({"url": "127.0.0.1"}, {"url"}),
    ({"url": "http://user:secret-pass@127.0.0.1"}, {"url"}),
    ({"url": "http://127.0.0.1:0"}, {"url"}),
    ({"url": "http://127.0.0.1/?X-Plex-Token=secret-pass"}, {"url"}),
    ({"url": "file:///etc/passwd"}, {"url"}),
    ({"url": "http://" + "x" * 2000}, {"url"}),
    ({"url": "http://169.254.169.254/latest/meta-data/"}, {"url"}),
    ({"url": "http://[fe80::1]:32400"}, {"url"}),
    ({"url": "http://169.254.10.1:32400"}, {"url"}),
    ({"token": "two words"}, {"token"}),
    ({"token": "x" * 5000}, {"token"}),
    ({"token": "wrong-t0ken"}, {"token"}),
]


async def test_each_wrong_value_is_said_beside_its_field(serve_page, plex, path) -> None:
    """With everything else that was typed, but no token and no password; nothing is stored."""
    served = await serve_page(plex)
    await served.sign_in()
    await served.supervisor._read_roster(served.supervisor.config)
    world = built_in_library()
    world.machine_identifier = "another"
    async with SimulatedPlex(world) as other:
        good = {"name": "attic", "url": other.url, "token": other.token}
        for values, wrong in WRONG:
            sent = {"name": "", "url": "", "token": ""} if not values else good | values
            sent = {name: plex.url if value == "SAME" else value for name, value in sent.items()}
            response = await served.post("/manage/servers", await form_of(served, **sent))
            found = {name for name in good if f'id="{name}-error"' in response.text}
            assert (response.status, found) == (422, wrong), (values, response.text)
            is_local = sent["url"].startswith(("http://169.254", "http://[fe80"))
            assert ("link-local addresses are refused" in response.text) == is_local
            assert sent["token"] not in response.text or sent["token"] == ""
            assert "secret-pass" not in response.text
        assert rows_of(path, "SELECT name FROM plex_servers") == [("home",)]
        # The same form twice at once, and once more: only one adds it, the others find it there.
        form = await form_of(served, **good)
        both = await asyncio.gather(*(served.post("/manage/servers", form) for _ in range(2)))
        assert sorted(response.status for response in both) == [303, 422]
        again = await served.post("/manage/servers", form)
        assert (again.status, "already exists" in again.text) == (422, True)
        assert rows_of(path, "SELECT count(*) FROM plex_servers") == [(2,)]


async def test_what_a_server_says_is_not_shown(serve_page) -> None:
    """Neither a redirect, nor the page of another program, nor its error."""
    served = await serve_page()
    await served.sign_in()

    async def respond(request: web.Request) -> web.Response:
        kind = request.path.split("/")[1]
        if kind == "redirect":
            return web.Response(status=302, headers={"Location": f"{served.url}/healthz"}, text="inner-secret")
        if kind == "busy":
            body = '<Response code="503" title="Maintenance" status="inner-secret"/>'
            return web.Response(status=503, text=body, content_type="text/xml")
        return web.json_response({"MediaContainer": "inner-secret", "inner-secret": [1]})

    application = web.Application()
    application.router.add_get("/{path:.*}", respond)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        expected = {"redirect": "rejected a request", "busy": "HTTP 503", "page": "does not respond like"}
        for kind, words in expected.items():
            values = {"name": "home", "url": f"http://127.0.0.1:{port}/{kind}", "token": "t"}
            response = await served.post("/manage/servers", await form_of(served, **values))
            assert response.status == 422, response.text
            assert words in response.text
            assert "inner-secret" not in response.text
    finally:
        await runner.cleanup()


def test_errors_are_said_in_own_words() -> None:
    """Whatever a server has sent: its texts, its machineIdentifier."""
    errors = [BadAnswer("home", "sent"), AnswerTooLarge("home", "sent"), WrongServer("home", "was", "sent")]
    for error in (*errors, ServerBusy("home", 503, "sent"), DuplicateServer("home", "other")):
        assert "sent" not in own_words(error).replace("sent too much", "")
    assert "Connection refused" in own_words(ServerUnreachable("home", "Connection refused"))


async def test_a_test_of_a_server_is_bounded(serve_page, plex, monkeypatch) -> None:
    """In time, and in number."""
    served = await serve_page()
    await served.sign_in()
    values = {"name": "home", "url": plex.url, "token": plex.token}
    served.context.contacts._longest_s = 0.0
    response = await served.post("/manage/servers", await form_of(served, **values))
    assert (response.status, "no complete response within 0 s" in response.text) == (422, True)
    monkeypatch.setattr(contacts, "MOST", 0)
    assert (await served.post("/manage/servers", await form_of(served, **values))).status == 429


async def test_a_server_is_switched_retokened_and_removed(serve_page, plex, path) -> None:
    """Each only once it is clear that it works, or that it is meant."""
    served = await serve_page(syncs=True)
    await served.sign_in()
    values = {"name": "home", "url": plex.url, "token": plex.token}
    await served.post("/manage/servers", await form_of(served, **values))
    await served.has_synced()
    for switch, word in (("off", "is now off"), ("off", "was already off"), ("on", "is now on")):
        response = await served.post("/manage/servers/1/switch", await form_of(served, is_active=switch))
        assert response.headers["Location"] == "/manage/servers/1"
        text = (await served.get("/manage/servers/1")).text
        assert word in text
        assert word not in (await served.get("/manage/servers/1")).text
    assert (await served.post("/manage/servers/1/switch", await form_of(served, is_active="x"))).status == 422
    for token in ("", "wrong-t0ken"):
        response = await served.post("/manage/servers/1/token", await form_of(served, token=token))
        assert (response.status, 'id="token-error"' in response.text) == (422, True)
    assert rows_of(path, "SELECT token FROM plex_servers") == [(plex.token,)]
    response = await served.post("/manage/servers/1/token", await form_of(served, token=plex.token))
    assert response.status == 303
    response = await served.post("/manage/servers/1/remove", await form_of(served))
    assert (response.status, "Check this box" in response.text) == (422, True)
    response = await served.post("/manage/servers/1/remove", await form_of(served, confirmed="yes"))
    assert response.headers["Location"] == "/manage"
    assert "Removed server &#39;home&#39; with its items" in (await served.get("/manage")).text
    assert rows_of(path, "SELECT (SELECT count(*) FROM movies), (SELECT count(*) FROM plex_servers)") == [(0, 0)]
    for address in ("switch", "token", "remove", "machine", "accept-identity"):
        form = await form_of(served, is_active="on", confirmed="yes", token="t0ken-9", machine="x")
        assert (await served.post(f"/manage/servers/1/{address}", form)).status == 404, address
    for number in ("x", "1" * 30, "-1", "\u0661"):
        assert (await served.get(f"/manage/servers/{number}")).status == 404, number


async def test_what_the_configuration_defines_is_only_shown(serve_page, plex, path) -> None:
    """With the file and the table to edit."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    text = (await served.get("/manage/servers/1")).text
    assert "name = &#34;home&#34;" in text or 'name = "home"' in text
    assert "/manage/servers/1/switch" not in text
    for address in ("switch", "token", "remove"):
        form = await form_of(served, is_active="off", confirmed="yes", token=plex.token)
        response = await served.post(f"/manage/servers/1/{address}", form)
        assert (response.status, "can only be changed there" in response.text) == (422, True), address
    assert rows_of(path, "SELECT is_active FROM plex_servers") == [(1,)]


async def test_a_reinstalled_server_is_accepted_after_a_look(serve_page, plex, path) -> None:
    """The machine that was seen, and no other one."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    await served.post("/manage/servers/1/machine", await form_of(served))
    assert "the same machine as before" in (await served.get("/manage/servers/1")).text
    rows_of(path, "UPDATE plex_servers SET machine_identifier = 'former'")
    seen = await served.post("/manage/servers/1/machine", await form_of(served))
    assert f'name="machine" value="{plex.world.machine_identifier}"' in seen.text
    accept = "/manage/servers/1/accept-identity"
    assert (await served.post(accept, await form_of(served, machine="a third one"))).status == 409
    assert rows_of(path, "SELECT machine_identifier FROM plex_servers") == [("former",)]
    assert (await served.post(accept, await form_of(served, machine=plex.world.machine_identifier))).status == 303
    assert rows_of(path, "SELECT machine_identifier FROM plex_servers") == [(plex.world.machine_identifier,)]


async def test_a_sync_is_requested(serve_page, plex, path) -> None:
    """Of everything, a server, a library or a show; what cannot be synced is said beside its field."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    library_id, key = rows_of(path, "SELECT id, library_key FROM libraries WHERE library_type = 'show'")[0]
    good = [
        ({}, (None, "quick", None, None)),
        ({"scope": "server:1", "full": "on"}, (1, "full", None, None)),
        ({"scope": f"library:{library_id}"}, (1, "quick", key, None)),
        ({"scope": f"library:{library_id}", "show": "Some Show", "year": "1961"}, (1, "show", key, "Some Show")),
    ]
    columns = "server_id, kind, options ->> 'library', options ->> 'show'"
    sql = f"SELECT {columns} FROM sync_requests ORDER BY id DESC LIMIT 1"
    for values, expected in good:
        response = await served.post("/manage/sync", await form_of(served, **values))
        assert response.headers["Location"] == "/manage", values
        assert rows_of(path, sql) == [expected]
    assert "Requested a sync of the show" in (await served.get("/manage")).text
    count = rows_of(path, "SELECT count(*) FROM sync_requests")
    wrong = [
        ({"scope": "everything"}, "scope"),
        ({"scope": "library:x"}, "scope"),
        ({"scope": "library:" + "9" * 5_000}, "scope"),
        ({"year": "1961"}, "show"),
        ({"show": "x" * 1001}, "show"),
        ({"show": "a\x00b"}, "show"),
        ({"show": "A", "year": "61a"}, "year"),
        ({"show": "A", "year": "19610"}, "year"),
    ]
    for values, name in wrong:
        response = await served.post("/manage/sync", await form_of(served, **values))
        assert (response.status, f'id="{name}-error"' in response.text) == (422, True), values
    assert (await served.post("/manage/sync", await form_of(served, scope="library:99"))).status == 404
    assert rows_of(path, "SELECT count(*) FROM sync_requests") == count


async def test_a_configuration_whose_path_is_no_text_is_shown(serve_page) -> None:
    """Names of files are bytes on Linux."""
    served = await serve_page()
    source = Path(os.fsdecode(b"/etc/\xff.toml"))
    served.supervisor.config = dataclasses.replace(served.supervisor.config, source=source)
    response = await served.get("/manage", headers=BEARER)
    assert (response.status, "<code>/etc/?.toml</code>" in response.text) == (200, True)


async def test_without_manage_there_is_nothing_to_change(serve_page, plex) -> None:
    """Neither a link nor a form; whoever asks nevertheless is told which key decides."""
    served = await serve_page(plex, web={"manage": False})
    await served.sign_in()
    assert "/manage" not in (await served.get("/")).text
    for address in ("/manage", "/manage/servers/1"):
        refused = await served.get(address, headers=BEARER)
        assert (refused.status, "[web] manage = false" in refused.text) == (403, True)
    form = {"form_token": await served.form_token("/"), "name": "x", "url": plex.url, "token": TOKEN}
    assert (await served.post("/manage/servers", form)).status == 403
