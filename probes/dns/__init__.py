"""The DNS probe."""
