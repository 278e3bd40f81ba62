"""Where records come from: one package per kind of media server."""
