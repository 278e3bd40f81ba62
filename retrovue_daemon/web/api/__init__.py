"""The API below ``/api/v1``: one module per resource.

A handler is made an `Operation` by ``@operation``, which says what it takes and returns; `addresses` lists all of
them. ``openapi.json`` describes them: `description` makes it from the same declarations (``make docs``), and a test
compares the two.
"""
