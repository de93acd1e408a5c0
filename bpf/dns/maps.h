/* The maps of the DNS probe. The loader gives DNS_BYTES and DNS_RATE (packets of one second of each processor). */

#define DNS_PROBE 1

/* How many packets a processor has told of lately. */
struct dns_rate {
	u64 period; /* which 2^30 ns it is */
	u64 packets;
};

/* Packets with messages, of 512 bytes. Written by the hooks of UDP, read and given back by user space, which maps it. */
BPF_RINGBUF_OUTPUT(dns_ring, DNS_BYTES / PAGE_SIZE);
/* Ports of servers. Written by user space before anything is attached, looked up at each packet. */
BPF_ARRAY(dns_ports, u8, 65536);
/* Written and read at each packet with a message. */
BPF_PERCPU_ARRAY(dns_rates, struct dns_rate, 1);
/* Counted up by the programs, never cleared; read by user space (enum dns_tally). */
BPF_PERCPU_ARRAY(dns_tallies, u64, DNS_TALLIES);

/* Atomic, because a softirq may count in the middle of it. */
static __always_inline void dns_tally(u32 what)
{
	u64 *cell = dns_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}
