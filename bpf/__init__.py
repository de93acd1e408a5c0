"""Tailrace's BPF programs in C, a folder per probe; ``events.h`` is the only home of what it shares with Python."""
