"""One module per page: its handlers, which read, and fill a template of the same name."""
