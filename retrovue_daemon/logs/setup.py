"""Log lines: one JSON object each, or colored text on a terminal; neither ever contains a secret.

Events are stable dotted names with keys, never sentences; docs/logs.md lists them. Common keys:

``server``, ``library``  names        ``run_id``      the row in sync_runs
``error``, ``hint``      one line     ``duration_s``  seconds
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

from retrovue_daemon.logs.journal import journal_stream
from retrovue_daemon.logs.redaction import Redactor
from retrovue_daemon.logs.streams import Unfailing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from types import TracebackType

    from structlog.typing import Processor

    from retrovue_daemon.logs.subscriptions import Subscriptions

__all__ = ["Redactor", "configure_logging", "log_uncaught", "redactor_in_use"]

log = structlog.get_logger()

_JOINERS: Final = "\u200c\u200d"
"""Invisible characters that stay: many scripts and emoji need them, and they steer nothing."""
_ESCAPED_JOINER: Final = re.compile(r"(?<!\\)\\u(200[cd])")

_TRACEBACKS: Final = ("exception", "stack")
_NOT_PASSED_ON: Final = frozenset({"event", "exc_info", "stack_info"})

_LONGEST_TRACEBACK: Final = 8_000
_LONGEST_VALUE: Final = 4_000
_LONGEST_LINE: Final = 40_000
"""Bytes. journald splits lines of more than 48 KiB (journald.conf(5), LineMax=), and the parts are not valid JSON."""

_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""The numbers of syslog(3)."""

_FIRST: Final = ("timestamp", "level", "event", "server", "library")
_LAST: Final = ("duration_s", "error", "hint", *_TRACEBACKS)
_ZEROS_SHOWN: Final = frozenset({"exit_code", "offset", "position"})
"""Keys for people whose zero is a value; any other zero is a count of nothing."""


class _LibraryHandler(logging.StreamHandler[TextIO]):
    """Writes log messages of Python libraries."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the name that logging calls
        """Log a message that does not match its arguments; logging would print the arguments without redaction."""
        log.warning("python.message", message=record.msg, error=sys.exception())


def configure_logging(
    *,
    level: str = "info",
    format: str = "auto",  # noqa: A002 -- the key's name
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
    redactor: Redactor | None = None,
    subscriptions: Subscriptions | None = None,
) -> Redactor:
    """Send every log line of the process to ``stream`` (default: standard error), and return the redactor.

    ``format`` is ``json``, ``console`` or ``auto``: console on a terminal, else json. If the stream leads to
    systemd's journal, each line starts with its priority, which the journal strips and stores. Pass the previous
    ``redactor`` to keep the secrets that it knows. ``subscriptions`` get events of any level.
    """
    stream = stream or sys.stderr
    unicode = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    journal = journal_stream(environ, stream)
    stream = Unfailing(stream).as_stream()
    redactor = redactor or Redactor()
    begin: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    render = _for_people(stream, environ) if _is_console(format, stream) else _as_json(unicode=unicode)
    # Shorten only after the redaction: half a token is still a secret, but would no longer be recognized.
    end: list[Processor] = [redactor, _cap, _order, _with_priority(render) if journal else render]
    # With subscriptions, a processor drops what the logger itself would drop: some of it may be subscribed to.
    tap: list[Processor] = [] if subscriptions is None else [_tap(subscriptions, redactor, _level(level))]
    structlog.configure(
        processors=[begin[0], *tap, *begin[1:], *end],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if tap else _level(level)),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = _LibraryHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_library_event, *begin],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *end],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(_level(level), logging.WARNING))
    logging.captureWarnings(capture=True)
    return redactor


def redactor_in_use() -> Redactor:
    """Return the redactor for the log lines of a program that embeds this package.

    If the program has configured structlog, its configuration is used. Otherwise log lines go to the standard
    library's loggers below ``retrovue_daemon``, as ``key=value`` pairs, since a library must not print to standard
    output, least of all the local variables of tracebacks, as structlog does by default.
    """
    if not structlog.is_configured():
        # Without a handler of the program's, Python would print warnings on standard error.
        logging.getLogger("retrovue_daemon").addHandler(logging.NullHandler())
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.processors.format_exc_info,
                Redactor(),
                _cap,
                structlog.processors.LogfmtRenderer(key_order=("event", "server", "library"), drop_missing=True),
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
            logger_factory=structlog.stdlib.LoggerFactory(),
            cache_logger_on_first_use=False,
        )
    processors = structlog.get_config()["processors"]
    return next((each for each in processors if isinstance(each, Redactor)), Redactor())


def log_uncaught() -> None:
    """Log uncaught exceptions of all threads; Python would print tracebacks without redaction."""

    def report(where: str, error: BaseException | None) -> None:
        log.critical("process.uncaught", where=where, exc_info=error)

    def in_main(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, traceback)
        else:
            report(threading.main_thread().name, error)

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        report(arguments.thread.name if arguments.thread else "a thread", arguments.exc_value)

    sys.excepthook = in_main
    threading.excepthook = in_thread


def _tap(subscriptions: Subscriptions, redactor: Redactor, lowest: int) -> Processor:
    """Return a processor that passes events on to those who subscribed to them, and drops those of low levels."""
    levels = logging.getLevelNamesMapping()

    def tap(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        name = event["event"]
        if subscriptions.wants(name):
            keys = {key: value for key, value in event.items() if key not in _NOT_PASSED_ON}
            subscriptions.pass_on(name, method, dict(_cap(logger, method, redactor(logger, method, keys))))
        if levels[method.upper()] < lowest:
            raise structlog.DropEvent
        return event

    return tap


def _level(name: str) -> int:
    return logging.getLevelNamesMapping()[name.upper()]


# -- format of lines ------------------------------------------------------------------------------------------------


def _is_console(format: str, stream: TextIO) -> bool:  # noqa: A002 -- the key's name
    return format == "console" or (format == "auto" and stream.isatty())


def _as_json(*, unicode: bool) -> Processor:
    render = structlog.processors.JSONRenderer(ensure_ascii=not unicode)

    def line(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        # Keep one object on one line, also for readers that split lines at more than "\n".
        return _visible(str(render(logger, method, event)), lambda letter: json.dumps(letter)[1:-1])

    return line


def _for_people(stream: TextIO, environ: Mapping[str, str]) -> Processor:
    render = structlog.dev.ConsoleRenderer(
        colors=stream.isatty() and not environ.get("NO_COLOR"),
        exception_formatter=structlog.dev.plain_traceback,
        sort_keys=False,
    )

    def line(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        # Titles and responses are foreign text: they must not forge lines or control the terminal.
        shown = {
            key: _visible(value, _escape, keep="\n" if key in _TRACEBACKS else "")
            if isinstance(value, str)
            else value
            for key, value in ((key, _in_words(value)) for key, value in event.items())
            if not _says_nothing(key, value)
        }
        # The renderer shows texts with spaces as Python does, which escapes joiners.
        return _ESCAPED_JOINER.sub(lambda found: chr(int(found[1], 16)), str(render(logger, method, shown)))

    return line


def _says_nothing(key: str, value: object) -> bool:
    """Return whether a person need not read a value: nothing, or a count of nothing."""
    is_zero = isinstance(value, int | float) and not isinstance(value, bool) and not value
    return value is None or value == [] or (is_zero and key not in _ZEROS_SHOWN)


def _in_words(value: object) -> object:
    """Return a list of objects as text without the names of their keys, which a person need not read each time."""
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return ", ".join(" ".join(map(str, each.values())) for each in value)
    return value


def _visible(text: str, escape: Callable[[str], str], *, keep: str = "") -> str:
    """Return ``text`` with invisible characters escaped, except those in ``keep`` and joiners."""
    if text.isprintable():
        return text
    keep += _JOINERS
    return "".join(letter if letter.isprintable() or letter in keep else escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _with_priority(render: Processor) -> Processor:
    """Start every line with ``<N>``, as sd-daemon(3) describes; a traceback in console format has many lines."""

    def lines(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
        prefix = f"<{_PRIORITIES.get(event['level'], _PRIORITIES['info'])}>"
        return "\n".join(prefix + line for line in str(render(logger, method, event)).split("\n"))

    return lines


# -- content of lines -----------------------------------------------------------------------------------------------


def _library_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Give messages of Python libraries (asyncio, aiohttp) a stable event name; their text becomes ``message``."""
    event["message"] = event["event"]
    event["event"] = "python.message"
    return event


def _cap(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Shorten long values, and shorten all values more if the line would still be too long for the journal."""
    capped = _with_values_up_to(_LONGEST_VALUE, _LONGEST_TRACEBACK, event)
    # json.dumps escapes all non-ASCII characters, so this is the greatest possible length.
    if len(json.dumps(capped)) > _LONGEST_LINE:
        capped = _with_values_up_to(_LONGEST_VALUE // 10, _LONGEST_TRACEBACK // 10, event)
    return capped


def _with_values_up_to(value: int, traceback: int, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        # Keep both ends of a traceback: where it starts, and the exception itself.
        key: _shortened(item, traceback, end=traceback * 3 // 4) if key in _TRACEBACKS else _shortened(item, value)
        for key, item in event.items()
    }


def _shortened(item: object, longest: int, *, end: int = 0) -> object:
    """Return a short value unchanged, and ``longest`` characters of a long one, ``end`` of them from its end."""
    text = item if isinstance(item, str) else repr(item)
    if len(text) <= longest:
        return item
    return text[: longest - end] + "…" + text[len(text) - end :]


def _order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the common keys first and what went wrong last, so that lines are easy to read."""
    first = {key: event.pop(key) for key in _FIRST if key in event}
    last = {key: event.pop(key) for key in _LAST if key in event}
    return {**first, **event, **last}
