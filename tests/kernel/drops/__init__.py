"""Dropped packets: rows against the counters of iptables and of the kernel."""
