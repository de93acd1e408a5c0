"""NAT rewrites: kprobes on conntrack, or its netlink events."""
