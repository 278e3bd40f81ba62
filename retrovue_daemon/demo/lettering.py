"""Capital letters and digits of five by seven dots, for the titles on drawn posters."""

from __future__ import annotations

import unicodedata
from typing import Final

WIDTH: Final = 5
HEIGHT: Final = 7

_ROWS: Final = """
A 0e 11 11 1f 11 11 11   B 1e 11 11 1e 11 11 1e   C 0f 10 10 10 10 10 0f   D 1e 11 11 11 11 11 1e
E 1f 10 10 1e 10 10 1f   F 1f 10 10 1e 10 10 10   G 0f 10 10 13 11 11 0f   H 11 11 11 1f 11 11 11
I 0e 04 04 04 04 04 0e   J 07 02 02 02 02 12 0c   K 11 12 14 18 14 12 11   L 10 10 10 10 10 10 1f
M 11 1b 15 15 11 11 11   N 11 19 19 15 13 13 11   O 0e 11 11 11 11 11 0e   P 1e 11 11 1e 10 10 10
Q 0e 11 11 11 15 12 0d   R 1e 11 11 1e 14 12 11   S 0f 10 10 0e 01 01 1e   T 1f 04 04 04 04 04 04
U 11 11 11 11 11 11 0e   V 11 11 11 11 11 0a 04   W 11 11 11 15 15 1b 11   X 11 11 0a 04 0a 11 11
Y 11 11 0a 04 04 04 04   Z 1f 01 02 04 08 10 1f   0 0e 11 13 15 19 11 0e   1 04 0c 04 04 04 04 0e
2 0e 11 01 06 08 10 1f   3 1e 01 01 0e 01 01 1e   4 02 06 0a 12 1f 02 02   5 1f 10 1e 01 01 11 0e
6 0e 10 10 1e 11 11 0e   7 1f 01 02 04 08 08 08   8 0e 11 11 0e 11 11 0e   9 0e 11 11 0f 01 01 0e
. 00 00 00 00 00 00 04   - 00 00 00 0e 00 00 00   ' 04 04 00 00 00 00 00   ! 04 04 04 04 04 00 04
"""

GLYPHS: Final = {
    words[0]: tuple(int(word, 16) for word in words[1:])
    for line in _ROWS.strip().splitlines()
    for words in (entry.split() for entry in line.split("   "))
}
"""By character, the dots of its rows from the top, the leftmost in the highest of five bits."""


def drawable(title: str) -> list[str]:
    """Return the words of a title in letters that can be drawn; none for other scripts."""
    plain = unicodedata.normalize("NFKD", title.upper().replace("\u2019", "'"))
    words = ("".join(letter for letter in word if letter in GLYPHS) for word in plain.replace(":", " ").split())
    return [word for word in words if any(letter.isalnum() for letter in word)]


def lines(title: str, most_letters: int, most_lines: int) -> list[str]:
    """Break a title into lines of at most so many letters; what does not fit is cut."""
    broken: list[str] = []
    for word in drawable(title):
        if broken and len(broken[-1]) + 1 + len(word) <= most_letters:
            broken[-1] += f" {word}"
        else:
            broken.append(word[:most_letters])
    return broken[:most_lines]
