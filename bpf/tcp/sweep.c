/* Bringing the counters of live sockets up to date, slot by slot, when user space asks. */

/* The kernel chooses the port of a socket that connects after it says so, and the peer may take long to answer. Whoever
 * holds the lock may write the description meanwhile: two more leave its mark in `version`, odd or even. */
static __always_inline void learn_port(struct sock *sk, u32 generation, struct cell *cell, struct description *as)
{
	u16 port = 0;
	READ(port, sk->__sk_common.skc_num);
	if (!port || as->generation != generation)
		return;
	as->local_port = port;
	__sync_fetch_and_add(&cell->version, 2);
}

/* A subflow that this end opened is one only when the peer has answered so. */
static __always_inline void learn_token(struct sock *sk, u32 generation, struct cell *cell, struct description *as,
					u32 user)
{
	u32 token = token_read(sk, user);
	if (!token || as->generation != generation || cell->generation != generation)
		return;
	as->mptcp_token = token;
	__sync_fetch_and_add(&cell->version, 2);
}

/* Reads one socket into its cell. The socket may end and its memory serve another meanwhile: `read_generation`
 * says whose counters these are, and user space takes only those of the socket that holds the slot. */
static __always_inline void refresh(struct sock *sk, u32 slot, u32 generation, u32 old, u32 user, u32 still)
{
	struct cell *cell = cells.lookup(&slot);
	struct description *as = descriptions.lookup(&slot);
	struct tcp_counters now = {};
	u64 key = (u64)sk;
	if (!cell || !as)
		return;
	if (!as->local_port)
		learn_port(sk, generation, cell, as);
	u32 state = read_counters(sk, &now, as->role, old, user, still);
	if (!as->mptcp_token)
		learn_token(sk, generation, cell, as, user);
	if (as->flags & FLAG_ADOPTED) {
		struct tcp_counters *base = baselines.lookup(&key);
		if (!base)
			return;
		subtract(&now, base);
	}
	if (state == TCP_SYN_SENT || state == TCP_CLOSE || cell->generation != generation)
		return;
	cell->counters = now;
	cell->state = state;
	cell->read_generation = generation;
}

/* Run by user space with (first slot): reads SWEEP_SLOTS slots, fewer at the end of the array. */
int sweep(struct bpf_raw_tracepoint_args *ctx)
{
	u32 first = ctx->args[0];
	for (u32 i = 0; i < SWEEP_SLOTS; i++) {
		u32 slot = first + i;
		struct cell *cell = cells.lookup(&slot);
		if (!cell)
			return 0;
		u64 socket = cell->socket;
		if (socket)
			refresh((struct sock *)socket, slot, cell->generation, 0, SCRATCH_SWEEP, STILL_NO);
	}
	return 0;
}

/* Run by user space with (slot) when a socket's state shows that the end of its handshake was missed. */
int heal(struct bpf_raw_tracepoint_args *ctx)
{
	u32 slot = ctx->args[0];
	struct cell *cell = cells.lookup(&slot);
	u64 key = cell ? cell->socket : 0;
	struct entry *entry = sockets.lookup(&key);
	if (entry && entry->slot == slot && established((struct sock *)key, key, entry))
		tally(TALLY_HEALED, 1);
	return 0;
}
