"""The HTTP probe."""
