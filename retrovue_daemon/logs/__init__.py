"""Log lines: how they look, what must not stand in them, and where they go."""
