"""Films, shows, seasons, episodes and their files: records into rows."""
