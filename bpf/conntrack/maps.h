/* The maps of the conntrack probe. */

/* What enters conntrack's table at this moment: addresses of the entry and, unless netlink brings it, the packet. */
struct entering {
	u64 entry;
	u64 packet;
};

/* Inserted when a function that enters an entry begins (enters), looked up and deleted when it returns (nat_entered). By
 * the stack that it runs on: none is on one stack twice, because it lets no softirq in while it works. */
BPF_HASH(entering, u64, struct entering, 256);

/* When netlink messages were made. Written by the filter of the socket that they come to (message_queued), read and given back
 * by who reads that socket, which maps it. A message for which there is no room has no time. */
BPF_RINGBUF_OUTPUT(conntrack_times, (512 * 1024) / PAGE_SIZE);
