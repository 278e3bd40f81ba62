"""Logging: the format of log lines, the redaction of secrets, and output streams that never fail."""
