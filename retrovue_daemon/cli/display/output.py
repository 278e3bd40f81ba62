"""Printing: results to standard output; errors, warnings and hints to standard error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from retrovue_daemon.cli.display.table import printable, steers
from retrovue_daemon.errors import ConfigError, ReloadRefused
from retrovue_daemon.logs.journal import journal_stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import RenderableType

    from retrovue_daemon.cli.display.table import Table
    from retrovue_daemon.errors import ConfigProblem, DaemonError


_OTHERS: Final = re.compile(r"[^\x00-\x7e]+")
"""Characters beyond printable ASCII. JSON escapes those before it."""


def print_error(error: DaemonError) -> None:
    """Print an error and its hint; each problem of a configuration gets its own line."""
    if isinstance(error, ConfigError | ReloadRefused) and len(error.problems) > 1:
        where = f"{error.heading}: " if error.heading else ""
        lines = (f"  {problem}" for problem in error.problems)
        _print_marked("<3>", f"error: {where}{len(error.problems)} problems", *lines)
        _print_hint(error.hint)
    else:
        print_failure(str(error), error.hint)


def print_failure(message: str, hint: str | None) -> None:
    """Print an error message and a hint, for errors without an exception."""
    _print_marked("<3>", f"error: {message}")
    _print_hint(hint)


def _print_hint(hint: str | None) -> None:
    if hint:
        _print_marked("<3>", f"hint: {hint}")


def print_warnings(warnings: Sequence[ConfigProblem]) -> None:
    """Print the warnings of a configuration."""
    for warning in warnings:
        _print_marked("<4>", f"warning: {warning}")


def print_line(text: str) -> None:
    """Print one line to standard output; escape control characters in foreign text."""
    print(printable(text))


def print_note(text: str) -> None:
    """Print a remark to standard error, which is neither a result nor a problem."""
    _print_marked("<6>", f"note: {text}")


def print_warning(text: str) -> None:
    """Print one warning to standard error."""
    print(f"warning: {printable(text)}", file=sys.stderr)


def _print_marked(priority: str, *lines: str) -> None:
    """Print lines to standard error; in systemd's journal, with the priority that sd-daemon(3) describes."""
    mark = priority if journal_stream(os.environ, sys.stderr) else ""
    for line in lines:
        print(mark + printable(line), file=sys.stderr)


def log_warnings(warnings: Sequence[ConfigProblem]) -> None:
    """Log the warnings of a configuration."""
    import structlog  # noqa: PLC0415 -- only some commands need it

    for warning in warnings:
        structlog.get_logger().warning("config.warning", key=warning.path, problem=warning.message)


def print_json(value: object) -> None:
    """Print one JSON object to standard output."""
    _write_json(_encoded(value, indent=2))


def print_json_parts(parts: Mapping[str, object]) -> None:
    """Print one JSON object like `print_json`, piece by piece; a value that is an iterator becomes an array.

    Only one element of an iterator is in memory at a time.
    """
    sys.stdout.flush()
    write, before = sys.stdout.buffer.write, b"{\n  "
    for name, value in parts.items():
        write(before + _encoded(name, indent=None) + b": ")
        if isinstance(value, Iterator):
            start = b"[\n    "
            for element in value:
                write(start + _encoded(element, indent=2).replace(b"\n", b"\n    "))
                start = b",\n    "
            write(b"\n  ]" if start.startswith(b",") else b"[]")
        else:
            write(_encoded(value, indent=2).replace(b"\n", b"\n  "))
        before = b",\n  "
    _write_json(b"\n}")


def print_json_line(value: object) -> None:
    """Print one JSON object to standard output as a single line, for a stream of objects."""
    _write_json(_encoded(value, indent=None))


def _encoded(value: object, *, indent: int | None) -> bytes:
    """Return a value as JSON in UTF-8; undecodable bytes of paths and arguments are escaped.

    So are, as in log lines, characters that control a terminal, change the text direction or break lines: the output
    may be read on a terminal. A program that parses it gets them as they are.
    """
    import json  # noqa: PLC0415 -- only some commands need it

    import msgspec  # noqa: PLC0415 -- likewise

    try:
        text = msgspec.json.encode(value)
    except UnicodeEncodeError:
        # Python represents such a byte as a lone surrogate, which JSON can only hold as an escape.
        plain = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=indent)
        return _OTHERS.sub(_visible, plain).encode()
    formatted = text if indent is None else msgspec.json.format(text, indent=indent)
    if formatted.isascii() and b"\x7f" not in formatted:
        return formatted
    return _OTHERS.sub(_visible, formatted.decode()).encode()


def _visible(found: re.Match[str]) -> str:
    """Return characters beyond ASCII, which are always inside of a string, with those escaped that steer."""
    letters = found[0]
    if letters.isprintable():
        return letters
    return "".join(_escape(letter) if steers(letter) else letter for letter in letters)


def _escape(letter: str) -> str:
    import json  # noqa: PLC0415 -- only some commands need it

    return "\\u007f" if letter == "\x7f" else json.dumps(letter)[1:-1]


def _write_json(text: bytes) -> None:
    """Write and flush the text. JSON is UTF-8 (RFC 8259), whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text + b"\n")
    sys.stdout.buffer.flush()


def print_table(table: Table | RenderableType) -> None:
    """Print a table, or anything else that rich can draw, to standard output; 200 columns wide without a terminal."""
    from rich.console import Console  # noqa: PLC0415 -- takes a tenth of a second

    # Titles and paths are foreign text: brackets in them are not markup.
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    try:
        console.print(table)
    except SystemExit:
        # rich would end the process with exit code 1 if the reader has closed the pipe.
        raise BrokenPipeError from None
