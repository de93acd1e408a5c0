/* The maps of the drops probe. The loader gives DROP_ROWS, DROP_FOLDS, DROP_RESTS, all together as DROP_CELLS, and DROP_NEW. */

#define DROP_REASONS 512
#define DROP_PLACES 1024
#define DROP_UNDECIDED 64
#define DROP_HEADERS 72
#define NEW_WINDOW_NS 100000000
#define FOLD_MISSES 64
/* Of nanoseconds: what was found out holds for about 2 ms. */
#define TICK_BITS 21

struct drop_key {
	u64 source[2];
	u64 destination[2];
	u64 location;
	u64 input;
	u32 netns;
	u16 source_port;
	u16 destination_port;
	u16 reason;
	u8 protocol;
	u8 family;
	u8 way;
	u8 fold;
	u16 reserved;
};

/* The cell of a kind that came last. */
struct drop_found {
	u64 key[8]; /* struct drop_key; its last word is 0 as long as nothing is known */
	u32 slot;
};

_Static_assert(sizeof(struct drop_key) == sizeof(((struct drop_found *)0)->key), "a key in words");

/* What is looked at of one packet. */
struct drop_scratch {
	u64 skb[40]; /* struct sk_buff */
	u64 sk[24]; /* struct sock_common */
	struct drop_key key;
	u8 headers[DROP_HEADERS + 8];
	u64 tcp_flags;
	u64 window_ns; /* since when new cells are counted */
	u64 made;      /* how many there were */
	/* What the packet before had, for those of the same tick: a flood has it in common. */
	u64 known_tick;
	u64 known_from; /* device or struct net */
	u64 known_route;
	u64 known_input;
	u32 known_netns;
	u32 folds_found; /* kinds with a service's port that were looked for while those are counted, */
	u32 folds_missed; /* and were not there */
	struct drop_found last, rest; /* of kinds told apart, and of those without ports */
};

/* A cell in its map. */
struct drop_room {
	struct drop_cell cell;
	u64 reserved;
};

_Static_assert(sizeof(struct drop_room) % 64 == 0, "cells begin with a cache line");
_Static_assert(__builtin_offsetof(struct drop_cell, count) / 64 == __builtin_offsetof(struct drop_cell, last_ns) / 64,
	       "one cache line");

/* Drops, counted: first those told apart, then those that are folded. Written at each drop; user space maps it and reads it
 * once a second. */
BPF_F_TABLE("array", u32, struct drop_room, drop_cells, DROP_CELLS, BPF_F_MMAPABLE);
/* Free cells of those told apart. Filled by user space before anything is attached and when a cell has not grown for a while,
 * popped at the first drop of its kind. */
BPF_STACK(free_drops, u32, DROP_ROWS);
/* The same of those that are folded. */
BPF_STACK(free_folds, u32, DROP_FOLDS);
/* The same of those that are folded with their ports: a scan of ports must not take them. */
BPF_STACK(free_rests, u32, DROP_RESTS);
/* The cell of each kind of drop. Inserted with the cell, looked up at each drop, deleted by user space when the cell is idle. */
BPF_HASH(drop_keys, struct drop_key, u32, DROP_CELLS);
/* enum drop_verdict by reason. Written by user space before anything is attached. */
BPF_ARRAY(drop_reasons, u8, DROP_REASONS);
/* Places, by a hash, that decide where reasons say too little. Written at the first drop there; user space maps it and writes
 * the verdict. Where two have one element, the second is noise. */
BPF_F_TABLE("array", u32, struct drop_place, drop_places, DROP_PLACES, BPF_F_MMAPABLE);
/* Packets freed, by reason. Counted up by the program, never cleared. */
BPF_PERCPU_ARRAY(drop_counts, u64, DROP_REASONS);
/* Counted up by the program, never cleared; read by user space (enum drop_tally). */
BPF_PERCPU_ARRAY(drop_tallies, u64, DROPS_TALLIES);
/* Written and read while one packet is looked at: the program does not interrupt itself. */
BPF_PERCPU_ARRAY(drop_scratches, struct drop_scratch, 1);
