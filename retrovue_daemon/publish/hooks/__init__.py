"""Hooks: HTTP requests and commands that report to other programs what changed and what happened."""
