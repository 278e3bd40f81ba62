"""Talks to Plex Media Servers, and reads what they answer."""
