"""Posters and stills, drawn: two colours that blend, a simple shape, and the title. The same item looks the same."""

from __future__ import annotations

import colorsys
import math
import struct
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from retrovue_daemon.demo.lettering import GLYPHS, HEIGHT, WIDTH, lines

if TYPE_CHECKING:
    from collections.abc import Callable

_SHADES: Final = 56
"""Colours of the palette that blend from the top to the bottom; those of the shape and the letters follow."""

_SHAPE: Final = _SHADES
_SHADOW: Final = _SHADES + 1
_LETTERS: Final = _SHADES + 2


@lru_cache(maxsize=512)
def draw(seed: str, title: str, width: int, height: int) -> bytes:
    """Return a picture as PNG."""
    number = zlib.crc32(seed.encode())
    rows = [bytearray([y * (_SHADES - 1) // max(1, height - 1)]) * width for y in range(height)]
    _SHAPES[number % len(_SHAPES)](rows, number >> 8)
    _write(rows, title)
    return _png(rows, _palette(number))


def _palette(number: int) -> bytes:
    hue = (number & 0xFFFF) / 0x10000
    top, bottom = _colour(hue, 0.55, 0.42), _colour(hue + 0.08, 0.65, 0.16)
    shades = (
        tuple(round(a + (b - a) * step / (_SHADES - 1)) for a, b in zip(top, bottom, strict=True))
        for step in range(_SHADES)
    )
    others = (_colour(hue + 0.45, 0.5, 0.85), _colour(hue + 0.5, 0.6, 0.3), (245, 242, 232))
    return bytes(part for colour in (*shades, *others) for part in colour)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


# -- shapes ---------------------------------------------------------------------------------------------------------


def _span(rows: list[bytearray], y: int, left: float, right: float, colour: int) -> None:
    first, last = max(0, round(left)), min(len(rows[0]), round(right))
    if 0 <= y < len(rows) and first < last:
        rows[y][first:last] = bytes([colour]) * (last - first)


def _disc(rows: list[bytearray], x: float, y: float, radius: float, colour: int | None) -> None:
    """Draw a disc; None is the colour of the background."""
    for row in range(max(0, math.ceil(y - radius)), min(len(rows), math.floor(y + radius) + 1)):
        half = math.sqrt(max(0.0, radius * radius - (row - y) ** 2))
        _span(rows, row, x - half, x + half, rows[row][0] if colour is None else colour)


def _sun(rows: list[bytearray], number: int) -> None:
    height, width = len(rows), len(rows[0])
    _disc(rows, width * (0.3 + number % 5 / 10), height * 0.38, min(width, height) * 0.3, _SHAPE)
    for y in range(height):
        hill = height * (0.62 + number % 3 / 40)
        if y >= hill:
            _span(rows, y, 0, width, _SHADOW)


def _moon(rows: list[bytearray], number: int) -> None:
    height, width = len(rows), len(rows[0])
    radius = min(width, height) * 0.28
    x, y = width * (0.35 + number % 4 / 10), height * 0.34
    _disc(rows, x, y, radius, _SHAPE)
    _disc(rows, x + radius * 0.45, y - radius * 0.15, radius * 0.85, None)
    for star in range(9):
        _disc(rows, width * (star * 37 % 100) / 100, height * (star * number % 50) / 100, width / 120, _LETTERS)


def _peaks(rows: list[bytearray], number: int) -> None:
    height, width = len(rows), len(rows[0])
    for x, top, colour in ((0.3 + number % 3 / 20, 0.22, _SHAPE), (0.72, 0.38 + number % 4 / 40, _SHADOW)):
        for y in range(int(height * top), height):
            half = (y - height * top) * 0.55 * width / height * 1.5
            _span(rows, y, width * x - half, width * x + half, colour)


def _stripes(rows: list[bytearray], number: int) -> None:
    height, width = len(rows), len(rows[0])
    for y in range(height):
        for stripe in range(3 + number % 2):
            left = width * (0.1 + stripe * 0.3) + (height / 2 - y) * 0.35
            _span(rows, y, left, left + width * 0.1, _SHADOW if stripe % 2 else _SHAPE)


def _rings(rows: list[bytearray], number: int) -> None:
    height, width = len(rows), len(rows[0])
    x, y = width * (0.4 + number % 3 / 10), height * 0.4
    for ring in range(6, 0, -1):
        _disc(rows, x, y, min(width, height) * 0.075 * ring, _SHADOW if ring % 2 else _SHAPE)


_SHAPES: Final[tuple[Callable[[list[bytearray], int], None], ...]] = (_sun, _moon, _peaks, _stripes, _rings)


# -- letters, and the file ------------------------------------------------------------------------------------------


def _write(rows: list[bytearray], title: str) -> None:
    """Write a title into the lower part."""
    height, width = len(rows), len(rows[0])
    dot = max(1, min(width // 80, height // 80))
    step = (WIDTH + 1) * dot
    written = lines(title, (width - 4 * dot) // step, 4)
    top = height - (HEIGHT + 3) * dot * len(written) - 3 * dot
    for number, line in enumerate(written):
        left = (width - len(line) * step) // 2
        for place, letter in enumerate(line):
            for row, bits in enumerate(GLYPHS.get(letter, ())):
                for column in range(WIDTH):
                    if bits >> (WIDTH - 1 - column) & 1:
                        x = left + place * step + column * dot
                        y = top + (number * (HEIGHT + 3) + row) * dot
                        for line_y in range(y, y + dot):
                            _span(rows, line_y, x, x + dot, _LETTERS)


def _png(rows: list[bytearray], palette: bytes) -> bytes:
    height, width = len(rows), len(rows[0])
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 6)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
