"""The drops probe: packets that the kernel threw away, and why."""
