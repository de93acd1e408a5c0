/* After the header of the TCP probe: an event of the product's size for each call of the generator, into one of three rings. */

#define WAY_MAPPED 0 /* as the product does it */
#define WAY_RING 1   /* bcc, ring buffer */
#define WAY_PERF 2   /* bcc, perf buffer */

#if WAY == WAY_PERF
BPF_PERF_OUTPUT(ring);
#else
BPF_RINGBUF_OUTPUT(ring, RING_BYTES / PAGE_SIZE);
#endif
BPF_PERCPU_ARRAY(tallies, u64, 2); /* events made, events lost */

static inline __attribute__((always_inline)) u64 tally(u32 which)
{
	u64 *cell = tallies.lookup(&which);
	return cell ? ++*cell : 0;
}

static inline __attribute__((always_inline)) int is_generator(void)
{
	char comm[16] = {};
	bpf_get_current_comm(comm, sizeof(comm));
	return __builtin_memcmp(comm, "syscalls", 8) == 0;
}

#if WAY == WAY_MAPPED
static inline __attribute__((always_inline)) void emit(void *ctx, u64 made)
{
	struct socket_event *event = ring.ringbuf_reserve(sizeof(*event));
	if (!event) {
		tally(1);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_CLOSE;
	ring.ringbuf_submit(event, made % WAKEUP_EVENTS ? BPF_RB_NO_WAKEUP : BPF_RB_FORCE_WAKEUP);
}
#else
static inline __attribute__((always_inline)) void emit(void *ctx, u64 made)
{
	struct socket_event event = {};
	event.header.at_ns = bpf_ktime_get_ns();
	event.header.kind = KIND_CLOSE;
#if WAY == WAY_RING
	if (ring.ringbuf_output(&event, sizeof(event), 0))
#else
	if (ring.perf_submit(ctx, &event, sizeof(event)))
#endif
		tally(1);
}
#endif

/* raw_tracepoint sys_enter(registers, number) */
int entered(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == GENERATOR_CALL && is_generator())
		emit(ctx, tally(0));
	return 0;
}
