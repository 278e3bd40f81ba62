"""Whole rounds: see ``tests/system/conftest.py``."""

from __future__ import annotations

from tests.system.conftest import (  # noqa: F401 -- fixtures
    commands,
    config,
    config_file,
    engine,
    path,
    plex,
    rows,
    sync,
)
