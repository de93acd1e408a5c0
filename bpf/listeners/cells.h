/* How each listening socket stands: a cell from listen() to the end, brought up to date when user space asks. The loader
 * gives LISTENER_CELLS. The hooks that see listeners begin and end are those of the TCP probe (bpf/tcp/listeners.h). */

/* Free cells. Filled by user space before anything is attached, and with those whose end it has read; popped when a
 * socket begins to listen (listener_cell_enter). */
BPF_STACK(free_listeners, u32, LISTENER_CELLS);
/* Written at listen(), by the sweep and at the end; user space maps it and reads it once a second. */
BPF_F_TABLE("array", u32, struct listener_cell, listener_cells, LISTENER_CELLS, BPF_F_MMAPABLE);
/* From a listening socket's address to its cell. Inserted at listen() and at adoption, deleted at the end. */
BPF_HASH(listener_places, u64, u32, LISTENER_CELLS);
/* Counted up by the hooks, never cleared; read by user space (enum listener_tally). */
BPF_PERCPU_ARRAY(listener_tallies, u64, LISTENER_TALLIES);

static __always_inline void listener_tally(u32 what)
{
	u64 *cell = listener_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

/* The socket may end meanwhile: what is read then is of no socket that listens there, and is left. */
static __always_inline void listener_read(struct listener_cell *cell, struct sock *sk)
{
	struct inet_connection_sock *connection = (struct inet_connection_sock *)sk;
	u32 drops = 0, queue = 0, limit = 0, syn_queue = 0;
	u16 port = 0;
	u8 state = 0;
	READ(drops, sk->sk_drops);
	READ(queue, sk->sk_ack_backlog);
	READ(limit, sk->sk_max_ack_backlog);
	READ(syn_queue, connection->icsk_accept_queue.qlen);
	READ(port, sk->__sk_common.skc_num);
	bpf_probe_read_kernel(&state, sizeof(state), (void *)&sk->__sk_common.skc_state);
	if (state != TCP_LISTEN || port != cell->now.port || cell->socket != (u64)sk)
		return;
	cell->now.overflows = drops - cell->base;
	cell->now.queue = queue;
	cell->now.limit = limit;
	cell->now.syn_queue = syn_queue;
}

/* This socket listens from now on, or did before the start. Returns 1 and the number of its cell; 0: there is none. */
static __always_inline u32 listener_cell_enter(struct sock *sk, struct owner *owner, u8 *address, u32 netns, u16 port,
					       u8 adopted)
{
	u64 key = (u64)sk;
	u32 index = 0;
	u32 *known = listener_places.lookup(&key); /* whose end was missed */
	if (known)
		index = *known;
	else if (free_listeners.pop(&index)) {
		listener_tally(LISTENERS_NO_CELL);
		return 0;
	}
	struct listener_cell *cell = listener_cells.lookup(&index);
	if (!cell)
		return 0;
	cell->socket = 0;
	__builtin_memset(&cell->now, 0, sizeof(cell->now));
	cell->now.owner = *owner;
	__builtin_memcpy(cell->now.address, address, sizeof(cell->now.address));
	cell->now.began_ns = bpf_ktime_get_ns();
	cell->now.netns = netns;
	cell->now.port = port;
	cell->now.adopted = adopted;
	READ(cell->base, sk->sk_drops);
	READ(cell->now.limit, sk->sk_max_ack_backlog);
	cell->generation++;
	cell->socket = key;
	if (!known && listener_places.update(&key, &index)) { /* never: it has as many places */
		cell->now.ended = 1;
		cell->socket = 0;
	}
	listener_tally(LISTENERS_TAKEN);
	return 1 + index;
}

/* It listens no more. User space gives the cell back when it has read it. */
static __always_inline void listener_cell_leave(struct sock *sk)
{
	u64 key = (u64)sk;
	u32 drops = 0;
	u32 *index = listener_places.lookup(&key);
	struct listener_cell *cell = index ? listener_cells.lookup(index) : 0;
	if (!cell)
		return;
	READ(drops, sk->sk_drops);
	cell->socket = 0;
	cell->now.overflows = drops - cell->base;
	cell->now.queue = cell->now.syn_queue = 0;
	cell->now.ended = 1;
	listener_places.delete(&key);
}

/* Another process holds it. */
static __always_inline void listener_cell_give(u64 key, struct owner *owner)
{
	u32 *index = listener_places.lookup(&key);
	struct listener_cell *cell = index ? listener_cells.lookup(index) : 0;
	if (cell)
		cell->now.owner = *owner;
}

/* A handshake has ended at the socket with this cell.
 * place: as listener_cell_enter returned it. */
static __always_inline void listener_cell_accept(u32 place)
{
	u32 index = place - 1;
	struct listener_cell *cell = place ? listener_cells.lookup(&index) : 0;
	if (cell)
		__sync_fetch_and_add(&cell->now.accepted, 1);
}
