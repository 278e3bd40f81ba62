"""The database as a file: its lock, its preparation, its upkeep, and short visits of commands."""
