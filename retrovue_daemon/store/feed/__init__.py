"""The change feed: which rows changed, written in the same transactions as the rows themselves."""
