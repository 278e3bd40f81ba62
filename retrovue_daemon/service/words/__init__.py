"""The state of the mirror in words, as commands and the page show it."""
