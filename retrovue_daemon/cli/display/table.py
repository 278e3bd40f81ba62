"""Text that people read on a terminal, and tables of it: what others have written steers nothing."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import rich.table

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of letters that end lines, move the cursor, turn the direction of writing or are half a letter."""

_JOINERS: Final = "\u200c\u200d"
"""Steer as well, but many scripts and faces are not written without them."""


def printable(text: str) -> str:
    """Return a text in one line that steers no terminal: what would is shown as its escape, as in log lines."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _STEERING and letter not in _JOINERS
        else letter
        for letter in text
    )


class Table:
    """Columns of text, in which nothing is cut off; rich, which takes a tenth of a second, comes when it is drawn."""

    def __init__(self, *columns: str) -> None:
        self.show_header = True
        self._columns: list[tuple[str, bool]] = [(column, False) for column in columns]
        self._rows: list[list[str]] = []

    def add_column(self, name: str) -> None:
        """Add a column of text."""
        self._columns.append((name, False))

    def add_numbers(self, name: str) -> None:
        """Add a column of numbers: they stand below each other, and none is broken in two."""
        self._columns.append((name, True))

    def add_row(self, *cells: str | Sequence[str]) -> None:
        """Add a row; a cell of several lines is a sequence of them."""
        self._rows.append(
            [printable(cell) if isinstance(cell, str) else "\n".join(map(printable, cell)) for cell in cells]
        )

    def __rich__(self) -> rich.table.Table:
        """Return what rich draws."""
        import rich.box  # noqa: PLC0415 -- takes a tenth of a second
        import rich.table  # noqa: PLC0415 -- likewise

        table = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_header=self.show_header)
        for name, is_number in self._columns:
            if is_number:
                table.add_column(name, justify="right", no_wrap=True)
            else:
                table.add_column(name, overflow="fold")
        for row in self._rows:
            table.add_row(*row)
        return table
