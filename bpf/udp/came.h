/* Which datagram came last. Before Linux 6.11 nothing tells at once whose datagram found its receive buffer full: tracepoints
 * have the datagram or the socket, and before 6.6 nothing but the datagram of IPv6. The kernel drops it right after it has
 * passed the hook, on the same processor, so that what the hook found is still at hand. */

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define UDP_NOTES_WHAT_CAME 1
#endif

#ifdef UDP_NOTES_WHAT_CAME

struct udp_came {
	u64 skb;   /* its address; 0: it was dropped */
	u64 place; /* of its flow; 0: it has none */
	u32 bytes; /* of its payload */
	u32 datagrams;
};

/* The last datagram that came for a socket. Written by the hook of each, read where one is dropped. */
BPF_PERCPU_ARRAY(udp_latest, struct udp_came, 1);

static __always_inline struct udp_came *came_last(void)
{
	u32 zero = 0;
	return udp_latest.lookup(&zero);
}

static __always_inline void came_note(struct __sk_buff *skb, struct packet *packet, u64 place, u32 datagrams)
{
	struct udp_came *came = packet->out ? 0 : came_last();
	if (!came)
		return;
	came->skb = (u64)skb;
	came->place = place;
	came->bytes = packet->bytes;
	came->datagrams = datagrams;
}

#else

static __always_inline void came_note(struct __sk_buff *skb, struct packet *packet, u64 place, u32 datagrams)
{
}

#endif
