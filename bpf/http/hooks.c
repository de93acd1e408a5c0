/* Hooks of the HTTP probe: behind each read and write of a socket. What is no HTTP leaves after two loads. */
#ifdef HTTP_PROGRAMS

#define MSG_PEEK_FLAG 2
/* Reads and writes that are not understood before a connection is left. */
#define HTTP_TRIES 4

static __always_inline struct http_gate *gate_of(u64 key)
{
	u32 index = (key >> 6 ^ key >> 22) & (GATE_CELLS - 1);
	return http_gates.lookup(&index);
}

/* What was under way in the slot was of another socket. */
static __always_inline void state_begin(struct http_state *state, u32 slot, u32 generation)
{
	struct description *as = descriptions.lookup(&slot);
	request_give_up(state, slot);
	__builtin_memset(state, 0, sizeof(*state));
	state->generation = generation;
	if (as)
		state->netns = as->netns;
}

/* Looks the socket up; its gate is open then, unless it has no slot. */
static __always_inline struct http_state *http_enter(struct http_gate *gate, u64 key)
{
	struct entry *entry = sockets.lookup(&key);
	if (!entry || entry->slot == NO_SLOT)
		return 0;
	u32 slot = entry->slot, generation = entry->generation;
	struct http_state *state = http_states.lookup(&slot);
	if (!state)
		return 0;
	if (state->generation != generation)
		state_begin(state, slot, generation);
	gate->socket = key;
	gate->slot = slot;
	gate->generation = generation;
	gate->verdict = state->encrypted ? VERDICT_TLS : state->verdict;
	return state;
}

/* The state of a socket that a gate leads to; 0 if it is unknown. */
static __always_inline struct http_state *http_state_of(struct http_gate *gate, u64 key)
{
	u32 slot = gate->slot;
	struct cell *cell = gate->socket == key ? cells.lookup(&slot) : 0;
	/* The address alone may be another socket's by now. A slot that is free, and whose socket is in no other, was
	 * this one's: it has ended, and the application reads what is left. */
	if (cell && cell->generation == gate->generation &&
	    (cell->socket == key || (!cell->socket && !sockets.lookup(&key))))
		return http_states.lookup(&slot);
	return http_enter(gate, key);
}

/* From now on what counts is the plain text; the records that the system calls move are left. */
static __always_inline void encrypt(struct http_gate *gate, struct http_state *state)
{
	gate->verdict = VERDICT_TLS;
	if (state->encrypted)
		return;
	u32 generation = state->generation, netns = state->netns;
	request_give_up(state, gate->slot);
	__builtin_memset(state, 0, sizeof(*state));
	state->generation = generation;
	state->netns = netns;
	state->encrypted = 1;
	http_tally(HTTP_ENCRYPTED);
}

/* Reads the beginning of a head behind what came of it before; returns 0 if the memory cannot be read. */
static __always_inline int head_fetch(struct http_state *state, struct http_scratch *s, u64 room, u32 sent)
{
	u32 slot = s->slot;
	struct http_part *part = state->part && state->part_sent == sent ? http_parts.lookup(&slot) : 0;
	u64 want = room < HEAD_BYTES ? room : HEAD_BYTES;
	s->had = part ? state->part : 0;
	if (part)
		bpf_probe_read_kernel(s->text, PART_BYTES, part->text);
	else if (state->pending && sent == (state->role == ROLE_SERVER) && want > 16)
		want = 16; /* of an answer that is enough, but for interim ones */
	s->want = want;
	asm volatile("" ::: "memory");
	u64 had = *(volatile u64 *)&s->had, size = *(volatile u64 *)&s->want;
	HIDE(had);
	had &= PART_BYTES - 1;
	HIDE(size);
	if (size > HEAD_BYTES)
		return 0;
	state->part = 0;
	s->size = had + size;
	return !bpf_probe_read_user(s->text + had, size, (void *)s->buffer);
}

/* Of an interim answer more is needed. */
static __always_inline int head_fetch_more(struct http_scratch *s, u64 room)
{
	u64 size = room < HEAD_BYTES ? room : HEAD_BYTES;
	HIDE(size);
	if (size > HEAD_BYTES)
		return 0;
	s->size = size;
	return !bpf_probe_read_user(s->text, size, (void *)s->buffer);
}

/* Bytes of a request's body in a read or write of `bytes`: all of them if nothing else can be among them. */
static __always_inline u64 body_bytes(struct http_state *state, u64 bytes)
{
	if (state->body == BODY_LENGTH) {
		u64 take = state->left < bytes ? state->left : bytes;
		state->left -= take;
		if (!state->left)
			state->body = BODY_NONE;
		return take;
	}
	return state->pending ? bytes : 0; /* nothing can begin before the answer has */
}

/* Where the data of a call is, unless that is known. */
static __always_inline void find_buffer(struct http_scratch *s, u64 buffer, u64 bytes)
{
	u64 room = bytes;
	s->buffer = buffer ? buffer : user_buffer(&room);
	s->bytes = bytes;
	s->room = room;
}

/* A part of a request's body that comes in chunks: goes over it by a tail call. Chunks in more pieces than one are given up. */
static __always_inline void chunks_moved(void *ctx, u32 runner, struct http_state *state, struct http_scratch *s)
{
	s->at = 0;
	if (s->buffer && s->room == s->bytes)
		http_jump(ctx, runner, JUMP_CHUNKS);
	state->body = BODY_UNKNOWN;
}

/* What the bytes behind `skip` are. Returns 0 if they cannot be read. */
static __always_inline int head_moved(struct http_state *state, struct http_scratch *s, u64 skip, u32 sent)
{
	if (!s->buffer || s->room <= skip)
		return 0;
	s->buffer += skip;
	s->bytes -= skip;
	u64 room = s->room -= skip;
	s->learn = s->scan = 0;
	if (!head_fetch(state, s, room, sent))
		return 0;
	return !(s->text[9] == '1' && s->size == 16 && room > 16) || head_fetch_more(s, room);
}

/* What is known of the connection after a read or write.
 *
 * is_head: whether a head, or a part of one, was read. */
static __always_inline void judge(struct http_state *state, u32 slot, int is_head)
{
	if (!is_head) {
		if (state->verdict == VERDICT_OPEN && ++state->tries >= HTTP_TRIES) {
			state->verdict = VERDICT_LEAVE;
			http_tally(HTTP_LEFT);
		}
		return;
	}
	if (state->verdict != VERDICT_OPEN || state->part)
		return;
	state->verdict = VERDICT_HTTP;
	struct description *as = descriptions.lookup(&slot);
	if (as && as->flags & FLAG_ADOPTED)
		http_tally(HTTP_RESYNCHRONIZED);
}

/* Whether it is a record of TLS: type, and the version that all of them have. */
static __always_inline int is_record(struct http_scratch *s)
{
	return s->size >= 5 && s->text[0] >= 0x14 && s->text[0] <= 0x17 && s->text[1] == 3 && s->text[2] <= 4;
}

/* What passed a socket, as far as it may be HTTP/1. */
static __always_inline void http1_moved(void *ctx, u32 runner, struct http_gate *gate, struct http_state *state,
					struct http_scratch *s, u64 buffer, u64 bytes)
{
	u64 skip = 0;
	u32 sent = s->sent;
	int asks = state->role && sent == (state->role == ROLE_CLIENT) && !state->part;
	int chunks = asks && (state->body == BODY_CHUNKS || state->body == BODY_LAST);
	if (asks && !chunks) {
		skip = body_bytes(state, bytes);
		if (skip == bytes)
			return;
	}
	find_buffer(s, buffer, bytes);
	if (chunks) {
		chunks_moved(ctx, runner, state, s);
		return;
	}
	if (!head_moved(state, s, skip, sent))
		return;
	if (state->verdict == VERDICT_OPEN && !state->encrypted && is_record(s)) {
		encrypt(gate, state);
		return;
	}
	int is_head = head_read(state, s, sent);
	judge(state, s->slot, is_head);
	if (!state->encrypted)
		gate->verdict = state->verdict;
	if (!is_head && state->verdict == VERDICT_OPEN)
		http_jump(ctx, runner, JUMP_HTTP2); /* finds out, and sets the verdict */
	if (s->scan)
		state->body = BODY_UNKNOWN;
	if (s->learn)
		http_jump(ctx, runner, JUMP_LEARN);
	if (s->scan) {
		scan_begin(s);
		http_jump(ctx, runner, JUMP_BODY);
	}
}

/* Plain text that passes a socket.
 *
 * ctx, runner: of the program at work (enum http_runner). Nothing of it runs behind this call.
 * key: the socket's address.
 * buffer: where the text is in user memory, in one piece; 0: where the registers of the system call at work say. Text of
 *	an address is what is encrypted on the wire: from the first of it on, system calls of that socket are left. */
static __always_inline void http_plain(void *ctx, u32 runner, u64 key, u64 buffer, u64 bytes, u32 sent)
{
	struct http_gate *gate = gate_of(key);
	struct http_state *state = gate ? http_state_of(gate, key) : 0;
	if (!state)
		return;
	if (buffer)
		encrypt(gate, state);
	else if (gate->verdict == VERDICT_LEAVE || gate->verdict == VERDICT_TLS)
		return;
	struct http_scratch *s = http_scratch_of(runner);
	if (!s || state->verdict == VERDICT_LEAVE)
		return;
	s->slot = gate->slot;
	s->sent = sent;
	if (state->verdict == VERDICT_HTTP2) {
		find_buffer(s, buffer, bytes);
		http_jump(ctx, runner, JUMP_HTTP2);
	} else {
		http1_moved(ctx, runner, gate, state, s, buffer, bytes);
	}
}

static __always_inline int moved(struct bpf_raw_tracepoint_args *ctx, u32 sent)
{
	int length = ctx->args[1];
	if (length > 0)
		http_plain(ctx, BY_TRACEPOINT, ctx->args[0], 0, length, sent);
	return 0;
}

/* raw_tracepoint sock_recv_length(sk, length, flags): the application has read from a socket. */
int http_received(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[2] & MSG_PEEK_FLAG ? 0 : moved(ctx, 0);
}

/* raw_tracepoint sock_send_length(sk, length, flags): the application has written. */
int http_sent(struct bpf_raw_tracepoint_args *ctx)
{
	return moved(ctx, 1);
}

/* Run by user space with (slot) when the slot's socket is gone while a request of it waits. */
int http_give_up(struct bpf_raw_tracepoint_args *ctx)
{
	u32 slot = ctx->args[0];
	struct http_state *state = http_states.lookup(&slot);
	struct cell *cell = cells.lookup(&slot);
	if (state && cell && (!cell->socket || cell->generation != state->generation))
		request_give_up(state, slot);
	return 0;
}
#endif
