"""What workloads had to do with each other, kept for weeks: written second by second, asked for by window."""
