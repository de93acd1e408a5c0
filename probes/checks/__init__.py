"""What this machine offers, for doctor and before a start."""
