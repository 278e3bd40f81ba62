"""Text and tables for terminals of any width; control characters in foreign text are escaped."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that break lines, move the cursor, change the text direction or are incomplete."""

_JOINERS: Final = "\u200c\u200d"
"""Control characters that stay, since many scripts and emoji need them."""


def printable(text: str) -> str:
    """Return a text as one line that cannot control the terminal: control characters are escaped, as in log lines."""
    if text.isprintable():
        return text
    return "".join(letter.encode("unicode_escape").decode() if steers(letter) else letter for letter in text)


def steers(letter: str) -> bool:
    """Return whether a character can control the terminal or the direction of text, or breaks a line."""
    return unicodedata.category(letter) in _STEERING and letter not in _JOINERS


_BETWEEN: Final = 3
"""Characters between two columns, and of both edges and the frame around one."""

_LEAST: Final = 12
"""The least width of a column of names: longer ones are wrapped if there is no room."""

_LEAST_OF_TEXT: Final = 24
"""The least width of a column of sentences or paths."""

_LONGEST_WORD: Final = 20
"""The length from which a word may be broken, such as a path."""

_IS_TEXT: Final = 40
"""The width from which a cell counts as a sentence."""


class _Column:
    """A column, with the lines of its cells."""

    def __init__(self, name: str, *, is_number: bool) -> None:
        self.name = name
        self.is_number = is_number
        self.readable = 0
        """The width below which it is not wrapped; 0 if dropping other columns is not enough for that."""
        self.cells: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not any(self.cells)

    @property
    def width(self) -> int:
        """The width of the widest line."""
        from rich.cells import cell_len  # noqa: PLC0415 -- rich takes a tenth of a second

        return max(cell_len(line) for cell in (self.name, *self.cells) for line in (cell.splitlines() or [""]))

    @property
    def least(self) -> int:
        """The width that it needs at least; numbers are never wrapped, and only very long words are broken."""
        return max(self._least, min(self.width, self.readable))

    @property
    def _least(self) -> int:
        width = self.width
        if self.is_number:
            return width
        word = min(max((len(word) for cell in self.cells for word in cell.split()), default=0), _LONGEST_WORD)
        return min(width, max(len(self.name), word, _LEAST if width < _IS_TEXT else _LEAST_OF_TEXT))


class Table:
    """A table that loses nothing, whatever the width: what does not fit is wrapped, left for `--json`, or listed.

    If its columns do not fit although they are wrapped, those that are empty and those of ``drop_first`` are dropped,
    the first one first, and named below the table. If that is not enough, each row becomes a block with one line per
    cell. ``repeats`` says that equal values of the first column stand in consecutive rows; a table shows them once.

    rich, whose import takes a tenth of a second, is loaded to draw it.
    """

    def __init__(self, *columns: str, drop_first: Sequence[str] = (), repeats: bool = False) -> None:
        self.show_header = True
        self._columns = [_Column(column, is_number=False) for column in columns]
        self._drop_first = drop_first
        self._readable: tuple[str, int, Sequence[str]] = ("", 0, ())
        self._repeats = repeats

    def keep_readable(self, name: str, width: int, *, drop: Sequence[str]) -> None:
        """Drop these columns before one is wrapped to less than a width."""
        self._readable = (name, width, drop)

    def add_column(self, name: str) -> None:
        """Add a column of text."""
        self._columns.append(_Column(name, is_number=False))

    def add_numbers(self, name: str) -> None:
        """Add a column of numbers, which are right-aligned and never wrapped."""
        self._columns.append(_Column(name, is_number=True))

    def add_row(self, *cells: str | Sequence[str]) -> None:
        """Add a row; a cell of several lines is a sequence of them."""
        for column, cell in zip(self._columns, cells, strict=True):
            column.cells.append(printable(cell) if isinstance(cell, str) else "\n".join(map(printable, cell)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield what rich draws at this width."""
        from rich.text import Text  # noqa: PLC0415 -- takes a tenth of a second

        columns = self._fitting(options.max_width)
        if columns is None:
            yield from self._blocks()
            return
        yield self._drawn(columns, options.max_width)
        dropped = [column.name for column in self._columns if column not in columns and not column.is_empty]
        if dropped:
            yield Text(f"not enough room for: {', '.join(dropped)}", style="dim")

    def _fitting(self, width: int) -> list[_Column] | None:
        """Return the columns that fit if they are wrapped; None if too many have to stay."""
        name, least, drop = self._readable
        for column in self._columns:
            column.readable = least if column.name == name else 0
        columns = self._without(drop, width) if least else None
        if columns is None:
            for column in self._columns:
                column.readable = 0
            columns = self._without(self._drop_first, width)
        return columns

    def _without(self, names: Sequence[str], width: int) -> list[_Column] | None:
        columns = list(self._columns)
        droppable = [column for column in columns if column.is_empty]
        droppable += [column for name in names for column in columns if column.name == name]
        while _needed(columns) > width:
            if not droppable:
                return None
            column = droppable.pop(0)
            if column in columns:
                columns.remove(column)
        return columns

    def _drawn(self, columns: Sequence[_Column], width: int) -> RenderableType:
        import rich.box  # noqa: PLC0415 -- takes a tenth of a second
        import rich.table  # noqa: PLC0415 -- likewise

        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_header=self.show_header)
        for column, columns_width in zip(columns, _widths(columns, width), strict=True):
            table.add_column(
                column.name,
                justify="right" if column.is_number else "left",
                overflow="fold",
                width=columns_width,
            )
        rows = zip(*(column.cells for column in columns), strict=True)
        before: str | None = None
        for first, *others in rows:
            table.add_row("" if self._repeats and first == before else first, *others)
            before = first
        return table

    def _blocks(self) -> Iterator[RenderableType]:
        """Yield each row as a block: the name of the column and the cell, line by line; empty cells are omitted."""
        import rich.table  # noqa: PLC0415 -- takes a tenth of a second

        for row in range(len(self._columns[0].cells)):
            block = rich.table.Table.grid(padding=(0, 2, 0, 0))
            block.add_column(no_wrap=True, style="bold")
            block.add_column(overflow="fold")
            for column in self._columns:
                if column.cells[row]:
                    block.add_row(column.name, column.cells[row])
            yield ""
            yield block
        yield ""


def _needed(columns: Sequence[_Column]) -> int:
    return sum(column.least for column in columns) + _BETWEEN * len(columns) + 1


def _widths(columns: Sequence[_Column], width: int) -> list[int]:
    """Return the width of each column: if they do not fit, sentences are wrapped, then names, the widest first."""
    room = width - _BETWEEN * len(columns) - 1
    least = [column.least for column in columns]
    widths = [min(column.width, max(room, least)) for column, least in zip(columns, least, strict=True)]
    for floor in (_IS_TEXT - 1, 0):
        shrinking = [each for each in range(len(widths)) if columns[each].width > floor]
        while (excess := sum(widths) - room) > 0:
            able = sorted((each for each in shrinking if widths[each] > least[each]), key=lambda each: widths[each])
            if not able:
                break
            widest, next_widest = able[-1], widths[able[-2]] if len(able) > 1 else 0
            to = min(next_widest, widths[widest] - 1)
            widths[widest] = max(least[widest], to, widths[widest] - excess)
    return widths
