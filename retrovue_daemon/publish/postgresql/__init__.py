"""Publishing the mirror to a PostgreSQL database: see docs/postgresql.md. Needs the optional dependency psycopg."""
