"""Compile, load and attach BPF; rings, maps, netlink."""
