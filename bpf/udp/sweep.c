/* Ends of flows that no hook sees: once a second, when user space asks. */

/* How long a flow may rest. */
static __always_inline u64 rest_of(struct udp_counters *counters)
{
	if (!counters->tx_datagrams || !counters->rx_datagrams)
		return UDP_IDLE_UNANSWERED * SECOND_NS;
	return counters->tx_datagrams <= 2 && counters->rx_datagrams <= 2 ? UDP_IDLE_ANSWERED * SECOND_NS :
									    UDP_IDLE_BOTH * SECOND_NS;
}

/* A flow that ends here is told by the next sweep: datagrams that are being counted are in it by then. */
static __always_inline void cell_sweep(struct udp_cell *cell, u32 slot, u64 now)
{
	u8 why = cell->ending;
	if (!cell->open) {
		if (why)
			flow_tell(cell, slot, why);
		return;
	}
	if (!cell->settled && cell->event.counters.rx_datagrams)
		cell_read(cell);
	if (cell->many) {
		u64 cookie = cell->key.cookie;
		struct udp_flow_count *count = udp_sockets.lookup(&cookie);
		if (count && count->closed)
			why = UDP_CLOSED;
	}
	struct udp_counters *counters = &cell->event.counters;
	u64 counted = counters->tx_datagrams + counters->rx_datagrams;
	if (counted != cell->counted) {
		cell->counted = counted;
		counters->last_ns = now;
	} else if (now - counters->last_ns > rest_of(counters)) {
		why = UDP_IDLE;
	}
	if (why && flow_claim(cell))
		cell->ending = why;
}

/* Run by user space with (first slot). */
int udp_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	u32 first = ctx->args[0];
	u64 now = bpf_ktime_get_ns();
	for (u32 i = 0; i < UDP_SWEEP_SLOTS; i++) {
		u32 slot = first + i;
		struct udp_cell *cell = cell_at(slot);
		if (!cell)
			return 0;
		if (cell->open || cell->ending)
			cell_sweep(cell, slot, now);
	}
	return 0;
}
