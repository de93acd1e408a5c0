/* Events into rings: in one ring every record has the same size, so that user space reads it as one array. */

/* Atomic, because a softirq may count in the middle of it. */
static __always_inline void count_of_ring(u32 ring_number, u32 what)
{
	u32 which = ring_number * RING_COUNTS + what;
	u64 *count = ring_counts.lookup(&which);
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Counts an event for which room was asked; `event` is 0 when the ring is full. Returns whether there is one. */
static __always_inline int event_made(u32 ring_number, void *event)
{
	count_of_ring(ring_number, RING_MADE);
	if (!event)
		count_of_ring(ring_number, RING_LOST);
	return event != 0;
}

/* Counts an event of a probe's own ring and fills in its head; returns 0 if there was no room for it. */
static __always_inline int event_begin(u32 ring_number, struct event_header *header, u8 kind)
{
	if (!event_made(ring_number, header))
		return 0;
	__builtin_memset(header, 0, sizeof(*header));
	header->at_ns = bpf_ktime_get_ns();
	header->slot = NO_SLOT;
	header->kind = kind;
	return 1;
}

/* User space drains on a timer; between two of its turns it is woken once in WAKEUP_EVENTS events of a processor,
 * which the loader chooses well below the size of the ring. */
static __always_inline u64 wakeup(void)
{
	u32 which = RING_MADE;
	u64 *made = ring_counts.lookup(&which);
	return made && *made % WAKEUP_EVENTS == 0 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Room for one event in `ring`, counted; 0 when it is full. */
static __always_inline void *event_reserve(void)
{
	void *event = ring.ringbuf_reserve(sizeof(struct ring_event));
	return event_made(0, event) ? event : 0;
}
