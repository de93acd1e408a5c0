/* Counting requests: from a socket and what a request is to a cell. */
#ifdef HTTP_PROGRAMS

/* The cell of this number, if it is of this kind. */
static __always_inline struct request_cell *cell_if(u32 number, struct http_state *state, struct http_ask *ask, u64 slot,
						    u32 status)
{
	u32 index = number - 1;
	struct request_cell *cell = number ? request_cells.lookup(&index) : 0;
	if (!cell || cell->header.generation != state->generation || cell->header.slot != (u32)slot ||
	    cell->path != ask->path || cell->host != ask->host || cell->status != status || cell->method != ask->method)
		return 0;
	return cell;
}

static __always_inline struct request_cell *cell_take(struct http_state *state, struct http_ask *ask, struct request_key *key,
						      u32 status)
{
	u32 index = 0, number = 0;
	struct request_cell *cell = free_cells.pop(&index) ? 0 : request_cells.lookup(&index);
	if (!cell)
		return 0;
	number = index + 1;
	cell->header.generation = 0; /* nobody's, until it is written */
	cell->path = ask->path;
	cell->host = ask->host;
	cell->status = status;
	cell->method = ask->method;
	cell->role = state->role;
	cell->netns = state->netns;
	cell->header.kind = KIND_REQUESTS;
	cell->header.slot = key->slot;
	cell->flags = state->first ? REQUEST_KEYED : 0;
	cell->protocol = PROTOCOL_HTTP1;
	cell->grpc_status = GRPC_NONE;
	cell->header.generation = state->generation;
	if (state->first)
		request_keys.update(key, &number);
	else
		state->first = number;
	state->recent = number;
	return cell;
}

static __always_inline void key_fill(struct request_key *key, struct http_state *state, struct http_ask *ask, u64 slot,
				     u32 status)
{
	key->path = ask->path;
	key->host = ask->host;
	key->slot = slot;
	key->generation = state->generation;
	key->kind = (u64)ask->method << 24 | (u64)state->role << 16 | status;
}

/* The cell of requests of a kind that the socket had before. */
static __always_inline struct request_cell *cell_known(struct http_state *state, struct http_ask *ask, u64 slot, u32 status)
{
	struct request_cell *cell = cell_if(state->recent, state, ask, slot, status);
	if (cell)
		return cell;
	struct request_key key = {};
	u32 number = state->first, *keyed = 0;
	cell = cell_if(number, state, ask, slot, status);
	if (!cell) {
		key_fill(&key, state, ask, slot, status);
		keyed = request_keys.lookup(&key);
		number = keyed ? *keyed : 0;
		cell = cell_if(number, state, ask, slot, status);
	}
	if (cell)
		state->recent = number;
	return cell;
}

static __always_inline struct request_cell *cell_of(struct http_state *state, struct http_ask *ask, u64 slot, u32 status)
{
	struct request_cell *cell = cell_known(state, ask, slot, status);
	if (cell)
		return cell;
	struct request_key key = {};
	key_fill(&key, state, ask, slot, status);
	return cell_take(state, ask, &key, status);
}

/* See enum http_buckets. */
static __always_inline u32 bucket_of(u64 ns)
{
	u64 left = ns >> 13;
	u32 power = 0;
	if (left < 2)
		return 0;
	if (left >> 16) {
		left >>= 16;
		power = 16;
	}
	if (left >> 8) {
		left >>= 8;
		power += 8;
	}
	if (left >> 4) {
		left >>= 4;
		power += 4;
	}
	if (left >> 2) {
		left >>= 2;
		power += 2;
	}
	if (left >> 1)
		power += 1;
	u32 bucket = 2 * power + ((ns >> 13 >> (power - 1)) & 1) - 1;
	return bucket < HTTP_BUCKETS ? bucket : HTTP_BUCKETS - 1;
}

/* Counts a request in its cell. */
static __always_inline void cell_count(struct http_state *state, struct request_cell *cell, struct http_ask *ask, u32 status)
{
	u64 bytes = state->asked_bytes;
	http_tally(HTTP_REQUESTS);
	cell->requests++;
	cell->request_bytes += bytes - state->counted_bytes;
	state->counted_bytes = bytes;
	if (!ask->at_ns || !status)
		return;
	u64 ns = bpf_ktime_get_ns() - ask->at_ns;
	u64 bucket = bucket_of(ns);
	HIDE(bucket); /* older kernels forget a bound where 32 bits are widened behind it */
	cell->latency_ns += ns;
	if (bucket < HTTP_BUCKETS)
		cell->buckets[bucket]++;
}

/* One request is over. */
static __always_inline void request_count(struct http_state *state, struct http_ask *ask, u64 slot, u32 status)
{
	struct request_cell *cell = cell_of(state, ask, slot, status);
	if (!cell) {
		state->recent = 0;
		http_tally(HTTP_NO_CELL);
		return;
	}
	cell_count(state, cell, ask, status);
}

/* Bytes of answers are those of the one that was under way at the end of the call. */
static __always_inline void answer_bytes(struct http_state *state, u64 slot, u64 bytes)
{
	u32 index = state->recent - 1;
	struct request_cell *cell = state->recent ? request_cells.lookup(&index) : 0;
	if (cell && cell->header.generation == state->generation && cell->header.slot == (u32)slot)
		cell->response_bytes += bytes;
}

/* A request came: it waits. */
static __always_inline void ask_push(struct http_state *state, struct http_scratch *s, u32 method, u64 path)
{
	u32 number = state->asked;
	int alone = number == state->answered;
	struct http_ask *ask = alone ? &state->ask : &s->ask;
	ask->at_ns = bpf_ktime_get_ns();
	ask->path = path;
	ask->host = 0;
	ask->method = method;
	ask->number = number;
	ask->generation = state->generation;
	if (!alone) {
		struct http_waiting_key key = {.slot = s->slot, .number = number};
		http_waiting.update(&key, &s->ask);
		http_tally(HTTP_PIPELINED);
	}
	asm volatile("" ::: "memory");
	state->asked = number + 1;
}

/* The oldest that waits, into `ask`. Returns 0 if none does. */
static __always_inline int ask_pop(struct http_state *state, struct http_ask *to, u32 slot)
{
	u32 number = state->answered;
	struct http_waiting_key key = {.slot = slot, .number = number};
	struct http_ask *ask = &state->ask;
	if (number == state->asked)
		return 0;
	if (ask->number != number)
		ask = http_waiting.lookup(&key);
	if (ask && ask->generation == state->generation) {
		__builtin_memcpy(to, ask, sizeof(*to));
	} else {
		http_tally(HTTP_FORGOTTEN);
		to->at_ns = to->host = 0;
		to->path = PATH_UNKNOWN;
		to->method = METHOD_OTHER;
	}
	if (ask && ask != &state->ask)
		http_waiting.delete(&key);
	asm volatile("" ::: "memory");
	state->answered = number + 1;
	return 1;
}

/* A request that nobody answered: its connection is over. Returns 0 if there was none. */
static __always_inline int request_give_up(struct http_state *state, struct http_scratch *s, u32 slot)
{
	if (!ask_pop(state, &s->ask, slot))
		return 0;
	http_tally(HTTP_UNANSWERED);
	request_count(state, &s->ask, slot, 0);
	return 1;
}
#endif
