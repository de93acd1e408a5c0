"""Tailrace's BPF programs in C. ``events.h`` is the only home of what they share with Python."""
