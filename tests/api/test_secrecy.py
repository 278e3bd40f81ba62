"""Tokens: they open servers, and appear nowhere."""

from __future__ import annotations

import io
import json
import logging
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from retrovue_daemon import Database, create_plex_importer
from retrovue_daemon.api.importer import PlexImporter
from retrovue_daemon.demo import SimulatedPlex, built_in_library
from tests.support.patience import IMPATIENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TOKEN = "Xk7pQ2vUPyLQ9s"


@pytest.fixture
async def plex() -> AsyncIterator[SimulatedPlex]:
    async with SimulatedPlex(built_in_library(), token=TOKEN) as server:
        yield server


async def test_nothing_that_is_shown_holds_a_token(database: Database, plex: SimulatedPlex, server_id: int) -> None:
    """Neither the objects, nor what they return, nor what JSON makes of it."""
    importer = create_plex_importer(server_id, database, token=TOKEN)
    await importer.sync_library("2")
    shown: list[Any] = [
        database,
        importer,
        vars(importer),
        vars(database),
        await database.get_plex_servers(),
        await importer.get_libraries(),
        await importer.discover_shows_by_title("lighthouse"),
        database.stored_server(server_id),
    ]
    for value in shown:
        assert TOKEN not in repr(value) + str(value)
    (server,) = await database.get_plex_servers()
    with pytest.raises(TypeError):
        json.dumps(server)
    assert server["token"] is not None
    assert server["token"].reveal() == TOKEN


async def test_no_request_carries_it_in_its_address(importer: PlexImporter, plex: SimulatedPlex) -> None:
    """Addresses end up in logs."""
    await importer.test_connection()
    await importer.sync_library("2")
    await importer.discover_shows_by_title("lighthouse")
    assert len(plex.requests) > 5
    assert all(TOKEN not in json.dumps([request.path, dict(request.query)]) for request in plex.requests)


async def test_errors_do_not_hold_it(importer: PlexImporter, database: Database, plex: SimulatedPlex) -> None:
    """With all that led to them."""
    errors: list[BaseException] = []
    for path, status in (("/identity", 500), ("/library/sections", 400), ("/library/sections/2/*", 403)):
        plex.faults.fail(path, status=status, times=None)
        for work in (importer.get_libraries(), importer.sync_library("2"), importer.discover_shows_by_title("x")):
            try:
                await work
            except Exception as error:  # noqa: BLE001 -- whichever it is
                errors.append(error)
        plex.faults.clear()
    changes: list[dict[str, Any]] = [
        {"token": TOKEN + " x"},
        {"server_url": f"http://{TOKEN}@127.0.0.1"},
        {"name": " "},
    ]
    for values in changes:
        try:
            await database.update_plex_server(importer.server_id, **values)
        except Exception as error:  # noqa: BLE001 -- likewise
            errors.append(error)
    await plex.stop()
    try:
        await importer.sync_all_libraries()
    except Exception as error:  # noqa: BLE001 -- likewise
        errors.append(error)
    assert len(errors) >= 8
    for each in errors:
        assert TOKEN not in "".join(traceback.format_exception(each)) + repr(each) + repr(vars(each))


async def test_log_lines_do_not_hold_it(
    importer: PlexImporter, plex: SimulatedPlex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where a bug is logged with its traceback, and a callback's error names the token."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logger = logging.getLogger("retrovue_daemon")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def mistake(*_args: object, **_keywords: object) -> None:
        message = f"an unforeseen {TOKEN}"
        raise RuntimeError(message)

    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        await importer.sync_library("2", None, mistake)
        monkeypatch.setattr("retrovue_daemon.sync.discovery.reconcile_libraries", mistake)
        with pytest.raises(Exception, match="internal error: RuntimeError"):
            await importer.sync_library("2")
    logger.setLevel(logging.NOTSET)
    text = lines.getvalue()
    assert "event=callback.failed" in text
    assert "event=server.crashed" in text
    assert "an unforeseen ***" in text
    assert TOKEN not in text
    assert printed.getvalue() == ""


async def test_a_program_that_has_set_up_structlog_decides_itself(path: Path) -> None:
    """Its processors get the events, and nothing is configured anew."""
    async with SimulatedPlex(built_in_library()) as plex, Database(path) as database:
        with structlog.testing.capture_logs() as events:
            structlog.configure(processors=structlog.get_config()["processors"])
            before = structlog.get_config()
            server_id = await database.add_plex_server("home", plex.url, plex.token)
            await PlexImporter(server_id, database, retry=IMPATIENT).sync_library("2")
            assert structlog.get_config() == before
    assert "sync.finished" in [event["event"] for event in events]
