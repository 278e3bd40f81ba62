"""Log lines are one JSON object each, and hold no secret."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from retrovue_daemon.logs import configure_logging


@pytest.fixture
def stream():
    """Restore logging afterwards: it is set up for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield io.StringIO()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_one_json_object(stream) -> None:
    """Time in UTC with Z, level, event, then the keys."""
    configure_logging(stream=stream)
    structlog.get_logger().info("sync.finished", library="Ümläut", server="home", added=3)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"level": "info", "event": "sync.finished", "server": "home", "library": "Ümläut", "added": 3}
    assert list(json.loads(stream.getvalue()))[:5] == ["timestamp", "level", "event", "server", "library"]


def test_levels_below_the_configured_one_are_silent(stream) -> None:
    """The level comes from the configuration."""
    configure_logging(level="warning", stream=stream)
    structlog.get_logger().info("sync.finished")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "details",
    [
        {"error": "GET http://h/?X-Plex-Token=abc-secret-123&x=1"},
        {"error": "token abc-secret-123 was refused"},
        {"headers": {"X-Plex-Token": "abc-secret-123"}},
        {"nested": [{"deep": ("abc-secret-123",)}]},
        {"token": "abc-secret-123"},
        {"error": ValueError("abc-secret-123")},
    ],
)
def test_a_known_secret_never_appears(stream, details) -> None:
    """In no value of any shape."""
    configure_logging(stream=stream).learn("abc-secret-123")
    structlog.get_logger().error("server.failed", **details)
    assert "abc-secret-123" not in stream.getvalue()
    json.loads(stream.getvalue())


def test_an_unknown_token_is_recognised_by_its_place(stream) -> None:
    """Nobody told of it, but the name before it gives it away."""
    configure_logging(stream=stream)
    structlog.get_logger().error("server.failed", error="http://h/?a=1&X-Plex-Token=zyx-987 and X-Plex-Token: qqq-1")
    assert "zyx-987" not in stream.getvalue()
    assert "qqq-1" not in stream.getvalue()


def test_tracebacks_are_redacted_and_capped(stream) -> None:
    """A traceback is one value of the line, and its end, where the cause stands, is kept."""
    configure_logging(stream=stream).learn("abc-secret-123")
    try:
        raise RuntimeError("x" * 20_000 + " abc-secret-123 the cause")
    except RuntimeError:
        structlog.get_logger().exception("sync.crashed")
    line = json.loads(stream.getvalue())
    assert "abc-secret-123" not in line["exception"]
    assert line["exception"].endswith("*** the cause")
    assert len(line["exception"]) < 9_000


def test_lines_of_other_libraries_are_json_too(stream) -> None:
    """Asyncio complains through the standard library's logging."""
    configure_logging(stream=stream).learn("abc-secret-123")
    logging.getLogger("asyncio").error("Task exception was never retrieved: %s", "abc-secret-123")
    line = json.loads(stream.getvalue())
    assert line["event"] == "library.message"
    assert line["level"] == "error"
    assert "***" in line["message"]


def test_console_lines_are_for_people(stream) -> None:
    """No JSON, but the same redaction."""
    configure_logging(format="console", stream=stream).learn("abc-secret-123")
    structlog.get_logger().info("sync.finished", error="abc-secret-123")
    assert "sync.finished" in stream.getvalue()
    assert "abc-secret-123" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")
