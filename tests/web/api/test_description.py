"""The OpenAPI file: it describes the addresses that there are, and what they take and return."""

from __future__ import annotations

import json
import re

from retrovue_daemon.web.api.addresses import PREFIX
from retrovue_daemon.web.api.description import FILE, written
from retrovue_daemon.web.routes import ROUTES
from tests.support.web import EVERYWHERE, as_if_listening_on

FILED = json.loads(FILE.read_text())


def test_the_file_is_what_the_operations_say() -> None:
    """`make docs` writes it anew."""
    assert FILE.read_text() == written(), "run `make docs`"


def test_every_address_and_method_is_in_the_file() -> None:
    """Also those that the page gets without an operation."""
    for route in ROUTES:
        if route.path.startswith(PREFIX) and not route.path.endswith("/openapi.json"):
            methods = {method.lower() for method in route.handlers} - {"head"}
            assert FILED["paths"][route.path].keys() == methods, route.path
    assert FILED["paths"].keys() <= {route.path for route in ROUTES}


def test_the_file_refers_only_to_what_it_has() -> None:
    """Every reference leads somewhere, every parameter of a path is described, and no id is there twice."""
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', FILE.read_text()):
        found = FILED
        for name in reference.split("/"):
            found = found[name]
    ids = []
    for path, methods in FILED["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            described = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
            assert described == re.findall(r"{(\w+)}", path)
    assert len(ids) == len({*ids})


async def test_the_file_is_served_to_those_who_may_read(serve_page) -> None:
    """With the token, if the page is on a network."""
    served = await serve_page()
    assert json.loads((await served.get("/api/v1/openapi.json")).text) == FILED
    as_if_listening_on(served, EVERYWHERE)
    refused = await served.get("/api/v1/openapi.json")
    assert (refused.status, refused.headers["Content-Type"]) == (401, "application/problem+json")
