"""What other websites, other machines and strangers can make the page do: nothing."""

from __future__ import annotations

import asyncio
import re

import pytest
from aiohttp import web

from retrovue_daemon.web.access import Access
from retrovue_daemon.web.problems import Refusal
from retrovue_daemon.web.routes import ROUTES, Route
from retrovue_daemon.web.security import HEADERS
from tests.support.web import BEARER, EVERYWHERE, TOKEN, Served, as_if_listening_on

pytestmark = pytest.mark.no_groups


async def _changed(request: web.Request) -> web.Response:
    return web.Response(text="changed")


CHANGE = Route("/change", Access.MANAGE, post=_changed)
API = Route("/api/v1/change", Access.MANAGE, post=_changed, patch=_changed, delete=_changed)


# -- hosts: DNS rebinding -------------------------------------------------------------------------------------------


async def test_another_name_for_this_machine_is_refused(serve_page) -> None:
    """A website that gives its own name the address 127.0.0.1 reads nothing."""
    served = await serve_page()
    for host in ("evil.example", "127.0.0.1.evil.example", "192.168.1.5", "", "a b", "127.0.0.1@evil", "localhost."):
        for address in ("/", "/healthz", "/api/v1/status", "/static/page.js"):
            expected = {400, 421} if host == "a b" else {200, 404} if host == "localhost." else {421}
            assert (await served.get(address, headers={"Host": host})).status in expected, host
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.2:80", "[::1]:9", "tv.localhost"):
        assert (await served.get("/", headers={"Host": host})).status == 200, host


async def test_on_a_network_addresses_and_the_own_name_are_served(serve_page, monkeypatch) -> None:
    """No website can have an address as its name."""
    monkeypatch.setattr("socket.gethostname", lambda: "Box.lan.example")
    served = await serve_page()
    as_if_listening_on(served, "0.0.0.0")  # noqa: S104 -- nothing listens there
    for host in ("192.168.1.5:8181", "[fd00::1]", "box", "box.local", "box.lan.example"):
        assert (await served.get("/", headers={"Host": host} | BEARER)).status == 200, host
    assert (await served.get("/", headers={"Host": "evil.example"} | BEARER)).status == 421


async def test_further_names_are_those_of_the_configuration(serve_page) -> None:
    """By a reload, too."""
    served = await serve_page(web={"hosts": ["TV.example.org"]})
    assert (await served.get("/healthz", headers={"Host": "tv.example.org:443"})).status == 200
    assert (await served.get("/healthz", headers={"Host": "x.tv.example.org"})).status == 421


# -- other websites -------------------------------------------------------------------------------------------------

LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


READS: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none", **LINK}, 200),
    ({"Sec-Fetch-Site": "cross-site", **LINK}, 200),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
    ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
    ({"Sec-Fetch-Site": "something new"}, 403),
]


async def test_another_website_may_link_and_load_nothing(serve_page) -> None:
    """Another port of this machine is another website."""
    served = await serve_page()
    for headers, status in READS:
        assert (await served.get("/", headers=headers)).status == status, headers


CHANGES: list[tuple[dict[str, str], int]] = [
    ({}, 200),
    ({"Origin": "SAME"}, 200),
    ({"Origin": "https://tv.example.org"}, 200),
    ({"Origin": "null"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403),
    ({"Origin": "chrome-extension://127.0.0.1"}, 403),
    ({"Origin": "SAME", "Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "cross-site", **LINK}, 403),
]


async def test_another_website_may_change_nothing(serve_page, add_routes) -> None:
    """Not even with the token of a form."""
    add_routes(CHANGE)
    served = await serve_page(web={"hosts": ["tv.example.org"]})
    await served.sign_in()
    form = {"form_token": await served.form_token("/")}
    for headers, status in CHANGES:
        sent = {name: served.url if value == "SAME" else value for name, value in headers.items()}
        assert (await served.post("/change", form, headers=sent)).status == status, headers


# -- forms: CSRF ----------------------------------------------------------------------------------------------------


async def test_a_form_needs_the_token_of_its_session(serve_page, add_routes) -> None:
    """Neither none, nor a wrong one, nor that of another session will do."""
    add_routes(CHANGE)
    served = await serve_page()
    await served.sign_in()
    others = served.context.sessions.form_token(served.context.sessions.begin().id)
    own = await served.form_token("/")
    for form in ({}, {"form_token": ""}, {"form_token": "é"}, {"form_token": own[:-1]}, {"form_token": others}):
        assert (await served.post("/change", form)).status == 403
    assert (await served.post("/change", {"form_token": own})).text == "changed"
    assert (await served.get("/change", method="POST", headers={"X-Form-Token": own})).text == "changed"
    plain = {"Content-Type": "text/plain"}
    assert (await served.post("/change", f"form_token={own}", headers=plain)).status == 415


async def test_a_browser_cannot_change_by_the_api_without_the_header(serve_page, add_routes) -> None:
    """A website can send JSON as text/plain, but no header of its own."""
    add_routes(API)
    served = await serve_page()
    await served.sign_in()
    own = await served.form_token("/")
    for method in ("POST", "PATCH", "DELETE"):
        assert (await served.get("/api/v1/change", method=method)).status == 403
        assert (await served.get("/api/v1/change", method=method, headers={"X-Form-Token": own})).status == 200
    form = await served.post("/api/v1/change", {"form_token": own})
    assert (form.status, form.headers["Content-Type"]) == (403, "application/problem+json")


async def test_signing_in_and_out_need_a_form_too(serve_page) -> None:
    """Otherwise a website could sign a browser in or out."""
    served = await serve_page()
    assert (await served.post("/login", {"token": TOKEN})).status == 403
    await served.sign_in()
    assert (await served.post("/logout")).status == 403
    assert "Sign out" in (await served.get("/")).text
    assert (await served.post("/logout", {"form_token": await served.form_token("/")})).status == 303
    assert "Sign out" not in (await served.get("/")).text


# -- headers --------------------------------------------------------------------------------------------------------


async def test_every_response_has_the_headers(serve_page, add_routes) -> None:
    """Errors, redirects, files and what was not found, too: nothing may be framed, sniffed or run inline."""
    add_routes(CHANGE, Route("/crash", Access.PUBLIC, get=_crashed))
    served = await serve_page()
    responses = [
        await served.get("/"),
        await served.get("/nothing"),
        await served.get("/crash"),
        await served.get("/static/page.css"),
        await served.get("/healthz"),
        await served.get("/", method="PUT"),
        await served.get("/", headers={"Host": "evil.example"}),
        await served.post("/change"),
        await served.sign_in(),
    ]
    for response in responses:
        assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
        assert response.headers["Server"] == "retrovue-daemon"
    assert {response.headers["Cache-Control"] for response in responses} == {"no-store", "no-cache"}
    policy = HEADERS["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def _crashed(_request: web.Request) -> web.Response:
    message = f"a secret: {TOKEN}"
    raise RuntimeError(message)


async def test_a_bug_is_logged_and_not_shown(serve_page, add_routes) -> None:
    """Neither the exception nor a traceback reaches the browser."""
    add_routes(Route("/crash", Access.PUBLIC, get=_crashed), Route("/api/crash", Access.PUBLIC, get=_crashed))
    served = await serve_page()
    for address in ("/crash", "/api/crash"):
        response = await served.get(address)
        assert response.status == 500
        assert "RuntimeError" not in response.text
        assert "secret" not in response.text
        assert (await served.events.next("web.crashed"))["route"] == address


async def _refused(_request: web.Request) -> web.Response:
    raise Refusal(409, f"no {TOKEN}", hint=f"not {TOKEN}", fields={"name": f"nor {TOKEN}"})


async def test_what_is_wrong_is_said_without_secrets(serve_page, add_routes) -> None:
    """A server may have put its token into what it says."""
    add_routes(Route("/refuse", Access.PUBLIC, get=_refused), Route("/api/refuse", Access.PUBLIC, get=_refused))
    served = await serve_page()
    for address in ("/refuse", "/api/refuse"):
        response = await served.get(address)
        assert (response.status, TOKEN in response.text) == (409, False)
        assert [word in response.text.lower() for word in ("no ***", "not ***", "nor ***")] == [True] * 3


# -- methods and paths ----------------------------------------------------------------------------------------------

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get")


async def test_an_address_has_no_methods_but_its_own(serve_page) -> None:
    """HEAD is GET without a body; whatever changes something needs the token of a form, or the token."""
    served = await serve_page()
    for route in ROUTES:
        address = route.path.replace("{name}", "page.css").replace("{", "").replace("}", "")
        own = _methods_at(address)
        for method in METHODS:
            if route.is_stream and method == "GET":
                continue
            status, headers, text = await _raw(served, method, address)
            if method not in own:
                assert status in {400, 405}, (method, address)
                assert status == 400 or set(headers["allow"].split(",")) == own
            elif method == "HEAD":
                assert text == "", address
            elif method != "GET":
                assert status in {401, 403, 415}, (method, address)


def _methods_at(address: str) -> set[str]:
    """Return the methods of an address, also by the routes whose parameter it may hold."""
    routes = [route for route in ROUTES if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), address)]
    return {method for route in routes for method in route.handlers}


async def _raw(served: Served, method: str, address: str) -> tuple[int, dict[str, str], str]:
    """Request an address exactly as it is written, which clients do not do."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"{method} {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    status, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(status.split()[1]), headers, text


async def test_a_header_cannot_change_the_method(serve_page, add_routes) -> None:
    """As some frameworks allow."""
    add_routes(CHANGE)
    served = await serve_page()
    overriding = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"} | BEARER
    assert (await served.get("/change", headers=overriding)).status == 405
    assert (await served.get("/change?_method=POST", headers=overriding)).status == 405


LEAD_OUT = (
    "../service.py",
    "..%2fservice.py",
    "%2e%2e/service.py",
    "%2e%2e%2f%2e%2e%2fconfig%2fexample.toml",
    "....//service.py",
    "/etc/passwd",
    "%2fetc%2fpasswd",
    "page.css%00.js",
    "page.css/",
    "..\\service.py",
    "file:///etc/passwd",
    "C:/windows",
    "",
)


async def test_no_path_leads_out_of_the_static_files(serve_page) -> None:
    """Names are looked up, no file is opened."""
    served = await serve_page()
    for name in LEAD_OUT:
        status, _, text = await _raw(served, "GET", f"/static/{name}")
        assert status in {400, 404}, name
        assert "root:" not in text
        assert "import" not in text


async def test_a_static_file_is_sent_once(serve_page) -> None:
    """With its own address it is kept for a year; otherwise the browser asks whether it has changed."""
    served = await serve_page()
    address = served.context.static.address("page.css")
    kept = await served.get(address)
    assert "immutable" in kept.headers["Cache-Control"]
    plain = await served.get("/static/page.css")
    assert (plain.headers["Cache-Control"], plain.headers["Content-Type"]) == ("no-cache", "text/css; charset=utf-8")
    again = await served.get("/static/page.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status, again.text) == (304, "")


OTHER_PLACES = (
    "//evil.example",
    "/\\evil.example",
    "https://evil.example",
    "/x\r\nSet-Cookie: a=b",
    "/x\nX: y",
    "javascript:alert(1)",
    "/é",
    "/" + "x" * 9000,
    "",
)


async def test_signing_in_leads_to_no_other_place(serve_page) -> None:
    """And no header can be put into the response by an address."""
    served = await serve_page()
    for following in OTHER_PLACES:
        served.client.cookie_jar.clear()
        form = {"form_token": await served.form_token(), "token": TOKEN, "next": following}
        signed_in = await served.post("/login", form)
        was_already = await served.get("/login", params={"next": following[:3_000]})
        for response in (signed_in, was_already):
            assert (response.status, response.headers["Location"]) == (303, "/"), following
            assert "X" not in response.headers


async def test_signing_in_leads_back(serve_page) -> None:
    """To the page that needed it, with its query."""
    served = await serve_page()
    as_if_listening_on(served, EVERYWHERE)
    first = await served.get("/?q=a%26b&x=1")
    assert first.status == 303
    login = await served.get(first.headers["Location"])
    assert 'name="next" value="/?q=a%26b&amp;x=1"' in login.text


# -- secrets --------------------------------------------------------------------------------------------------------


async def test_no_response_holds_a_token(serve_page, plex) -> None:
    """Neither the page's nor a server's; also where a request sends one back."""
    served = await serve_page(plex, syncs=True)
    await served.has_synced()
    await served.sign_in()
    values = {"name": "page.js", "kind": "movie", "id": "1"}
    addresses = [route.path.format_map(values) for route in ROUTES if route.get and not route.is_stream]
    for address in (*addresses, f"/{TOKEN}", f"/?token={TOKEN}", f"/api/{TOKEN}", f"/login?next=/{TOKEN}x"):
        for headers in ({}, BEARER):
            response = await served.get(address, headers=headers)
            told = response.text + str(response.headers)
            assert plex.token not in told
            assert TOKEN not in told or address.startswith("/login?next="), address
    assert TOKEN not in str(served.events.lines)
