"""The page: fixtures, and one event loop for all tests of this folder."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retrovue_daemon.web import application
from retrovue_daemon.web.routes import ROUTES, Route
from tests.support.web import (  # noqa: F401 -- fixtures
    browser,
    complaints,
    configure,
    events,
    page,
    path,
    plex,
    serve_page,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one loop per worker: Chromium, which is started once, belongs to it."""
    for item in items:
        is_here = item.path.is_relative_to(Path(__file__).parent)
        if is_here and isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture
def add_routes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add addresses to those of the page, before it is served."""

    def add(*routes: Route) -> None:
        monkeypatch.setattr(application, "ROUTES", (*ROUTES, *routes))

    return add
