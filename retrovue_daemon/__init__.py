"""Keeps a local SQLite database in step with the libraries of one or many Plex Media Servers."""

__version__ = "0.1.0"
