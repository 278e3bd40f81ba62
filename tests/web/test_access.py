"""Who may read and manage, and how a browser and a program show that they have the token."""

from __future__ import annotations

from base64 import b64encode

import pytest
from aiohttp import web

from retrovue_daemon.web import sessions
from retrovue_daemon.web.access import Access
from retrovue_daemon.web.routes import Route
from tests.support.web import BEARER, EVERYWHERE, TOKEN, as_if_listening_on

pytestmark = pytest.mark.no_groups


async def _done(_request: web.Request) -> web.Response:
    return web.Response(text="done")


ROUTES = (
    Route("/api/v1/read", Access.READ, get=_done),
    Route("/api/v1/change", Access.READ, post=_done),
    Route("/manage", Access.MANAGE, get=_done),
)

OPEN = ("/healthz", "/readyz", "/login", "/static/page.css")


async def test_this_machine_reads_without_a_token(serve_page, add_routes) -> None:
    """And changes nothing without it, whatever the access of the address is."""
    add_routes(*ROUTES)
    served = await serve_page()
    assert [(await served.get(address)).status for address in ("/", "/api/v1/read")] == [200, 200]
    assert (await served.post("/api/v1/change")).status == 401
    assert (await served.get("/manage")).status == 303
    assert (await served.post("/api/v1/change", headers=BEARER)).status == 200
    assert (await served.get("/manage", headers=BEARER)).status == 200


PROXIES = (
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-Real-IP": "203.0.113.9"},
    {"Forwarded": "for=203.0.113.9"},
    {"Via": "1.1 proxy"},
    {"X-Forwarded-Host": "127.0.0.1"},
    {"X-Forwarded-Proto": "https"},
    {"Host": "tv.example.org"},
)


async def test_what_a_proxy_passes_on_needs_the_token(serve_page, add_routes) -> None:
    """It may come from anywhere, although the proxy is on this machine."""
    add_routes(*ROUTES)
    served = await serve_page(web={"hosts": ["tv.example.org"]})
    for headers in PROXIES:
        response = await served.get("/", headers=headers)
        assert (response.status, response.headers["Location"]) == (303, "/login?next=/"), headers
        assert (await served.get("/api/v1/read", headers=headers)).status == 401
        assert (await served.get("/api/v1/read", headers=headers | BEARER)).status == 200


async def test_on_a_network_everything_but_health_needs_the_token(serve_page, add_routes) -> None:
    """A browser is led to the form, a program gets a problem document."""
    add_routes(*ROUTES)
    served = await serve_page()
    as_if_listening_on(served, EVERYWHERE)
    assert [(await served.get(address)).status for address in OPEN] == [200, 503, 200, 200]
    assert (await served.get("/")).status == 303
    refused = await served.get("/api/v1/read")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert '"detail":"the token is required"' in refused.text
    await served.sign_in()
    assert [(await served.get(address)).status for address in ("/", "/api/v1/read", "/manage")] == [200] * 3


async def test_without_a_token_the_page_only_shows(serve_page, add_routes) -> None:
    """It says which key to set. What is not of this machine gets nothing."""
    add_routes(*ROUTES)
    served = await serve_page(web={"token": None})
    assert "set [web] token_file" in (await served.get("/")).text
    assert "set [web] token_file" in (await served.get("/login")).text
    for address, method in (("/manage", "GET"), ("/api/v1/change", "POST")):
        refused = await served.get(address, method=method)
        assert (refused.status, "token_file" in refused.text) == (403, True)
    for headers in ({"Authorization": "Bearer "}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer None"}):
        assert (await served.post("/api/v1/change", headers=headers)).status == 401
    as_if_listening_on(served, EVERYWHERE)
    assert (await served.get("/")).status == 403


async def test_a_page_that_may_not_manage_refuses_changes_with_the_token_too(serve_page, add_routes) -> None:
    """[web] manage = false."""
    add_routes(*ROUTES)
    served = await serve_page(web={"manage": False})
    assert "manage = false" in (await served.get("/")).text
    for address, method in (("/manage", "GET"), ("/api/v1/change", "POST")):
        refused = await served.get(address, method=method, headers=BEARER)
        assert (refused.status, "manage = false" in refused.text) == (403, True)


async def test_a_wrong_token_in_a_header_is_refused_where_none_is_needed(serve_page) -> None:
    """A program then learns that its token is wrong."""
    served = await serve_page()
    for value in ("Bearer x", "Bearer", "bearer " + TOKEN + "x", "Digest x", TOKEN, "Bearer tökén"):
        served.clock.lived += 3600
        assert (await served.get("/", headers={"Authorization": value})).status == 401, value
    assert (await served.get("/", headers={"Authorization": f"bearer  {TOKEN} "})).status == 200


async def test_the_password_of_a_proxy_is_no_token(serve_page, add_routes) -> None:
    """A proxy that asks for one passes it on with each request."""
    add_routes(*ROUTES)
    served = await serve_page()
    headers = {"Authorization": "Basic " + b64encode(f"a:{TOKEN}".encode()).decode()}
    assert (await served.get("/", headers=headers)).status == 200
    assert (await served.post("/api/v1/change", headers=headers)).status == 401
    as_if_listening_on(served, EVERYWHERE)
    assert (await served.get("/api/v1/read", headers=headers)).status == 401
    assert (await served.get("/", headers=headers)).status == 303


# -- sessions -------------------------------------------------------------------------------------------------------


async def test_a_session_begins_with_a_new_id(serve_page) -> None:
    """An id that somebody gave the browser before is worth nothing, also after signing in (session fixation)."""
    served = await serve_page()
    form = {"form_token": await served.form_token(), "token": TOKEN}
    (own,) = [each.value for each in served.client.cookie_jar]
    response = await served.post(
        "/login", form, headers={"Cookie": f"retrovue-form-0={own}; retrovue-session-0=planted"}
    )
    cookie = response.headers.getall("Set-Cookie")[0]
    assert cookie.startswith("retrovue-session-0=")
    assert "planted" not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert served.context.sessions.find("planted") is None
    first = _session_id(served)
    await served.sign_in_again()
    second = _session_id(served)
    assert first != second
    assert served.context.sessions.find(first) is None
    assert served.context.sessions.find(second) is not None


def _session_id(served) -> str:
    (value,) = [each.value for each in served.client.cookie_jar if each.key == "retrovue-session-0"]
    return value


async def test_a_session_that_ended_is_worth_nothing(serve_page) -> None:
    """After signing out, its cookie is refused."""
    served = await serve_page()
    await served.sign_in()
    session_id = _session_id(served)
    await served.post("/logout", {"form_token": await served.form_token("/")})
    again = await served.get("/", headers={"Cookie": f"retrovue-session-0={session_id}"})
    assert (again.status, "Sign out" in again.text) == (200, False)


async def test_the_cookie_is_for_https_if_the_browser_uses_it(serve_page) -> None:
    """As a proxy reports it."""
    served = await serve_page()
    form = {"form_token": await served.form_token(), "token": TOKEN}
    response = await served.post("/login", form, headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in response.headers.getall("Set-Cookie")[0].split("; ")


async def test_sessions_end_after_a_while(serve_page) -> None:
    """A week without use, or a month in all."""
    served = await serve_page()
    await served.sign_in()
    for _ in range(4):
        served.clock.lived += 6 * 86_400
        assert "Sign out" in (await served.get("/")).text
    served.clock.lived += 6 * 86_400
    assert "Sign out" not in (await served.get("/")).text
    await served.sign_in()
    served.clock.lived += 8 * 86_400
    assert "Sign out" not in (await served.get("/")).text


async def test_the_number_of_sessions_is_bounded(serve_page) -> None:
    """The one that was not used for the longest time ends."""
    served = await serve_page()
    await served.sign_in()
    held = served.context.sessions
    for _ in range(sessions.MOST):
        assert "Sign out" in (await served.get("/")).text
        held.begin()
    assert "Sign out" in (await served.get("/")).text
    first = next(iter(held._sessions))
    assert len(held._sessions) == sessions.MOST
    await served.get("/")
    for _ in range(sessions.MOST):
        held.begin()
    assert held.find(first) is None
    assert "Sign out" not in (await served.get("/")).text


# -- wrong tokens ---------------------------------------------------------------------------------------------------


async def test_after_five_wrong_tokens_none_is_looked_at(serve_page) -> None:
    """Not the right one either, or guessing would go on; after half a minute there is one more try."""
    served = await serve_page()
    for number in range(5):
        refused = await served.sign_in(f"wrong {number}")
        assert (refused.status, "This is not the token." in refused.text) == (403, True)
        assert (await served.events.next("web.login_failed"))["address"] == "127.0.0.1"
    refused = await served.sign_in()
    assert (refused.status, refused.headers["Retry-After"]) == (429, "30")
    assert (await served.get("/", headers=BEARER)).status == 429
    assert (await served.get("/")).status == 200
    served.clock.lived += 31
    assert (await served.get("/", headers={"Authorization": "Bearer wrong"})).status == 401
    assert (await served.sign_in()).status == 429
    served.clock.lived += 31
    assert (await served.sign_in()).status == 303


async def test_no_token_or_one_that_is_too_long_is_no_try(serve_page) -> None:
    """The form says what is missing; a long text is not the token."""
    served = await serve_page()
    empty = await served.sign_in(" ")
    assert (empty.status, "Enter the token." in empty.text) == (422, True)
    assert (await served.sign_in("x" * 5000)).status == 403
    assert (await served.sign_in("é\u0000")).status == 403
