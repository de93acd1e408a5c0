"""Units of Tailrace in a real systemd."""
