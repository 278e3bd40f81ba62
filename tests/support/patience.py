"""How long a test waits, and how often it retries."""

from __future__ import annotations

from retrovue_daemon.sources.plex.retries import RetryPolicy

PATIENCE_S = 20
"""Seconds after which a test gives up on what it waits for."""

IMPATIENT = RetryPolicy(attempts=2, wait_initial=0, wait_max=0)
"""Every retry happens, none is waited for."""
