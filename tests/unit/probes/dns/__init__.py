"""The HTTP/2 probe."""
