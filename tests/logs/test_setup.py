"""Log lines are one JSON object each, and hold no secret."""

from __future__ import annotations

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import structlog

from retrovue_daemon.logs.setup import configure_logging
from tests.support.logs import logging_kept


@pytest.fixture
def stream():
    """Restore logging afterwards: it is set up for the whole process."""
    with logging_kept():
        yield io.StringIO()


@pytest.fixture
def journal(stream, tmp_path):
    """A file instead of the journal's socket, and the environment that says so."""
    del stream
    with (tmp_path / "journal").open("w+", encoding="utf-8") as opened:
        found = os.fstat(opened.fileno())
        yield opened, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def read(opened) -> list[str]:
    """Return the lines that a file has got, as the journal would cut them."""
    opened.seek(0)
    return opened.read().split("\n")[:-1]


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


def test_every_key_goes_through_the_redaction(stream) -> None:
    """What exactly it finds is its own tests' subject; the line stays JSON."""
    configure_logging(stream=stream).learn("abc-secret-123")
    structlog.get_logger().error(
        "server.failed", error=ValueError("abc-secret-123"), url="http://me:pass@host/", answer=b"abc-secret-123"
    )
    line = json.loads(stream.getvalue())
    assert (line["error"], line["url"], line["answer"]) == ("***", "http://***@host/", "***")


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


def test_all_of_a_traceback_is_redacted(stream) -> None:
    """The exception, its cause, its notes, those of a group, and the source lines, which may be another program's."""
    configure_logging(stream=stream).learn("abc-secret-123")
    try:
        try:
            raise KeyError("abc-secret-123")
        except KeyError as cause:
            inner = OSError("GET http://me:zyx-987@host/?X-Plex-Token=zyx-987")
            inner.add_note("sent abc-secret-123")
            raise ExceptionGroup("token='zyx-987'", [inner]) from cause
    except ExceptionGroup:
        structlog.get_logger().exception("sync.crashed", stack_info=True)
    line = json.loads(stream.getvalue())
    assert "abc-secret-123" not in stream.getvalue()
    assert "zyx-987" not in stream.getvalue()
    assert line["exception"].count("***") >= 5
    assert 'raise KeyError("***")' in line["exception"]


def test_no_part_of_a_secret_is_left_where_a_text_is_cut(stream) -> None:
    """Half a token is still one, and would not be known again."""
    secret = "abc-secret-123" * 4
    configure_logging(stream=stream).learn(secret)
    for length in range(1_900, 2_100, 7):
        error = RuntimeError("x" * length + secret + "y" * 6_000)
        structlog.get_logger().error("sync.crashed", exc_info=error, error="x" * (length + 1_990) + secret)
    assert "…" in stream.getvalue()
    assert "abc" not in stream.getvalue()


@pytest.mark.parametrize("letter", ["x", "\N{FILM PROJECTOR}", "\0", "\U000e0001"], ids=ascii)
@pytest.mark.parametrize("format_", ["json", "console"])
def test_a_line_is_short_enough_for_the_journal(stream, letter, format_) -> None:
    """It cuts a line of 48 KiB in two, and neither half would be JSON; a server chooses its titles."""
    configure_logging(format=format_, stream=stream)
    titles = [letter * 9_000] * 8
    error = RuntimeError(letter * 9_000)
    structlog.get_logger().error("sync.crashed", title=titles[0], known=titles, odd={"a": titles}, exc_info=error)
    assert len(stream.getvalue().encode()) < 48 * 1024
    if format_ == "json":
        line = json.loads(stream.getvalue())
        assert line["title"].startswith(letter * 300)
        assert line["title"].endswith("…")
        assert line["exception"].startswith("RuntimeError: ")


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\x1b[2J", "\udcff", "\0"])
@pytest.mark.parametrize("format_", ["json", "console"])
def test_no_title_can_forge_a_line_or_steer_a_terminal(stream, format_, end) -> None:
    """Whatever a server sends: one event is one line, of letters that can be seen; JSON gives them back unchanged."""
    configure_logging(format=format_, stream=stream)
    title = f'Films{end}{{"event": "sync.finished"}}'
    structlog.get_logger().info("item.skipped", title=title, titles=[title], count=1)
    written = stream.getvalue()
    written.encode()
    assert written[:-1].isprintable()
    assert len(written.splitlines()) == 1
    if format_ == "json":
        line = json.loads(written)
        assert (line["title"], line["titles"]) == (title, [title])


@pytest.mark.parametrize("format_", ["json", "console"])
def test_joiners_stay_as_scripts_and_emoji_need_them(stream, format_) -> None:
    """Unlike what changes the direction of text."""
    configure_logging(format=format_, stream=stream)
    title = "\u0645\u06cc\u200c\u062e \U0001f469\u200d\U0001f680"
    structlog.get_logger().info("item.skipped", title=f"{title} \u202e")
    assert title in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_lines_of_other_libraries_are_json_too(stream) -> None:
    """Asyncio complains through the standard library's logging."""
    configure_logging(stream=stream).learn("abc-secret-123")
    logging.getLogger("asyncio").error("Task exception was never retrieved: %s", "abc-secret-123")
    line = json.loads(stream.getvalue())
    assert line["event"] == "python.message"
    assert line["level"] == "error"
    assert "***" in line["message"]


def test_console_lines_are_for_people(stream) -> None:
    """No JSON, but the same redaction."""
    configure_logging(format="console", stream=stream).learn("abc-secret-123")
    structlog.get_logger().info("sync.finished", error="abc-secret-123")
    assert "sync.finished" in stream.getvalue()
    assert "abc-secret-123" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_console_lines_have_their_keys_in_order_and_no_zeros(stream) -> None:
    """Names first, then what was done as the code lists it, then the error; a count of nothing is not shown."""
    configure_logging(format="console", stream=stream)
    log = structlog.get_logger()
    log.info(
        "sync.finished", error="e", run_id=None, library="l", duration_s=0.5, kind="full", added=0, server="s", z=1
    )
    log.info("page.mended", offset=0, items=[], kept=0, stored=2)
    log.info("request.finished", exit_code=0, hint=None, whole=False, share=0.0)
    shown = [re.findall(r"(\w+)=(\S+)", line) for line in stream.getvalue().splitlines()]
    assert [dict(pairs) for pairs in shown] == [
        {"server": "s", "library": "l", "kind": "full", "z": "1", "duration_s": "0.5", "error": "e"},
        {"offset": "0", "stored": "2"},
        {"exit_code": "0", "whole": "False"},
    ]
    assert [key for key, _ in shown[0]] == ["server", "library", "kind", "z", "duration_s", "error"]


def test_console_lines_show_objects_without_their_keys(stream) -> None:
    """What they hold is seen; and invisible characters stay visible."""
    configure_logging(format="console", stream=stream)
    items = [{"op": "added", "title": "M (1931)"}, {"op": "removed", "title": "Faust\x1b[2J"}]
    structlog.get_logger().info("items.changed", items=items, more=0)
    assert stream.getvalue().endswith(r"items='added M (1931), removed Faust\\x1b[2J'" + "\n")


def test_json_lines_keep_their_zeros(stream) -> None:
    """A program reads every key of an event on every line."""
    configure_logging(stream=stream)
    structlog.get_logger().info("sync.finished", error=None, added=0, kind="full")
    line = json.loads(stream.getvalue())
    assert list(line) == ["timestamp", "level", "event", "added", "kind", "error"]
    assert (line["added"], line["error"]) == (0, None)


def test_a_traceback_for_people_keeps_its_lines(stream) -> None:
    """It shows no values of variables, because these may be unknown secrets."""
    configure_logging(format="console", stream=stream)
    hidden = "q7-" * 3
    try:
        raise RuntimeError(f"{len(hidden)} odd\x1b[2J letters")
    except RuntimeError:
        structlog.get_logger().exception("sync.crashed")
    lines = stream.getvalue().splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == r"RuntimeError: 9 odd\x1b[2J letters"
    assert "q7-q7-" not in stream.getvalue()


def test_a_terminal_gets_lines_for_people(stream) -> None:
    """With ``auto``; coloured, unless that is not wanted."""
    del stream
    for environ, colours in (({}, True), ({"NO_COLOR": "1"}, False)):
        ours, theirs = pty.openpty()
        with os.fdopen(theirs, "w") as terminal:
            configure_logging(stream=terminal, environ=environ)
            structlog.get_logger().info("sync.finished", added=3)
            shown = os.read(ours, 65_536).decode()
        os.close(ours)
        assert "sync.finished" in shown
        assert not shown.startswith("{")
        assert ("\x1b[" in shown) is colours


def test_what_other_libraries_warn_of_is_a_line_too(stream) -> None:
    """Python would print it as it is."""
    configure_logging(stream=stream).learn("abc-secret-123")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("abc-secret-123 is odd", stacklevel=1)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"]) == ("python.message", "warning")
    assert "*** is odd" in line["message"]


def test_a_message_that_does_not_fit_its_arguments_is_a_line_too(stream, capsys) -> None:
    """The standard library would print the arguments, and a traceback, past the redaction."""
    configure_logging(stream=stream).learn("abc-secret-123")
    logging.getLogger("asyncio").error("odd %d", "abc-secret-123")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["message"]) == ("python.message", "warning", "odd %d")
    assert "real number is required" in line["error"]
    assert capsys.readouterr().err == ""


def test_a_closed_stream_costs_lines_and_nothing_else(stream, tmp_path) -> None:
    """Whoever closed it: the work continues."""
    del stream
    with (tmp_path / "log").open("w") as closed:
        pass
    configure_logging(stream=closed)
    structlog.get_logger().info("sync.finished")
    logging.getLogger("asyncio").error("odd")


def test_a_full_disk_costs_lines_and_nothing_else(stream) -> None:
    """Also a pipe without a reader."""
    del stream
    full = Path("/dev/full").open("w")  # noqa: SIM115 -- closing it fails too
    configure_logging(stream=full)
    structlog.get_logger().info("sync.finished")
    logging.getLogger("asyncio").error("odd")
    with pytest.raises(OSError, match="No space"):
        full.close()


def test_a_line_is_written_in_one_piece(stream) -> None:
    """Lines of two threads do not mix: nothing of another comes between a line and its end."""
    del stream

    class Pieces(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    pieces: list[str] = []
    configure_logging(stream=Pieces())
    structlog.get_logger().info("sync.finished")
    logging.getLogger("asyncio").error("odd")
    assert [json.loads(piece)["event"] for piece in pieces] == ["sync.finished", "python.message"]
    assert all(piece.endswith("}\n") for piece in pieces)


# -- the journal ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "priority"),
    [("debug", 7), ("info", 6), ("warning", 4), ("error", 3), ("critical", 2), ("exception", 3)],
)
def test_the_journal_gets_the_priority_of_each_line(journal, level, priority) -> None:
    """As sd-daemon(3) says; behind it the line is what it always is."""
    opened, environ = journal
    configure_logging(level="debug", stream=opened, environ=environ)
    getattr(structlog.get_logger(), level)("sync.finished", added=1)
    (line,) = read(opened)
    assert line.startswith(f"<{priority}>{{")
    assert json.loads(line[3:])["event"] == "sync.finished"


def test_lines_of_other_libraries_have_a_priority_too(journal) -> None:
    """Also those of a level that only they know."""
    opened, environ = journal
    configure_logging(stream=opened, environ=environ)
    logging.getLogger("asyncio").error("odd")
    logging.getLogger("asyncio").log(35, "odd")
    assert [line[:3] for line in read(opened)] == ["<3>", "<6>"]


def test_each_line_of_a_traceback_for_people_has_the_priority(journal) -> None:
    """The journal takes them for entries of their own; ``journalctl -p err`` shows all of them."""
    opened, environ = journal
    configure_logging(format="console", stream=opened, environ=environ)
    structlog.get_logger().error("sync.crashed", exc_info=RuntimeError("two\nlines\n<0>forged"))
    lines = read(opened)
    assert len(lines) > 3
    assert {line[:3] for line in lines} == {"<3>"}
    assert lines[-1] == "<3><0>forged"


def test_elsewhere_there_is_no_priority(journal, tmp_path) -> None:
    """Also where systemd's variable was inherited and the output then redirected."""
    _, environ = journal
    with (tmp_path / "elsewhere").open("w+") as opened:
        configure_logging(stream=opened, environ=environ)
        structlog.get_logger().info("sync.finished")
        (line,) = read(opened)
    assert line.startswith("{")


# -- uncaught exceptions --------------------------------------------------------------------------------------------

PROGRAM = """
import sys, threading
from retrovue_daemon.logs.setup import configure_logging, log_uncaught
configure_logging(stream=sys.stdout).learn("abc-secret-123")
log_uncaught()
def fail():
    raise RuntimeError("abc-secret-123 was refused")
thread = threading.Thread(target=fail, name="reader")
thread.start()
thread.join()
{last}
"""


def test_an_uncaught_exception_is_a_line_without_secrets() -> None:
    """In the main thread and in others; the process ends as it would have."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM.format(last="fail()")], capture_output=True, check=False)
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(line["event"], line["level"], line["where"]) for line in lines] == [
        ("process.uncaught", "critical", "reader"),
        ("process.uncaught", "critical", "MainThread"),
    ]
    assert all("RuntimeError: *** was refused" in line["exception"] for line in lines)
    assert b"abc-secret-123" not in ended.stdout
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_the_interrupt_key_is_no_bug() -> None:
    """Python's own way to end is kept: the signal that a shell wants to see."""
    program = PROGRAM.format(last="raise KeyboardInterrupt")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ended.returncode == -2
    assert len(ended.stdout.splitlines()) == 1
