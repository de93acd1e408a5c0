/* Any read or write of a socket. */
#ifdef HTTP_PROGRAMS

#define MSG_PEEK_FLAG 2
/* Reads and writes that are not understood before a connection is left; of one that was open before the start, which may be in
 * the middle of a large answer. */
#define HTTP_TRIES 4
#define HTTP_TRIES_ADOPTED 100
/* Requests without an answer that are counted at the end of a socket whose slot has another one already. */
#define GIVEN_UP 8

static __always_inline struct http_gate *gate_of(u64 key)
{
	u32 index = (key >> 6 ^ key >> 22) & (GATE_CELLS - 1);
	return http_gates.lookup(&index);
}

/* What waited on a socket that is gone. */
static __always_inline void asks_give_up(struct http_state *state, u32 runner, u32 slot)
{
	struct http_scratch *s = state->asked != state->answered ? http_scratch_of(runner) : 0;
	if (!s)
		return;
	for (u32 i = 0; i < GIVEN_UP; i++)
		if (!request_give_up(state, s, slot))
			return;
}

/* Of what came without its rest nothing stays. */
static __always_inline void parts_drop(struct http_state *state, u32 slot)
{
	struct http_part_key key = {.slot = slot};
	if (!(state->asks.part | state->answers.part))
		return;
	http_parts.delete(&key);
	key.sent = 1;
	http_parts.delete(&key);
}

/* What was under way in the slot was of another socket. */
static __always_inline void state_begin(struct http_state *state, u32 runner, u32 slot, u32 generation)
{
	struct description *as = descriptions.lookup(&slot);
	asks_give_up(state, runner, slot);
	parts_drop(state, slot);
	__builtin_memset(state, 0, sizeof(*state));
	state->generation = generation;
	state->whole = 1;
	if (!as)
		return;
	state->netns = as->netns;
	state->whole = !(as->flags & FLAG_ADOPTED);
	if (socket_wanted(as) == WANTED_NO) {
		state->verdict = VERDICT_LEAVE;
		http_tally(HTTP_UNWANTED);
	}
}

/* Whether it cannot be said yet that a socket is wanted. */
static __always_inline int undecided(u32 slot)
{
	struct description *as = NETNS_RULES ? descriptions.lookup(&slot) : 0;
	return as && socket_wanted(as) == WANTED_LATER;
}

static __always_inline u64 gate_verdict(struct http_state *state)
{
	if (state->encrypted)
		return (state->encrypted & ENCRYPTION_MOVED) == ENCRYPTION_HELLO ? VERDICT_HELLO : VERDICT_TLS;
	return state->verdict;
}

/* Looks the socket up; its gate is open then, unless it has no slot. */
static __always_inline struct http_state *http_enter(struct http_gate *gate, u32 runner, u64 key)
{
	struct entry *entry = sockets.lookup(&key);
	if (!entry || entry->slot == NO_SLOT)
		return 0;
	u32 slot = entry->slot, generation = entry->generation;
	struct http_state *state = http_states.lookup(&slot);
	if (!state)
		return 0;
	if (state->generation != generation) {
		if (undecided(slot))
			return 0;
		state_begin(state, runner, slot, generation);
	}
	gate->socket = key;
	gate->slot = slot;
	gate->generation = generation;
	gate->verdict = gate_verdict(state);
	return state;
}

/* The state of a socket that a gate leads to; 0 if it is unknown. */
static __always_inline struct http_state *http_state_of(struct http_gate *gate, u32 runner, u64 key)
{
	u32 slot = gate->slot;
	struct cell *cell = gate->socket == key ? cells.lookup(&slot) : 0;
	/* The address alone may be another socket's by now. A slot that is free, and whose socket is in no other, was
	 * this one's: it has ended, and the application reads what is left. */
	if (cell && cell->generation == gate->generation &&
	    (cell->socket == key || (!cell->socket && !sockets.lookup(&key))))
		return http_states.lookup(&slot);
	return http_enter(gate, runner, key);
}

/* From now on what counts is the plain text; the records that the system calls move are left. */
static __always_inline void encrypt(struct http_gate *gate, struct http_state *state, u32 runner)
{
	if (state->encrypted) {
		gate->verdict = gate_verdict(state);
		return;
	}
	gate->verdict = VERDICT_TLS;
	u32 generation = state->generation;
	state_begin(state, runner, gate->slot, generation);
	state->encrypted = ENCRYPTION_RECORDS;
	http_tally(HTTP_ENCRYPTED);
}

/* Where the data of a call is, unless that is known. */
static __always_inline void find_buffer(struct http_scratch *s, u64 buffer, u64 bytes)
{
	u64 room = bytes;
	s->buffer = buffer ? buffer : user_buffer(&room);
	s->bytes = bytes;
	s->room = room;
}

/* Whether it is a record of TLS: type, and the version that all of them have; or, of a handshake, the beginning of that. */
static __always_inline int is_record(struct http_scratch *s)
{
	if (s->size < 5 && s->text[0] != 0x16)
		return 0;
	return s->text[0] >= 0x14 && s->text[0] <= 0x17 && (s->size < 2 || s->text[1] == 3) &&
	       (s->size < 3 || s->text[2] <= 4);
}

/* The first records of a connection: goes on by a tail call, where handshakes are read. */
static __always_inline void records_began(void *ctx, u32 runner, struct http_gate *gate, struct http_state *state,
					  struct http_scratch *s)
{
	encrypt(gate, state, runner);
	TLS_RECORD(gate, state, s->sent);
	s->at = 0;
	s->began = 1;
	state->encrypted = ENCRYPTION_HELLO;
	gate->verdict = VERDICT_HELLO;
	http_jump(ctx, runner, JUMP_HELLO);
	state->encrypted = ENCRYPTION_RECORDS;
	gate->verdict = VERDICT_TLS;
}

/* Records of a socket, which was known to move them. */
static __always_inline void record_moved(void *ctx, u32 runner, struct http_gate *gate, struct http_state *state, u64 bytes,
					 u32 sent)
{
	if (!state->claimed) {
		TLS_RECORD(gate, state, sent);
	}
	if (gate->verdict == VERDICT_TLS)
		return;
	gate->verdict = gate_verdict(state);
	struct http_scratch *s = gate->verdict == VERDICT_HELLO ? http_scratch_of(runner) : 0;
	if (!s)
		return;
	s->slot = gate->slot;
	s->sent = sent;
	s->at = s->began = 0;
	find_buffer(s, 0, bytes);
	if (s->buffer)
		http_jump(ctx, runner, JUMP_HELLO);
}

/* Plain text of a socket has come: user space is told once. */
static __always_inline void decrypted(struct http_gate *gate, struct http_state *state, u32 runner)
{
	encrypt(gate, state, runner);
	if (state->encrypted & ENCRYPTION_READ)
		return;
	state->encrypted |= ENCRYPTION_READ;
	struct decrypted_event *event = event_reserve();
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_DECRYPTED;
	event->header.slot = gate->slot;
	event->header.generation = state->generation;
	event->netns = state->netns;
	ring.ringbuf_submit(event, wakeup());
}

/* Something of HTTP/1 was recognized. */
static __always_inline void recognized(struct http_state *state)
{
	if (state->verdict != VERDICT_OPEN || !state->role)
		return;
	state->verdict = VERDICT_HTTP;
	if (!state->whole)
		http_tally(HTTP_RESYNCHRONIZED);
}

/* Nothing was. Returns whether it may be another protocol that is known. */
static __always_inline int unrecognized(struct http_state *state, struct http_scratch *s)
{
	struct http_way *way = way_of(state, s->asks);
	s->from = s->end;
	if (state->verdict != VERDICT_OPEN) {
		if (way->place != PLACE_LOST)
			way_lose(state, way, s);
		return 0;
	}
	if (++state->tries >= (state->whole ? HTTP_TRIES : HTTP_TRIES_ADOPTED)) {
		state->verdict = VERDICT_LEAVE;
		http_tally(HTTP_LEFT);
		return 0;
	}
	return 1;
}

/* Begins to look at a call. */
static __always_inline void call_begin(struct http_state *state, struct http_scratch *s, u64 bytes)
{
	s->asks = state->role ? s->sent == (state->role == ROLE_CLIENT) : s->sent;
	struct http_way *way = way_of(state, s->asks);
	s->bytes = bytes;
	s->had = way->part;
	s->end = bytes + s->had;
	s->from = s->at = s->again = s->learn = s->learn_host = s->host_end = 0;
	way->part = 0;
	if (s->asks)
		state->asked_bytes += bytes;
}

/* The body of a request that was refused before it came (Expect: 100-continue) may not come: then a head does. */
static __always_inline void body_drop(struct http_state *state, struct http_way *way)
{
	if (!way->expects)
		return;
	way->expects = 0;
	if (state->asked == state->answered) {
		way->place = PLACE_LOST;
		way->left = 0;
	}
}

/* What passed a socket, as far as it may be HTTP/1. */
static __always_inline void http1_moved(void *ctx, u32 runner, struct http_gate *gate, struct http_state *state,
					struct http_scratch *s, u64 buffer, u64 bytes)
{
	call_begin(state, s, bytes);
	struct http_way *way = way_of(state, s->asks);
	if (s->asks)
		body_drop(state, way);
	pass(way, s);
	if (s->from >= s->end) {
		call_end(state, s);
		return;
	}
	find_buffer(s, buffer, bytes);
	if (!s->buffer || !window_fill(s)) {
		if (s->buffer)
			http_jump(ctx, runner, JUMP_MORE); /* what it needs is in another piece */
		if (way->place != PLACE_LOST)
			way_lose(state, way, s);
		window_wipe(state, s);
		return;
	}
	if (state->verdict == VERDICT_OPEN && !state->encrypted && is_record(s)) {
		records_began(ctx, runner, gate, state, s);
		window_wipe(state, s);
		return;
	}
	if (look(state, s)) {
		recognized(state);
	} else if (unrecognized(state, s)) {
		http_jump(ctx, runner, JUMP_HTTP2); /* finds out, and sets the verdict */
	}
	if (!state->encrypted)
		gate->verdict = state->verdict;
	pass(way_of(state, s->asks), s);
	if (s->learn | s->learn_host)
		http_jump(ctx, runner, JUMP_LEARN);
	else if (s->from < s->end)
		http_jump(ctx, runner, JUMP_MORE);
	window_wipe(state, s);
	call_end(state, s);
}

/* What `http_plain` (bpf/http/quick.c) hands on: all that is not usual. */
static __always_inline int call(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	if (!s)
		return 0;
	u64 key = s->key, buffer = s->given, bytes = s->bytes;
	u32 sent = s->sent;
	struct http_gate *gate = gate_of(key);
	struct http_state *state = gate ? http_state_of(gate, runner, key) : 0;
	if (!state)
		return 0;
	if (buffer) {
		decrypted(gate, state, runner);
	} else if (gate->verdict == VERDICT_LEAVE) {
		return 0;
	} else if (gate->verdict == VERDICT_TLS || gate->verdict == VERDICT_HELLO) {
		record_moved(ctx, runner, gate, state, bytes, sent);
		return 0;
	}
	if (state->verdict == VERDICT_LEAVE)
		return 0;
	s->slot = gate->slot;
#ifdef PROXY_SOCKETS
	link_touch(state, gate->slot);
#endif
	if (state->verdict == VERDICT_HTTP2) {
		find_buffer(s, buffer, bytes);
		http_jump(ctx, runner, JUMP_HTTP2);
	} else {
		http1_moved(ctx, runner, gate, state, s, buffer, bytes);
	}
	return 0;
}

#ifdef HTTP_TRACEPOINTS
int http_call(struct bpf_raw_tracepoint_args *ctx)
{
	return call(ctx, BY_TRACEPOINT);
}
#endif

#ifdef HTTP_PROBES
int http_probe_call(struct pt_regs *ctx)
{
	return call(ctx, BY_PROBE);
}
#else
/* Run by user space with (slot) when the slot's socket is gone while requests of it wait: one each time. */
int http_give_up(struct bpf_raw_tracepoint_args *ctx)
{
	u32 slot = ctx->args[0];
	struct http_state *state = http_states.lookup(&slot);
	struct cell *cell = cells.lookup(&slot);
	struct http_scratch *s = http_scratch_of(BY_REQUEST);
	if (s && state && cell && (!cell->socket || cell->generation != state->generation))
		request_give_up(state, s, slot);
	return 0;
}
#endif
#endif
