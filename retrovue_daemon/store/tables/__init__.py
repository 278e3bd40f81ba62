"""The other tables: one module per table."""
