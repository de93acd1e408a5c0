"""The TCP probe."""
