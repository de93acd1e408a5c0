"""A node: its sockets, their owners, its delta rows."""
