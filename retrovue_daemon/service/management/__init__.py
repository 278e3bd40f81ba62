"""What people change by commands and by the page: servers, libraries and path mappings, with the same checks."""
