"""Seconds on their way: messages read once, held until the second is complete."""
