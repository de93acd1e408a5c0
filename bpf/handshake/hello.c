/* The handshakes of sockets: the hooks of the HTTP probe hand over what a socket moves until both hellos are there. */
#ifdef HTTP_PROGRAMS

/* Returns 0 if the ring has no room. */
static __always_inline int hello_send(struct hello *h, struct http_state *state, u32 slot)
{
	struct hello_event *event = event_reserve();
	if (!event)
		return 0;
	__builtin_memcpy(event, &h->event, sizeof(*event));
	__builtin_memset(&event->header, 0, sizeof(event->header));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_HANDSHAKE;
	event->header.slot = slot;
	event->header.generation = state->generation;
	event->netns = state->netns;
	ring.ringbuf_submit(event, wakeup());
	return 1;
}

/* From now on its records are not looked at. */
static __always_inline void hello_over(struct http_state *state)
{
	state->encrypted = ENCRYPTION_RECORDS | (state->encrypted & ENCRYPTION_READ);
}

/* Both hellos were read, or no more of them is. */
static __always_inline void hello_end(struct hello *h, struct http_state *state, u32 slot, int result)
{
	if (result == HELLO_READ)
		h->event.flags |= HANDSHAKE_ANSWERED;
	int sent = hello_send(h, state, slot);
	handshake_tally(result == HELLO_BROKEN ? HANDSHAKES_UNREADABLE : sent ? HANDSHAKES_TOLD : HANDSHAKES_UNSENT);
	if (result == HELLO_REFUSED)
		handshake_tally(HANDSHAKES_UNANSWERED);
	hello_over(state);
	hellos.delete(&slot);
}

/* The first bytes of a connection are a record of a handshake, or the beginning of one. */
static __always_inline struct hello *hello_begin(struct http_state *state, u32 slot, u64 sent)
{
	u32 zero = 0;
	struct hello *h = new_hellos.lookup(&zero), *old = hellos.lookup(&slot);
	if (!h)
		return 0;
	if (old && old->begun) /* of the slot's last socket */
		handshake_tally(HANDSHAKES_ABANDONED);
	h->client = sent;
	h->generation = state->generation;
	h->need = 6;
	h->left = h->skip = h->have = h->stage = h->answer = h->begun = 0;
	__builtin_memset(&h->event, 0, sizeof(h->event));
	hellos.update(&slot, h);
	return hellos.lookup(&slot);
}

/* A connection was open before its first record was seen. */
static __always_inline void hello_missed(struct http_state *state, u32 slot)
{
	u32 zero = 0;
	struct hello *h = new_hellos.lookup(&zero);
	handshake_tally(HANDSHAKES_JOINED);
	hello_over(state);
	if (!h)
		return;
	__builtin_memset(&h->event, 0, sizeof(h->event));
	h->event.flags = HANDSHAKE_JOINED;
	hello_send(h, state, slot);
}

/* What began like a client's hello is none: a later record of a handshake, or no record at all. */
static __always_inline void hello_mistaken(volatile struct hello *h, struct http_state *state, u32 slot)
{
	int record = h->have == h->need && h->text[1] == 3 && h->text[2] <= 4;
	hellos.delete(&slot);
	if (record) {
		hello_missed(state, slot);
		return;
	}
	state->encrypted = ENCRYPTION_NONE;
	state->verdict = VERDICT_LEAVE;
}

/* The socket's handshake; it begins with its first bytes, which are in `text`. 0: none. */
static __always_inline struct hello *hello_of(struct http_state *state, struct http_scratch *s, u32 slot)
{
	struct hello *h = hellos.lookup(&slot);
	if (h && h->generation == state->generation)
		return h;
	if (s->began)
		return hello_begin(state, slot, s->sent);
	handshake_tally(HANDSHAKES_EVICTED);
	hello_over(state);
	return 0;
}

/* One read or write of a socket whose handshake is under way, or begins with it. */
static __always_inline int hello_moved(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	u32 slot = s ? s->slot : 0;
	struct http_state *state = s ? http_states.lookup(&slot) : 0;
	if (!state || (state->encrypted & ENCRYPTION_MOVED) != ENCRYPTION_HELLO)
		return 0; /* at the start, when it is tried */
	if (s->began && s->text[0] != TYPE_HANDSHAKE) {
		hello_missed(state, slot);
		return 0;
	}
	struct hello *h = hello_of(state, s, slot);
	if (!h || s->sent != (h->client ^ h->answer))
		return 0;
	for (u32 turn = 0; turn < HELLO_TURNS; turn++) {
		int whole = hello_take(h, s), result = whole < 0 ? HELLO_BROKEN : HELLO_GOES_ON;
		if (whole == 0 && s->room < s->bytes)
			result = HELLO_BROKEN; /* it goes on in another piece of memory */
		else if (whole == 0)
			return 0;
		if (whole > 0)
			result = hello_step(h);
		if (result == HELLO_READ && !h->answer) { /* now the server's */
			h->answer = 1;
			h->need = 6;
			h->left = h->skip = h->have = h->stage = 0;
			return 0;
		}
		if (result == HELLO_BROKEN && !h->begun) {
			hello_mistaken(h, state, slot);
			return 0;
		}
		if (result != HELLO_GOES_ON) {
			hello_end(h, state, slot, result);
			return 0;
		}
	}
	s->began = 0;
	http_jump(ctx, runner, JUMP_HELLO);
	return 0;
}

/* Once for each type of program that sees system calls. */
#ifdef HTTP_TRACEPOINTS
int tls_hello(struct bpf_raw_tracepoint_args *ctx)
{
	return hello_moved(ctx, BY_TRACEPOINT);
}
#endif

#ifdef HTTP_EXITS
int fexit__tcp_recvmsg__hello(unsigned long long *ctx)
{
	return hello_moved(ctx, BY_READ_EXIT);
}

int fexit__tcp_sendmsg__hello(unsigned long long *ctx)
{
	return hello_moved(ctx, BY_WRITE_EXIT);
}
#endif
#endif
