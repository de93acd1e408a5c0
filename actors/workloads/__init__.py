"""Flows summed up by who talks to whom."""
