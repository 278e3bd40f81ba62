"""The database: opening it, writing to it in batches, and the queries of the sync."""
