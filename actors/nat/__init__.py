"""The NAT table, and how tuples are followed through it."""
