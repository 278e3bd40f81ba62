"""Output on a terminal: results, progress and prompts."""
