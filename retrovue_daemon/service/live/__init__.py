"""Live updates: following a server's notifications, and reading what they hint at."""
