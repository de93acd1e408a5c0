/* The maps of the DNS probe. The loader gives DNS_BYTES, DNS_RATE (of one second of each processor), DNS_NAMES, DNS_PENDING
 * and DNS_CELLS. */

#define DNS_PROBE 1

/* How many packets and exchanges a processor has told of lately. */
struct dns_rate {
	u64 period; /* which 2^30 ns it is */
	u32 packets;
	u32 exchanges;
};

/* Packets with messages, of 512 bytes. Written by the hooks of UDP, read and given back by user space, which maps it. */
BPF_RINGBUF_OUTPUT(dns_ring, DNS_BYTES / PAGE_SIZE);
/* Exchanges, of 128 bytes; likewise. */
BPF_RINGBUF_OUTPUT(dns_exchanges, DNS_BYTES / PAGE_SIZE);
/* Questions that wait. Inserted when one passes, deleted with its answer; user space deletes those to which nobody waits for
 * an answer any more. */
BPF_F_TABLE("hash", struct dns_question, struct dns_asked, dns_waiting, DNS_PENDING, BPF_F_NO_PREALLOC);
/* Names whose text was told. Inserted with the packet that tells it, looked up at each question, deleted by user space, which
 * has forgotten it. */
BPF_TABLE("lru_hash", u64, u8, dns_told, DNS_NAMES);
/* Inserted and counted up while exchanges are too many; deleted by user space when they rest. */
BPF_F_TABLE("hash", struct dns_cell_key, struct dns_cell, dns_cells, DNS_CELLS, BPF_F_NO_PREALLOC);
/* An empty one, to make others of: it has no room on the stack. */
BPF_ARRAY(dns_no_cell, struct dns_cell, 1);
/* Written by user space before anything is attached. */
BPF_ARRAY(dns_seeds, struct dns_seeds, 1);
/* Ports of servers. Written by user space before anything is attached, looked up at each packet. */
BPF_ARRAY(dns_ports, u8, 65536);
/* Written and read at each packet with a message. */
BPF_PERCPU_ARRAY(dns_rates, struct dns_rate, 1);
/* Counted up by the programs, never cleared; read by user space (enum dns_tally). */
BPF_PERCPU_ARRAY(dns_tallies, u64, DNS_TALLIES);

/* The program that packets of UDP are handed on to (bpf/dns/paired.c) that a socket sends. Written by user space before
 * anything is attached. */
BPF_PROG_ARRAY(dns_sent_jumps, 1);
/* Likewise of those that it gets. */
BPF_PROG_ARRAY(dns_got_jumps, 1);

/* Atomic, because a softirq may count in the middle of it. */
static __always_inline void dns_tally(u32 what)
{
	u64 *cell = dns_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}
