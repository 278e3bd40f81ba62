"""The database of the original Retrovue: read, and imported."""
