"""One pass over one library: listing it, comparing, writing what differs, and marking what left.

Here the Plex side and the database side meet; neither knows the other.
"""
