"""Hooks: HTTP requests and commands that tell other programs what changed and what happened."""
