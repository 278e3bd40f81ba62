"""docs/logs.md lists every event that the package can log, with its levels and keys, and nothing else."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import retrovue_daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(retrovue_daemon.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "logs.md"

LEVELS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
"""The level of a line, by the name of the method that logs it."""

EVENT = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")
_LOGGER = re.compile(r"_?log(ger)?")


@dataclass(frozen=True)
class Line:
    """One place that logs; ``levels`` is None where any is possible, ``whole`` says that all keys are known."""

    event: str
    levels: frozenset[str] | None
    keys: frozenset[str]
    whole: bool
    place: str


class Unreadable(AssertionError):
    """A place that logs an event which the source does not show."""


def lines_of(package: Path) -> Iterator[Line]:
    """Give every line that the modules of a package can log."""
    for file in sorted(package.rglob("*.py")):
        yield from Module(file.read_text("utf-8"), str(file.relative_to(package.parent))).lines()


class Module:
    """The source of one module, and what leads from an expression to the texts that it may become."""

    def __init__(self, source: str, name: str) -> None:
        self._tree = ast.parse(source)
        self._name = name
        self._parents = {child: node for node in ast.walk(self._tree) for child in ast.iter_child_nodes(node)}

    def lines(self) -> Iterator[Line]:
        """Give every line that this module can log."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                yield from self._of_call(node)
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "event['event']":
                # A processor that gives lines of other libraries an event.
                for event in self._texts(node.value):
                    yield Line(event, None, frozenset(), whole=False, place=self._place(node))

    def _of_call(self, call: ast.Call) -> Iterator[Line]:
        levels = self._levels(call.func)
        handed = [found for argument in call.args if (found := self._levels(argument))]
        if levels:
            if not call.args:
                raise Unreadable(f"{self._place(call)}: a line without an event")
            events = self._texts(call.args[0])
        elif handed:
            # A method of the logger goes to something that calls it: the event goes with it.
            (levels,) = handed
            events = {
                argument.value
                for argument in call.args
                if isinstance(argument, ast.Constant)
                and isinstance(argument.value, str)
                and EVENT.fullmatch(argument.value)
            }
            if len(events) != 1:
                raise Unreadable(f"{self._place(call)}: write the event as one text beside the logger's method")
        else:
            return
        named = {keyword.arg for keyword in call.keywords if keyword.arg}
        keys = frozenset("exception" if key == "exc_info" else key for key in named)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "exception":
            keys |= {"exception"}
        whole = len(named) == len(call.keywords) and not handed
        for event in sorted(events):
            if not EVENT.fullmatch(event):
                raise Unreadable(f"{self._place(call)}: {event!r} is no dotted name")
            yield Line(event, levels, keys, whole, self._place(call))

    def _levels(self, node: ast.expr) -> frozenset[str] | None:
        """Return the levels at which this expression logs if it is called; None where it is no logger's method."""
        match node:
            case ast.Attribute(value=value, attr=attr) if attr in LEVELS and self._is_logger(value):
                return frozenset({LEVELS[attr]})
            case ast.Call(func=ast.Name(id="getattr"), args=[value, name]) if self._is_logger(value):
                return frozenset(LEVELS[level] for level in self._texts(name))
        return None

    def _is_logger(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) if _LOGGER.fullmatch(name):
                return True
            case ast.Call(func=ast.Attribute(attr="get_logger")):
                return True
            case ast.Call(func=ast.Attribute(value=value, attr="bind")):
                return self._is_logger(value)
        return False

    def _texts(self, node: ast.expr) -> set[str]:
        """Return every text that an expression may become; of a table that is looked into, all of its values."""
        match node:
            case ast.Constant(value=str() as text):
                return {text}
            case ast.IfExp(body=one, orelse=other):
                return self._texts(one) | self._texts(other)
            case ast.Dict(values=values) | ast.BoolOp(values=values):
                return set().union(*(self._texts(value) for value in values))
            case ast.Subscript(value=table):
                return self._texts(table)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, *default]):
                return self._texts(table).union(*(self._texts(value) for value in default))
            case ast.Name(id=name):
                return self._texts_of_name(node, name)
        raise Unreadable(
            f"{self._place(node)}: cannot tell which events `{ast.unparse(node)}` may be;"
            " write the event as a text, or look it up in a table of this module"
        )

    def _texts_of_name(self, node: ast.Name, name: str) -> set[str]:
        scope: ast.AST | None = node
        while scope is not None and (scope := self._parents.get(scope)):
            if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                continue
            assigned = [
                found.value
                for found in ast.walk(scope)
                if isinstance(found, ast.Assign | ast.AnnAssign | ast.NamedExpr)
                and found.value is not None
                and name in map(ast.unparse, found.targets if isinstance(found, ast.Assign) else [found.target])
            ]
            if assigned:
                return set().union(*(self._texts(value) for value in assigned))
        raise Unreadable(f"{self._place(node)}: cannot tell which events `{name}` may be; name them in this module")

    def _place(self, node: ast.AST) -> str:
        return f"{self._name}:{getattr(node, 'lineno', 1)}"


# -- what the page says ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One event of the page."""

    levels: frozenset[str]
    keys: frozenset[str]


def rows(page: str) -> Iterator[list[str]]:
    """Give the cells of every row of a table that begins with a name in backticks."""
    for line in page.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("| ").split(" | ")]


def entries(page: str) -> dict[str, Entry]:
    """Return the events of the page: the rows of four cells."""
    found: dict[str, Entry] = {}
    for event, levels, keys, meaning in (row for row in rows(page) if len(row) == 4):
        assert meaning
        assert event not in found, f"{event} has two rows"
        found[event] = Entry(frozenset(levels.split(", ")), frozenset(re.findall(r"`(\w+)`", keys)))
    return {event.strip("`"): entry for event, entry in found.items()}


def shared_keys(page: str) -> set[str]:
    """Return the keys that the page explains once for all events: the rows of two cells."""
    return {row[0].strip("`") for row in rows(page) if len(row) == 2}


def complaints(lines: list[Line], page: str) -> list[str]:
    """Return what must be added to the page or removed from it to describe these lines."""
    listed, shared = entries(page), shared_keys(page)
    logged: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        logged[line.event].append(line)
    told = []
    for event, places in sorted(logged.items()):
        at = ", ".join(sorted({line.place for line in places}))
        levels = frozenset().union(*(line.levels or () for line in places))
        keys = frozenset().union(*(line.keys for line in places)) - shared
        if event not in listed:
            row = f"| `{event}` | {', '.join(sorted(levels))} | {', '.join(f'`{key}`' for key in sorted(keys))} | … |"
            told.append(f"add the row   {row}   ({at})")
            continue
        told += [f"add the level {level} to {event}   ({at})" for level in sorted(levels - listed[event].levels)]
        told += [f"add the key `{key}` to {event}   ({at})" for key in sorted(keys - listed[event].keys)]
        if all(line.levels for line in places):
            told += [f"take the level {level} from {event}" for level in sorted(listed[event].levels - levels)]
        if all(line.whole for line in places):
            told += [f"take the key `{key}` from {event}" for key in sorted(listed[event].keys - keys)]
    return told + [f"take the row of {event} away: nothing logs it" for event in sorted(listed.keys() - logged)]


def test_the_page_describes_every_event_and_no_other() -> None:
    """Operators and programs build on these names; what to change in docs/logs.md is in the message."""
    told = complaints(list(lines_of(PACKAGE)), PAGE.read_text("utf-8"))
    assert not told, "docs/logs.md:\n" + "\n".join(told)


def test_every_row_of_the_page_is_read() -> None:
    """A row that is written differently would be taken for text."""
    page = PAGE.read_text("utf-8")
    assert {len(row) for row in rows(page)} == {2, 4}
    assert all(EVENT.fullmatch(event) and entry.levels <= set(LEVELS) for event, entry in entries(page).items())


# -- the reading itself ---------------------------------------------------------------------------------------------

SOURCE = """
log = structlog.get_logger()
EVENTS = {"A": "one.a", "B": "one.b"}
LEVELS = {"ok": "info", "bad": "error"}

def plain(self):
    log.info("two.plain", server=1, count=2)
    self._log.bind(x=1).warning("two.bound", **more)
    structlog.get_logger().critical("two.got", exc_info=error)
    log.exception("two.raised")
    getattr(log, LEVELS[status])("two.levels")

def tables(self, kind):
    default = "one.c" if kind else "one.d"
    event = EVENTS.get(kind, default)
    log.error(event, hint=3)

def handed(self, tell, event):
    self.handed(log.info, "a key", "two.handed", kind=1)
    tell(event, server=2)

def processor(event):
    event["event"] = "two.foreign"
"""


def test_events_are_found_however_they_are_written() -> None:
    """Directly, by a level from a table, by an event from a table, and where the logger is handed on."""
    found = {line.event: line for line in Module(SOURCE, "module.py").lines()}
    assert {
        event: (line.levels and set(line.levels), set(line.keys), line.whole) for event, line in found.items()
    } == {
        "two.plain": ({"info"}, {"server", "count"}, True),
        "two.bound": ({"warning"}, set(), False),
        "two.got": ({"critical"}, {"exception"}, True),
        "two.raised": ({"error"}, {"exception"}, True),
        "two.levels": ({"info", "error"}, set(), True),
        "one.a": ({"error"}, {"hint"}, True),
        "one.b": ({"error"}, {"hint"}, True),
        "one.c": ({"error"}, {"hint"}, True),
        "one.d": ({"error"}, {"hint"}, True),
        "two.handed": ({"info"}, {"kind"}, False),
        "two.foreign": (None, set(), False),
    }
    assert found["two.plain"].place == "module.py:7"


@pytest.mark.parametrize(
    "statement",
    ["log.info(event)", "log.info(f'a.{x}')", "log.info('A sentence.')", "log.info()", "self.once(log.info, event)"],
)
def test_an_event_that_the_source_does_not_show_is_refused(statement) -> None:
    """Nothing is omitted silently."""
    with pytest.raises(Unreadable, match=r"^module\.py:1: "):
        list(Module(statement, "module.py").lines())


def test_a_complaint_says_what_to_write() -> None:
    """Whoever adds an event learns the row that is missing, not only that something is."""
    lines = list(Module("log.info('a.new', server=1, count=2)\nlog.error('a.old', x=1)", "m.py").lines())
    page = "| `server` | its name |\n| `a.old` | info | `y` | old |\n| `a.gone` | info |  | gone |"
    assert complaints(lines, page) == [
        "add the row   | `a.new` | info | `count` | … |   (m.py:1)",
        "add the level error to a.old   (m.py:2)",
        "add the key `x` to a.old   (m.py:2)",
        "take the level info from a.old",
        "take the key `y` from a.old",
        "take the row of a.gone away: nothing logs it",
    ]
