"""Probes: load and attach BPF programs, drain the ring, read the maps, check what the kernel offers."""
