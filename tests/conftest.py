"""What tests of several parts need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses, core

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Response(aiohttp.ClientResponse):
    """A response that can be made as aioresponses 0.7.9 makes it: without the writer that aiohttp 3.14 asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def responses(monkeypatch: pytest.MonkeyPatch) -> Iterator[aioresponses]:
    """Answers in place of aiohttp's requests, for a test of one request; no socket is opened."""
    monkeypatch.setattr(core, "ClientResponse", _Response)
    with aioresponses() as answers:
        yield answers
