"""The library for programs that embed the sync."""
