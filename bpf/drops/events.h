/* Dropped packets: what the drops probe shares with Python (bpf/kernel/events.h says how). */

enum drops_event {
	KIND_DROPS = 70, /* struct drop_cell: what a cell grew by in a second; user space makes it of the cell */
};

/* Which way a packet went when it was dropped. */
enum drop_way {
	DROP_WAY_UNKNOWN = 0,
	DROP_IN = 1,  /* it had come in by a device */
	DROP_OUT = 2, /* a socket of this machine sent it */
};

/* What a cell does not tell apart. */
enum drop_fold {
	DROP_WHOLE = 0,
	DROP_ADDRESSES = 1, /* addresses, and the caller's port, taken to be the higher one */
	DROP_PORTS = 2,	    /* and the service's port */
};

/* What is done with drops of a reason, or at a place. */
enum drop_verdict {
	DROP_UNKNOWN = 0, /* of a place: user space has not looked at it yet */
	DROP_WANTED = 1,
	DROP_NOISE = 2,
	DROP_BY_PLACE = 3, /* of a reason: the place decides */
};

/* Which chains of netfilter a packet was in when one of their rules dropped it. */
enum drop_hook {
	DROP_NO_HOOK = 0,
	DROP_PREROUTING = 1,
	DROP_INPUT = 2,
	DROP_FORWARD = 3,
	DROP_OUTPUT = 4,
};

/* Whose rule it was. */
enum drop_backend {
	BACKEND_UNKNOWN = 0,
	BACKEND_NFTABLES = 1, /* also that of iptables-nft */
	BACKEND_XTABLES = 2,  /* iptables-legacy */
};

/* A place at which packets are freed for reasons that say too little. */
struct drop_place {
	__u64 location; /* 0: none yet */
	__u32 verdict;	/* enum drop_verdict */
	__u32 undecided; /* drops while that was unknown */
};

/* What the program counts, one 64-bit cell per processor each (map `drop_tallies`). */
enum drop_tally {
	DROPS_SEEN = 0,	     /* packets that were freed with a reason */
	DROPS_NOISE = 1,     /* of these, those of reasons and places that are no trouble */
	DROPS_UNREADABLE = 2, /* of these, those without an IP packet or socket: ARP, sockets of other families */
	DROPS_NO_CELL = 3,   /* of these, those that are in no cell; all others are */
	DROPS_FOLDED = 4,    /* of those in a cell, those that it does not tell apart from others */
	DROPS_TALLIES = 5,
};

/* Drops that are alike. Cumulative in the map; as an event: what was added. */
struct drop_cell {
	struct event_header header; /* generation: counts those who had the cell; 0: nobody has. old_state: enum
				     * drop_backend; user space fills it in */
	__u8 source[16];	    /* of the packet, where it was dropped */
	__u8 destination[16];
	__u8 called_source[16]; /* where conntrack rewrites it: who called ... */
	__u8 called_destination[16]; /* ... whom, as the caller has it; else zeros */
	__u64 count; /* from here on what each drop changes: within one cache line */
	__u64 segments; /* that the packets were made of (GSO, GRO); in the map: beyond one for each packet */
	__u64 bytes;
	__u64 last_ns;
	__u64 first_ns;
	__u64 location; /* in the kernel's text: who freed it */
	__u64 input;	/* of a packet that netfilter dropped: the function that would have had it next */
	__u32 netns;
	__u16 source_port;
	__u16 destination_port;
	__u16 called_source_port;
	__u16 called_destination_port;
	__u16 reason; /* of the running kernel */
	__u8 protocol;
	__u8 family; /* 4 or 6 */
	__u8 way;    /* enum drop_way */
	__u8 fold;   /* enum drop_fold */
	__u8 tcp_flags; /* of the first one */
	__u8 hook;      /* enum drop_hook; user space fills it in, and what stands behind the interface */
	char interface[16]; /* empty if not known */
	char reason_name[32];
	char function[36];
};
