"""The questions of the map on the command line: the words and the answers of the HTTP API."""
