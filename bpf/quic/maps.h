/* The maps of the QUIC probe. The loader gives QUIC_BYTES. */

#define QUIC_PROBE 1
/* Datagrams of one flow that are told of: a hello with a post-quantum key share needs two, and each may come again. */
#define QUIC_DATAGRAMS 4

/* Clients' first datagrams, of 2,048 bytes. Written by the hooks of UDP, read and given back by user space, which maps it:
 * how many there are of them in a second is bounded by its size. */
BPF_RINGBUF_OUTPUT(quic_ring, QUIC_BYTES / PAGE_SIZE);
/* Counted up by the programs, never cleared; read by user space (enum quic_tally). */
BPF_PERCPU_ARRAY(quic_tallies, u64, QUIC_TALLIES);

/* Atomic, because a softirq may count in the middle of it. */
static __always_inline void quic_tally(u32 what)
{
	u64 *cell = quic_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}
