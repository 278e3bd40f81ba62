"""The database of the original Retrovue: reading and importing it."""
