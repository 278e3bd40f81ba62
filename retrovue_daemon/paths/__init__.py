"""Paths: their normal form for comparisons, and the mapping from a server's paths to local ones."""
