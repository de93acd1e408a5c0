/* Answers that a proxy passed on: which upstream request answered which downstream request. A probe of proxies says, in its
 * own programs, which connection a thread handles and to which it writes; it gives PROXY_SOCKETS. */
#if defined(HTTP_PROGRAMS) && defined(PROXY_SOCKETS)

/* What a thread of a proxy is at: one call that handles one connection. */
struct proxy_turn {
	u64 connection; /* of the proxy: the address of its object */
	u64 at_ns;      /* when it began */
	u32 reading;
	u32 touched; /* 1: a socket was read or written since it began */
};

struct proxy_key {
	u64 connection;
	u64 process;
};

/* A connection of a proxy, and how the request under way on it is linked. */
struct proxy_socket {
	u64 request_ns;  /* downstream: of the request that is linked; upstream: of the one that answered another; 0: none */
	u64 upstream;    /* downstream: slot and generation of the socket that answered */
	u64 upstream_ns; /* when the request upstream began */
	u64 answer_ns;   /* when its answer was there */
	u32 slot;
	u32 generation;
	u32 final; /* 1: the answer is no interim one */
	u32 heading; /* HTTP/2: 1: the frame that is being read has the head of an answer */
	u32 stream;  /* of that frame */
	u32 closed;  /* 1: the proxy has ended it, and another connection may be at its address; its socket may live on */
	u64 head_ns; /* when it came */
	u64 codec;   /* what reads its frames: the address of its object; 0: it is no HTTP/2, or none has come */
};

/* By thread. Written when it begins to handle a connection, read at each read and write of it; the oldest make room. */
BPF_TABLE("lru_hash", u64, struct proxy_turn, proxy_turns, 4096);
/* By connection. Inserted at the first read or write of its socket, looked up when it is written to and at heads; the oldest
 * make room, and so do those that have ended. */
BPF_TABLE("lru_hash", struct proxy_key, struct proxy_socket, proxy_sockets, PROXY_SOCKETS);
/* Whether there ever was a turn: without one, no thread is looked for. Written at turns, read at each read and write. */
BPF_ARRAY(proxy_seen, u64, 1);
/* Counted up, never cleared; read by user space (enum link_tally). */
BPF_PERCPU_ARRAY(link_tallies, u64, LINK_TALLIES);

static __always_inline void link_tally(u32 what)
{
	u64 *cell = link_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

static __always_inline struct proxy_turn *proxy_turn_now(u64 *process)
{
	u32 only = 0;
	u64 *seen = proxy_seen.lookup(&only);
	if (!seen || !*seen)
		return 0;
	u64 thread = bpf_get_current_pid_tgid();
	*process = thread >> 32;
	return proxy_turns.lookup(&thread);
}

/* Whether the socket that a connection had is there still. */
static __always_inline int proxy_socket_lives(struct proxy_socket *socket)
{
	u32 slot = socket->slot;
	struct cell *cell = cells.lookup(&slot);
	return cell && cell->socket && cell->generation == socket->generation;
}

/* A socket is read or written: the first one in a turn is the socket of the connection that the thread handles. */
static __always_inline void link_touch(struct http_state *state, u32 slot)
{
	struct proxy_key key = {};
	struct proxy_turn *turn = proxy_turn_now(&key.process);
	if (!turn || turn->touched)
		return;
	turn->touched = 1;
	key.connection = turn->connection;
	struct proxy_socket *before = proxy_sockets.lookup(&key);
	if (before && !before->closed &&
	    ((before->slot == slot && before->generation == state->generation) || proxy_socket_lives(before)))
		return;
	struct proxy_socket socket = {.slot = slot, .generation = state->generation};
	proxy_sockets.update(&key, &socket);
}

static __always_inline struct request_cell *link_cell_of(struct request_key *key, struct http_state *state, u32 method,
							  u32 status)
{
	u32 index = 0, number = 0, *held = request_keys.lookup(key);
	if (held) {
		index = *held - 1;
		return request_cells.lookup(&index);
	}
	struct request_cell *cell = free_cells.pop(&index) ? 0 : request_cells.lookup(&index);
	if (!cell)
		return 0;
	number = index + 1;
	cell->header.generation = 0; /* nobody's, until it is written */
	cell->path = key->path;
	cell->host = key->host;
	cell->status = status;
	cell->method = method;
	cell->role = ROLE_PROXY;
	cell->netns = state->netns;
	cell->header.kind = KIND_LINKS;
	cell->header.slot = key->slot;
	cell->flags = REQUEST_KEYED;
	cell->protocol = PROTOCOL_HTTP1;
	cell->grpc_status = GRPC_NONE;
	cell->header.generation = key->generation;
	request_keys.update(key, &number);
	return cell;
}

/* A proxy's answer leaves: counts whose answer it is. Who writes to a socket is alone at its cells. */
static __always_inline void link_answered(struct http_state *state, struct http_ask *ask, u32 slot, u32 status)
{
	struct proxy_key at = {};
	struct proxy_turn *turn = proxy_turn_now(&at.process);
	if (!turn)
		return;
	at.connection = turn->connection;
	struct proxy_socket *socket = proxy_sockets.lookup(&at);
	if (!socket || socket->slot != slot || socket->generation != state->generation ||
	    !ask->at_ns || socket->request_ns != ask->at_ns || !socket->final) {
		link_tally(LINK_OWN);
		return;
	}
	u32 method = ask->method;
	struct request_key key = {.path = ask->path,
				  .host = socket->upstream,
				  .slot = slot,
				  .generation = state->generation,
				  .kind = (u64)method << 24 | (u64)ROLE_PROXY << 16 | status};
	struct link_cell *cell = (struct link_cell *)link_cell_of(&key, state, method, status);
	if (!cell) {
		link_tally(LINK_NO_CELL);
		return;
	}
	link_tally(LINK_COUNTED);
	cell->requests++;
	cell->total_ns += bpf_ktime_get_ns() - ask->at_ns;
	cell->before_ns += socket->upstream_ns - ask->at_ns;
	cell->upstream_ns += socket->answer_ns - socket->upstream_ns;
	cell->timed++;
}
#endif
