"""Films, shows, seasons, episodes and their files: from records to rows."""
