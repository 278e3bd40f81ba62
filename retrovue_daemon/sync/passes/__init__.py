"""The kinds of passes over one library."""
