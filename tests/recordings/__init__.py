"""Recordings of known traffic, made by a real kernel, and what replaying them gives. See README.md."""
