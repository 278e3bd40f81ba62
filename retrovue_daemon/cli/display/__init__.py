"""How results, progress and questions look on a terminal."""
