"""A picture that fills a terminal's screen and hides nothing important below its edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from retrovue_daemon.cli.display.table import printable
from retrovue_daemon.units import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

_LEAST_OF_BODY = 6
"""The minimum lines of the table, as long as it has so many: its heading and a few rows."""


def picture(console: Console, head: Sequence[str], body: RenderableType, foot: Sequence[str]) -> Text:
    """Return a screen with the lines of ``head`` and ``foot`` and as much of ``body`` as fits between them.

    What is cut off is counted. Of the foot, the first lines matter most.
    """
    above, middle, below = (_lines(console, each) for each in (_text(head), body, _text(foot)))
    room = console.size.height - len(above)
    below = _cut(below, room - min(len(middle), _LEAST_OF_BODY))
    middle = _cut(middle, room - len(below))
    return Text("\n").join([*above, *middle, *below])


def _text(lines: Sequence[str]) -> Text:
    return Text("\n".join(map(printable, lines)))


def _lines(console: Console, content: RenderableType) -> list[Text]:
    """Return what a terminal shows of this, line by line."""
    lines = console.render_lines(content, pad=False)
    return [Text.assemble(*((segment.text, segment.style or "") for segment in line)) for line in lines]


def _cut(lines: list[Text], room: int) -> list[Text]:
    """Return as many lines as there is room for; the last one counts the others."""
    if len(lines) <= room:
        return lines
    kept = lines[: max(room - 1, 0)]
    return [*kept, Text(f"… {plural(len(lines) - len(kept), 'more line')}", style="dim")]
