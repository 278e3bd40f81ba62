"""The running daemon: when each server is looked at, what runs, and what came of it."""
