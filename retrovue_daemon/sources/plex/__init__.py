"""Requests to Plex Media Servers, and parsing of their responses."""
