"""Paths: one form to compare them in, and the mapping from a server's paths to local ones."""
