/* The maps of the TCP probe. The loader gives SLOTS. */

#define USER_CELLS 65536
#define LISTENER_PLACES 4

struct entry {
	u32 slot; /* or NO_SLOT: the description is in `overflow` then */
	u32 generation;
	u16 unsettled; /* 1: accepted, nobody has used it yet */
	u16 adopted;   /* 1: has a baseline */
	u32 error; /* that the network answered to our SYN */
};

struct port_key {
	u32 netns;
	u32 port;
};

/* Who listens on a port, on any address. */
struct port_listeners {
	u64 socket; /* the one that began last; 0 when that one has ended */
	u32 count;
	u32 reserved;
};

struct listener_key {
	u8 address[16]; /* unspecified: all of its family, for IPv6 perhaps those of IPv4, too */
	u32 netns;
	u16 port;
	u16 place; /* of several that share address and port (SO_REUSEPORT), from 0 */
};

struct listening_socket {
	struct owner owner;
	struct listener_key at;
	u32 ipv6_only;
	u32 mptcp; /* 1: what it accepts may be subflows */
	u32 cell;  /* 1 and the number of its cell (bpf/listeners/cells.h); 0: it has none */
	u32 reserved;
};

/* A handshake that has just ended: whose it is will be told next on the same processor. */
struct handshake {
	u64 socket;
	u64 at_ns;
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

/* From a socket's address to its slot. Inserted at open or adoption (socket_enter), looked up by every hook, deleted at
 * the end (entry_drop): at most two entries a slot. */
BPF_HASH(sockets, u64, struct entry, 2 * SLOTS);
/* Free slots. Filled by user space before anything is attached, popped at open (slot_take), pushed at the end
 * (cell_free); last in first out keeps used slots dense. */
BPF_STACK(free_slots, u32, SLOTS);
/* Counters by slot. Written at open, by the sweep and at the end; user space maps it and reads it once a second. */
BPF_F_TABLE("array", u32, struct cell, cells, SLOTS, BPF_F_MMAPABLE);
/* Who and what by slot. Written at open, when the handshake ends and when the owner is learnt; read by every hook; user
 * space maps it and reads what is new once a second. */
BPF_F_TABLE("array", u32, struct description, descriptions, SLOTS, BPF_F_MMAPABLE);
/* Descriptions of sockets without a slot. Inserted at open (describe_new), read by every hook, deleted at the end
 * (cell_free). */
BPF_HASH(overflow, u64, struct description, SLOTS);
/* Counters of adopted sockets as they were then. Inserted at adoption (adopt), read with the counters, deleted at the end
 * (entry_drop). */
BPF_HASH(baselines, u64, struct tcp_counters, 2 * SLOTS);
/* Room for the description of a socket that an iterator has come to. Written and read while it is adopted. */
BPF_PERCPU_ARRAY(adopting, struct description, 1);
/* Who listens, by the socket's address. Inserted at listen() and at adoption, read when a connection is accepted there,
 * deleted when the socket listens no more; of too many the oldest make room. */
BPF_TABLE("lru_hash", u64, struct listening_socket, listeners, 8192);
/* The sockets that listen at an address. Inserted, read and deleted along with `listeners`. */
BPF_TABLE("lru_hash", struct listener_key, u64, listening, 8192);
/* How many listen on a port. Counted up and down along with `listeners`: only where several do, addresses count. */
BPF_TABLE("lru_hash", struct port_key, struct port_listeners, ports, 8192);
/* The last handshake of a processor on a port where several listen. Written at its end, read and cleared when the kernel
 * wakes the listener (accept_ready). */
BPF_PERCPU_ARRAY(handshakes, struct handshake, 1);
/* Living processes that own a listener, by their number. Inserted along with `listeners`, looked up at adoption, deleted
 * when the process exits. */
BPF_TABLE("lru_hash", u32, u8, listener_owners, 4096);
/* Which program used a socket last, by a hash of its address: a number of both (user_number). Written and read when a
 * socket is read, written or closed: the same again lets the hot path return early. */
BPF_ARRAY(users, u64, USER_CELLS);
/* Counted up by the hooks, never cleared; read by user space (enum tally). */
BPF_PERCPU_ARRAY(tallies, u64, TALLY_COUNT);
/* Written by user space, read by the hooks (enum setting). */
BPF_ARRAY(settings, u32, SETTING_COUNT);
/* The last generation given to a socket without a slot, by processor: counted up when one is needed. */
BPF_PERCPU_ARRAY(generations, u32, 1);

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
