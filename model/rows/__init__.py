"""Rows as JSON, msgpack and plain types."""
