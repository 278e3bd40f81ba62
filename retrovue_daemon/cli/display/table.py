"""Text and tables for terminals; control characters in foreign text are escaped."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    import rich.table

_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that break lines, move the cursor, change the text direction or are incomplete."""

_JOINERS: Final = "\u200c\u200d"
"""Control characters that stay, since many scripts and emoji need them."""


def printable(text: str) -> str:
    """Return a text as one line that cannot control the terminal: control characters are escaped, as in log lines."""
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in _STEERING and letter not in _JOINERS
        else letter
        for letter in text
    )


class Table:
    """A table that never truncates its cells; rich, whose import takes a tenth of a second, is loaded to draw it."""

    def __init__(self, *columns: str) -> None:
        self.show_header = True
        self._columns: list[tuple[str, bool]] = [(column, False) for column in columns]
        self._rows: list[list[str]] = []

    def add_column(self, name: str) -> None:
        """Add a column of text."""
        self._columns.append((name, False))

    def add_numbers(self, name: str) -> None:
        """Add a column of numbers, which are right-aligned and never wrapped."""
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
