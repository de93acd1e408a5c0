"""Plain text of TLS: finding the libraries of processes, and where in them it can be read."""
