/* The maps, and who inserts, reads and deletes. Sizes come from the loader (-DSLOTS=...). */

#define RING_PAGES (RING_BYTES / PAGE_SIZE) /* bcc multiplies by PAGE_SIZE */
#define PENDING_CELLS 4096

struct entry {
	u32 slot; /* or NO_SLOT: the description is in `overflow` then */
	u32 generation;
	u16 unsettled; /* 1: accepted, owner not yet known, counted in `pending` */
	u16 adopted;   /* 1: has a baseline */
	u32 error; /* that the network answered to our SYN */
};

struct listener_key {
	u32 netns;
	u32 port;
};

struct cgroup_key {
	u64 id;
	u64 hierarchy;
};

/* What enters conntrack's table at this moment: addresses of the entry and, unless netlink brings it, the packet. */
struct entering {
	u64 entry;
	u64 packet;
};

/* Room for whole copies of parts of a tcp_sock; one per program, because a softirq may run one program on the
 * same processor in the middle of another. */
enum scratch_user {
	SCRATCH_STATE,
	SCRATCH_WITHIN,
	SCRATCH_DESTROY,
	SCRATCH_SWEEP,
	SCRATCH_PROBE,
	SCRATCH_ADOPT,
	SCRATCH_USERS
};

/* Inserted when a socket is first seen, deleted at its end: at most two entries a slot. */
BPF_HASH(sockets, u64, struct entry, 2 * SLOTS);
/* Free slots: filled by the loader, popped at open, pushed at close; last in first out keeps used slots dense. */
BPF_STACK(free_slots, u32, SLOTS);
/* Written at open, close and by the sweep; mapped by user space. */
BPF_F_TABLE("array", u32, struct cell, cells, SLOTS, BPF_F_MMAPABLE);
/* Written at open and when the owner is learnt; mapped by user space. */
BPF_F_TABLE("array", u32, struct description, descriptions, SLOTS, BPF_F_MMAPABLE);
/* Descriptions of sockets without a slot: inserted at open, deleted at close. */
BPF_HASH(overflow, u64, struct description, SLOTS);
/* Counters of adopted sockets at adoption: inserted then, read with the counters, deleted at close. */
BPF_HASH(baselines, u64, struct tcp_counters, 2 * SLOTS);
/* Who listens: inserted at listen(), deleted when the listening socket ends. */
BPF_TABLE("lru_hash", struct listener_key, struct owner, listeners, 16384);
/* Cgroups whose names were sent: inserted once the event is in the ring. */
BPF_TABLE("lru_hash", struct cgroup_key, u8, seen_cgroups, 16384);
/* The one that was looked for last, by processor: most often it is the same again. */
BPF_PERCPU_ARRAY(last_cgroup, u64, 1);
/* How many unsettled sockets fall on each cell of a hash of their address: 0 lets the hot path leave at once. */
BPF_ARRAY(pending, u32, PENDING_CELLS);
/* Inserted when a function that enters an entry begins, deleted when it returns. By the stack that it runs on: none is
 * on one stack twice, because it lets no softirq in while it works. */
BPF_HASH(entering, u64, struct entering, 256);
BPF_PERCPU_ARRAY(tallies, u64, TALLY_COUNT);
BPF_ARRAY(settings, u32, SETTING_COUNT);
/* The last generation given to a socket without a slot, by processor. */
BPF_PERCPU_ARRAY(generations, u32, 1);
BPF_RINGBUF_OUTPUT(ring, RING_PAGES);

/* Atomic, because a softirq may count in the middle of it. */
static __always_inline void tally(u32 what, u64 count)
{
	u64 *cell = tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, count);
}

static __always_inline u32 setting(u32 which)
{
	u32 *value = settings.lookup(&which);
	return value ? *value : 0;
}
