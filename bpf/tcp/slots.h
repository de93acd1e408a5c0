/* The socket table: from a socket's address to its slot, its cell and its description. */

static __always_inline u64 *user_of(u64 key)
{
	u32 index = (key >> 6 ^ key >> 22) & (USER_CELLS - 1);
	return users.lookup(&index);
}

/* Whoever uses it next is asked about. */
static __always_inline void forget_user(u64 key)
{
	u64 *user = user_of(key);
	if (user)
		*user = 0;
}

static __always_inline struct description *describe(u64 key, u32 slot)
{
	if (slot == NO_SLOT)
		return overflow.lookup(&key);
	return descriptions.lookup(&slot);
}

/* A description is written between two calls: `version` is odd in between, so that user space can tell. */
static __always_inline void turn_version(u32 slot)
{
	struct cell *cell = slot == NO_SLOT ? 0 : cells.lookup(&slot);
	if (cell) /* only whoever holds the socket's lock writes */
		*(volatile u32 *)&cell->version = cell->version + 1;
}

static __always_inline u32 slotless_generation(void)
{
	u32 zero = 0;
	u32 *last = generations.lookup(&zero);
	return last ? ++*last << 8 | (bpf_get_smp_processor_id() & 0xff) : 0;
}

static __always_inline void cell_free(u64 key, u32 slot)
{
	struct cell *cell = slot == NO_SLOT ? 0 : cells.lookup(&slot);
	if (!cell) {
		overflow.delete(&key);
		return;
	}
	cell->socket = 0;
	free_slots.push(&slot, 0);
}

static __always_inline void entry_drop(u64 key, struct entry *entry)
{
	u32 slot = entry->slot;
	if (entry->adopted)
		baselines.delete(&key);
	sockets.delete(&key);
	cell_free(key, slot);
	tally(TALLY_CLOSED, 1);
}

/* A free slot with a new generation, its cell zeroed; NO_SLOT in the overflow table when there is none. */
static __always_inline void slot_take(u64 key, struct entry *entry, u32 state)
{
	struct cell *cell = 0;
	entry->slot = NO_SLOT;
	if (free_slots.pop(&entry->slot) == 0)
		cell = cells.lookup(&entry->slot);
	if (!cell) {
		entry->slot = NO_SLOT;
		entry->generation = slotless_generation();
		tally(TALLY_SLOTLESS, 1);
		return;
	}
	entry->generation = ++cell->generation;
	cell->read_generation = entry->generation;
	cell->state = state;
	__builtin_memset(&cell->counters, 0, sizeof(cell->counters));
	cell->socket = key;
}

static __always_inline void describe_new(u64 key, u32 slot, struct description *as)
{
	struct description *to = slot == NO_SLOT ? 0 : descriptions.lookup(&slot);
	turn_version(slot);
	if (to)
		*to = *as;
	else
		overflow.update(&key, as);
	turn_version(slot);
}

/* An entry that is already there belonged to a socket whose end was missed twice. */
static __always_inline int entry_replace(u64 key, struct entry *entry)
{
	struct entry *stale = sockets.lookup(&key);
	if (!stale)
		return -1;
	entry_drop(key, stale);
	tally(TALLY_STALE, 1);
	return sockets.update(&key, entry);
}

/* Enters a socket that is described in `as`. Returns 0 when it is in the table. */
static __always_inline int socket_enter(u64 key, struct description *as, u32 state, u32 unsettled)
{
	struct entry entry = {.unsettled = unsettled, .adopted = (as->flags & FLAG_ADOPTED) != 0};
	slot_take(key, &entry, state);
	as->generation = entry.generation;
	describe_new(key, entry.slot, as);
	if (sockets.insert(&key, &entry) && entry_replace(key, &entry)) {
		cell_free(key, entry.slot);
		return -1;
	}
	forget_user(key); /* of another socket at this address */
	tally(TALLY_OPENED, 1);
	return 0;
}

/* The head of a socket, with all of its tuple, in one read. */
#define TUPLE_AT(field) __builtin_offsetof(struct sock_common, field)
#define TUPLE_END                                                                                              \
	(HIGH(HIGH(TUPLE_AT(skc_v6_daddr), TUPLE_AT(skc_v6_rcv_saddr)), HIGH(TUPLE_AT(skc_net), TUPLE_AT(skc_daddr))) + 16)
#define TUPLE(type, name) (*(type *)(head + TUPLE_AT(name)))

/* Both addresses and ports as they stand; the rest of the tuple does not change while a socket lives. */
static __always_inline struct net *fill_ends(struct description *to, struct sock *sk)
{
	u8 head[TUPLE_END] __attribute__((aligned(8))) = {};
	bpf_probe_read_kernel(head, sizeof(head), sk);
	u16 family = TUPLE(u16, skc_family);
	fill_address(to->local_address, family, head + TUPLE_AT(skc_rcv_saddr), head + TUPLE_AT(skc_v6_rcv_saddr));
	fill_address(to->peer_address, family, head + TUPLE_AT(skc_daddr), head + TUPLE_AT(skc_v6_daddr));
	to->local_port = TUPLE(u16, skc_num);
	to->peer_port = bpf_ntohs(TUPLE(__be16, skc_dport));
	to->family = family == AF_INET6 ? 6 : 4;
	return TUPLE(struct net *, skc_net);
}

/* Of a socket that has its port, or has none yet. */
static __always_inline void fill_tuple(struct description *to, struct sock *sk)
{
	struct net *net = fill_ends(to, sk);
	READ(to->netns, net->ns.inum);
}

/* Of a socket at its end: inet_sport stays when the kernel has taken the port back; skc_num does not. */
static __always_inline void fill_last_tuple(struct description *to, struct sock *sk)
{
	__be16 local = 0;
	fill_tuple(to, sk);
	READ(local, ((struct inet_sock *)sk)->inet_sport);
	to->local_port = bpf_ntohs(local);
}
