"""Log lines: one JSON object each, or coloured text for people on a terminal; never a secret in either.

Events are stable dotted names with keys, never sentences. The keys that many events share:

``server``, ``library``  names        ``run_id``      the row in sync_runs
``error``, ``hint``      one line     ``duration_s``  seconds
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

HIDDEN = "***"
_LONGEST_TRACEBACK = 8_000

# Tokens that nobody told us of: in a URL, a header or a server's own words.
_TOKEN_SHAPES = re.compile(r"(?i)(x-plex-token\W{1,6}|bearer\s+|[?&]token=)[^\s&\"',;<>]+")
_SECRET_KEYS = re.compile(r"(?i)token|password|secret|authorization")


class Redactor:
    """Takes secrets out of everything that is logged: those it was told of, and whatever looks like a Plex token.

    One object belongs to one logging set-up; whoever reads a configuration teaches it the tokens.
    """

    def __init__(self) -> None:
        self._known: set[str] = set()

    def learn(self, secret: str) -> None:
        """Hide this value from now on; a value too short to be a token would blank innocent text."""
        if len(secret) >= 4:  # noqa: PLR2004
            self._known.add(secret)

    def text(self, text: str) -> str:
        """Return ``text`` without secrets."""
        for secret in self._known:
            text = text.replace(secret, HIDDEN)
        return _TOKEN_SHAPES.sub(rf"\g<1>{HIDDEN}", text)

    def value(self, value: object) -> object:
        """Return a value of a log line without secrets, whatever its shape."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._keyed(str(key), item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, int | float):
            return value
        return self.text(str(value))

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Work as a structlog processor."""
        return {key: self._keyed(key, item) for key, item in event.items()}

    def _keyed(self, key: str, item: object) -> object:
        return HIDDEN if _SECRET_KEYS.search(key) and isinstance(item, str) else self.value(item)


class Unfailing:
    """A stream whose reader may go away or whose disk may fill: lines are lost then, the work goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether people read it."""
        return self._stream.isatty()

    def as_stream(self) -> TextIO:
        """Return the object as what loggers expect; they use no more than is here."""
        return cast("TextIO", self)


def configure_logging(*, level: str = "info", format: str = "auto", stream: TextIO | None = None) -> Redactor:  # noqa: A002 -- the key's name
    """Send every log line of the process to ``stream`` (standard error) and return what keeps secrets out of them.

    ``format`` is ``json``, ``console`` or ``auto``: console on a terminal, else json.
    """
    stream = stream or sys.stderr
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    stream = Unfailing(stream).as_stream()
    redactor = Redactor()
    console = format == "console" or (format == "auto" and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _cap_traceback,
        redactor,
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if console
        else [_order, structlog.processors.JSONRenderer(ensure_ascii=not unicode)]
    )
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_level(level)),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_event, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(_level(level), logging.WARNING))
    return redactor


def _level(name: str) -> int:
    return logging.getLevelNamesMapping()[name.upper()]


def _library_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Give lines of other libraries (asyncio, aiohttp) a stable name too; their text becomes ``message``."""
    event["message"] = event["event"]
    event["event"] = "library.message"
    return event


def _cap_traceback(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the end of a traceback, where the cause stands."""
    traceback = event.get("exception")
    if isinstance(traceback, str) and len(traceback) > _LONGEST_TRACEBACK:
        event["exception"] = "…" + traceback[-_LONGEST_TRACEBACK:]
    return event


def _order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put what every line has first, so that lines are easy to read raw."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "event", "server", "library") if key in event}
    return {**first, **event}
