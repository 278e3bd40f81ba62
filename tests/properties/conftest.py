"""A simulated server and the daemon side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.properties.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def rounds() -> Iterator[Rounds]:
    """Give a server without libraries and an empty database; every round is checked."""
    with Rounds() as both:
        yield both
