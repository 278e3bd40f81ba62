"""Whole rounds: a simulated server on loopback, the ordinary code, a real database file."""

from __future__ import annotations

from tests.support.rounds import commands, config, config_file, engine, path, plex, rows, sync  # noqa: F401 -- fixtures
