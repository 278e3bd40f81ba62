"""What `--json` prints and the API of the page sends: a struct for each thing, and the function that fills it.

Their names are promised to programs. Times are Unix seconds.
"""
