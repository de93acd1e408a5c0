/* Counting requests: from a socket and what a request is to a cell. */
#ifdef HTTP_PROGRAMS

static __always_inline u64 request_kind(struct http_state *state, u32 status)
{
	return (u64)state->method << 24 | (u64)state->role << 16 | status;
}

/* The cell of this number, if it is of this kind. */
static __always_inline struct request_cell *cell_if(u32 number, struct http_state *state, u64 slot, u32 status)
{
	u32 index = number - 1;
	struct request_cell *cell = number ? request_cells.lookup(&index) : 0;
	if (!cell || cell->header.generation != state->generation || cell->header.slot != (u32)slot ||
	    cell->path != state->path || cell->status != status || cell->method != state->method ||
	    cell->role != state->role)
		return 0;
	return cell;
}

static __always_inline struct request_cell *cell_take(struct http_state *state, struct request_key *key, u32 status)
{
	u32 index = 0, number = 0;
	struct request_cell *cell = free_cells.pop(&index) ? 0 : request_cells.lookup(&index);
	if (!cell)
		return 0;
	number = index + 1;
	cell->header.generation = 0; /* nobody's, until it is written */
	cell->path = state->path;
	cell->status = status;
	cell->method = state->method;
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

static __always_inline struct request_cell *cell_of(struct http_state *state, u64 slot, u32 status)
{
	struct request_cell *cell = cell_if(state->recent, state, slot, status);
	if (cell)
		return cell;
	cell = cell_if(state->first, state, slot, status);
	if (cell) {
		state->recent = state->first;
		return cell;
	}
	struct request_key key = {.path = state->path,
				  .slot = slot,
				  .generation = state->generation,
				  .kind = request_kind(state, status)};
	u32 *number = request_keys.lookup(&key);
	if (!number)
		return cell_take(state, &key, status);
	state->recent = *number;
	return cell_if(*number, state, slot, status);
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

/* One request is over. Who reads or writes a socket is alone at it, as far as its direction goes. */
static __always_inline void request_count(struct http_state *state, u64 slot, u32 status, int timed)
{
	struct request_cell *cell = cell_of(state, slot, status);
	if (!cell) {
		http_tally(HTTP_NO_CELL);
		return;
	}
	http_tally(HTTP_REQUESTS);
	cell->requests++;
	if (!timed)
		return;
	u64 ns = bpf_ktime_get_ns() - state->request_ns;
	u32 bucket = bucket_of(ns);
	cell->latency_ns += ns;
	if (bucket < HTTP_BUCKETS)
		cell->buckets[bucket]++;
}

/* A request that nobody answered: its connection is over. */
static __always_inline void request_give_up(struct http_state *state, u64 slot)
{
	if (!state->pending)
		return;
	state->pending = 0;
	http_tally(HTTP_UNANSWERED);
	request_count(state, slot, 0, 0);
}
#endif
