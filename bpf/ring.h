/* Events into the ring: every record has the same size, so that user space reads the ring as one array. */

/* User space drains on a timer; between two of its turns it is woken once in WAKEUP_EVENTS events of a processor,
 * which the loader chooses well below the size of the ring. */
static __always_inline u64 wakeup(void)
{
	u32 which = TALLY_GENERATED;
	u64 *made = tallies.lookup(&which);
	return made && *made % WAKEUP_EVENTS == 0 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

/* Room for one event, counted; counts it as lost and returns 0 when the ring is full. */
static __always_inline void *event_reserve(void)
{
	tally(TALLY_GENERATED, 1);
	void *event = ring.ringbuf_reserve(sizeof(struct socket_event));
	if (!event)
		tally(TALLY_LOST, 1);
	return event;
}
