"""``tailrace explain``."""
