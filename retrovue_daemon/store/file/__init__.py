"""The database as a file: its lock, its preparation, its maintenance, and short access by commands."""
