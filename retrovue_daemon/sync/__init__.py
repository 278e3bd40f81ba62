"""One pass over one library: list it, compare it, write the differences and mark removed items.

This is where the Plex side and the database side meet; neither knows the other.
"""
