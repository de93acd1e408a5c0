/* Packets that the kernel frees because something was wrong with them: where, why, whose. Counted in place. */

#ifdef DROP_REASON_NAMES

static __always_inline void drop_tally(u32 what)
{
	u64 *cell = drop_tallies.lookup(&what);
	if (cell)
		*cell += 1;
}

/* Whether the drop's reason, or the place, says that nothing was wrong. Where user space has not said so of a place yet, the
 * first drops have cells, which it leaves out should they be none. */
static __always_inline int is_drop_noise(u32 reason, u64 location)
{
	u8 *verdict = drop_reasons.lookup(&reason);
	if (!verdict || *verdict == DROP_WANTED)
		return !verdict;
	if (*verdict != DROP_BY_PLACE)
		return 1;
	u32 which = (location ^ location >> 10 ^ location >> 20) % DROP_PLACES;
	struct drop_place *place = drop_places.lookup(&which);
	if (!place)
		return 1;
	if (!place->location)
		place->location = location;
	if (place->location != location)
		return 1;
	if (place->verdict == DROP_UNKNOWN)
		return ++place->undecided > DROP_UNDECIDED;
	return place->verdict != DROP_WANTED;
}

/* Reads what tells the packet apart; 0 if it is none of IP. */
static __always_inline int identify_drop(struct drop_scratch *it, u64 receiver)
{
	struct drop_key *key = &it->key;
	u64 sk = receiver ? receiver : (u64)SKB(it)->sk;
	u16 family = 0;
	u8 state = 0;
	if (sk && !bpf_probe_read_kernel(it->sk, sizeof(struct sock_common), (void *)sk)) {
		family = SK(it)->skc_family;
		state = SK(it)->skc_state;
	}
	int of_socket = family == AF_INET || family == AF_INET6;
	key->way = receiver || SKB(it)->skb_iif ? DROP_IN : of_socket ? DROP_OUT : DROP_WAY_UNKNOWN;
	if (!drop_headers(it)) {
		/* what waits for a handshake or its end is a sock_common only */
		if (!of_socket || state == TCP_NEW_SYN_RECV_STATE || state == TCP_TIME_WAIT_STATE)
			return 0;
		drop_socket(it, (struct sock *)sk);
	}
	key->netns = drop_namespace(it, of_socket);
	return 1;
}

/* What conntrack knows of the packet: who called whom before it was rewritten. */
static __always_inline void fill_drop_called(struct drop_cell *cell, struct drop_scratch *it)
{
#ifdef CONNTRACK_TYPES
	struct nf_conn *entry = (struct nf_conn *)(SKB(it)->_nfct & ~7UL);
	struct nf_conntrack_tuple original = {};
	unsigned long status = 0;
	if (entry)
		READ(status, entry->status);
	if (!(status & 0x30)) /* neither its source nor its destination is rewritten */
		return;
	READ(original, entry->tuplehash[0].tuple);
	fill_address(cell->called_source, original.src.l3num, (u8 *)&original.src.u3, (u8 *)&original.src.u3);
	fill_address(cell->called_destination, original.src.l3num, (u8 *)&original.dst.u3, (u8 *)&original.dst.u3);
	cell->called_source_port = bpf_ntohs(original.src.u.all);
	cell->called_destination_port = bpf_ntohs(original.dst.u.all);
#endif
}

static __always_inline void fill_drop(struct drop_cell *cell, struct drop_scratch *it, u64 now, u16 segments)
{
	struct drop_key *key = &it->key;
	__builtin_memset((u8 *)cell + sizeof(cell->header), 0, sizeof(*cell) - sizeof(cell->header));
	cell->header.at_ns = now;
	cell->header.slot = NO_SLOT;
	cell->header.kind = KIND_DROPS;
	__builtin_memcpy(cell->source, key->source, 16);
	__builtin_memcpy(cell->destination, key->destination, 16);
	cell->count = 1;
	cell->segments = segments;
	cell->bytes = SKB(it)->len;
	cell->first_ns = cell->last_ns = now;
	cell->location = key->location;
	cell->input = key->input;
	cell->netns = key->netns;
	cell->source_port = key->source_port;
	cell->destination_port = key->destination_port;
	cell->reason = key->reason;
	cell->protocol = key->protocol;
	cell->family = key->family;
	cell->way = key->way;
	cell->fold = key->fold;
	if (key->fold)
		return;
	cell->tcp_flags = it->tcp_flags;
	if (SKB(it)->dev) /* of datagrams in a queue it is no device: reading fails */
		bpf_probe_read_kernel(cell->interface, sizeof(cell->interface), SKB(it)->dev->name);
	fill_drop_called(cell, it);
}

/* The cell of a kind; 0 if there is none. User space takes none away that was used in this tick.
 *
 * found: what the packet before had. */
static __always_inline struct drop_cell *find_drop(struct drop_scratch *it, struct drop_found *found)
{
	u64 *key = (u64 *)&it->key, differs = 0;
#pragma unroll
	for (int word = 0; word < 8; word++)
		differs |= key[word] ^ found->key[word];
	if (differs) {
		u32 *slot = drop_keys.lookup(&it->key);
		if (!slot)
			return 0;
		__builtin_memcpy(found->key, key, sizeof(found->key));
		found->slot = *slot;
	}
	return (struct drop_cell *)drop_cells.lookup(&found->slot);
}

/* Adds to a cell that is there; 0 if there is none. */
static __always_inline int add_drop(struct drop_scratch *it, struct drop_found *found, u64 now, u16 segments)
{
	struct drop_cell *cell = find_drop(it, found);
	if (!cell)
		return 0;
	__sync_fetch_and_add(&cell->count, 1);
	if (segments)
		__sync_fetch_and_add(&cell->segments, segments);
	__sync_fetch_and_add(&cell->bytes, SKB(it)->len);
	cell->last_ns = now;
	return 1;
}

/* Takes a free cell; its generation comes last: until then user space does not look at it. */
static __always_inline int new_drop(struct drop_scratch *it, struct drop_found *found, u64 now, u16 segments)
{
	u32 slot = 0;
	long none = it->key.fold == DROP_PORTS	    ? free_rests.pop(&slot) :
		    it->key.fold == DROP_ADDRESSES ? free_folds.pop(&slot) :
						     free_drops.pop(&slot);
	if (none)
		return 0;
	struct drop_cell *cell = (struct drop_cell *)drop_cells.lookup(&slot);
	if (!cell)
		return 0;
	fill_drop(cell, it, now, segments);
	if (drop_keys.insert(&it->key, &slot)) {
		if (it->key.fold == DROP_PORTS)
			free_rests.push(&slot, 0);
		else if (it->key.fold)
			free_folds.push(&slot, 0);
		else
			free_drops.push(&slot, 0);
		return add_drop(it, found, now, segments); /* another processor was first */
	}
	cell->header.generation += 1;
	return 1;
}

/* Whether this processor may make another cell of its own now: making one costs much more than adding to one. */
static __always_inline int may_be_new_drop(struct drop_scratch *it, u64 now)
{
	if (now - it->window_ns > NEW_WINDOW_NS) {
		it->window_ns = now;
		it->made = it->folds_found = it->folds_missed = 0;
	}
	return ++it->made <= DROP_NEW;
}

/* Leaves the addresses out, and the caller's port: that of the service is the lower one. */
static __always_inline void fold_drop(struct drop_key *key)
{
	key->source[0] = key->source[1] = key->destination[0] = key->destination[1] = 0;
	if (key->source_port < key->destination_port)
		key->destination_port = 0;
	else
		key->source_port = 0;
	key->fold = DROP_ADDRESSES;
}

/* Counts it with the service's port; 0 if that is not possible, or not worth while: where hardly any is found the
 * ports are too many. */
static __always_inline int count_fold(struct drop_scratch *it, u64 now, u16 segments)
{
	if (it->folds_missed > FOLD_MISSES && it->folds_missed > 4 * it->folds_found)
		return 0;
	if (add_drop(it, &it->last, now, segments)) {
		it->folds_found += 1;
		return 1;
	}
	it->folds_missed += 1;
	return it->made <= 2 * DROP_NEW && new_drop(it, &it->last, now, segments);
}

static __always_inline void count_drop(struct drop_scratch *it, u64 now)
{
	u16 segments = drop_segments(it);
	if (add_drop(it, &it->last, now, segments) ||
	    (may_be_new_drop(it, now) && new_drop(it, &it->last, now, segments)))
		return;
	fold_drop(&it->key);
	int counted = count_fold(it, now, segments);
	if (!counted) { /* as by a scan of ports */
		it->key.source_port = it->key.destination_port = 0;
		it->key.fold = DROP_PORTS;
		counted = add_drop(it, &it->rest, now, segments) || new_drop(it, &it->rest, now, segments);
	}
	drop_tally(counted ? DROPS_FOLDED : DROPS_NO_CELL);
}

/* raw tracepoint kfree_skb(skb, location, reason, rx_sk); the last since Linux 6.11. */
int packet_dropped(struct bpf_raw_tracepoint_args *ctx)
{
	u32 reason = ctx->args[2], zero = 0;
	u64 location = ctx->args[1], receiver = 0;
	u64 *count = drop_counts.lookup(&reason);
	if (count)
		*count += 1;
	drop_tally(DROPS_SEEN);
	if (is_drop_noise(reason, location)) {
		drop_tally(DROPS_NOISE);
		return 0;
	}
	struct drop_scratch *it = drop_scratches.lookup(&zero);
	if (!it || bpf_probe_read_kernel(it->skb, sizeof(struct sk_buff), (void *)ctx->args[0]))
		return 0;
	u64 now = bpf_ktime_get_ns();
	forget_drops(it, now >> TICK_BITS);
#ifdef DROP_RECEIVER
	receiver = ctx->args[3];
#endif
	__builtin_memset(&it->key, 0, sizeof(it->key));
	it->tcp_flags = 0;
	it->key.location = location;
	it->key.reason = reason;
	if (!identify_drop(it, receiver)) {
		drop_tally(DROPS_UNREADABLE);
		return 0;
	}
	if (reason == SKB_DROP_REASON_NETFILTER_DROP && it->key.way != DROP_OUT)
		it->key.input = drop_next(it);
	count_drop(it, now);
	return 0;
}

#endif
