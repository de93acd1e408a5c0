"""The UDP probe."""
