"""The running daemon: when each server is polled, which passes run, and their results."""
