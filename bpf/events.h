/* Shared by the BPF programs and Python (probes/kernel/layout.py reads this file): structs in natural alignment, no
 * implicit padding, and enums. Times are CLOCK_MONOTONIC nanoseconds; ports are in host order; addresses are
 * IPv6 in network order, IPv4 ones IPv4-mapped. */

#define NO_SLOT 0xffffffff

enum event_kind {
	KIND_CLOSE = 1,  /* struct socket_event: an established connection ended */
	KIND_FAIL = 2,   /* struct socket_event: a connect failed */
	KIND_CGROUP = 3, /* struct cgroup_event: a cgroup seen for the first time */
	KIND_NAT_NEW = 4,     /* struct nat_event: conntrack rewrites a connection from now on */
	KIND_NAT_DELETED = 5, /* struct nat_event: and no longer */
	KIND_EXEC = 6, /* struct exec_event: a process runs another program from now on */
};

enum role {
	ROLE_UNKNOWN = 0,
	ROLE_CLIENT = 1,
	ROLE_SERVER = 2,
};

enum evidence {
	EVIDENCE_NONE = 0,
	EVIDENCE_OPENED = 1,
	EVIDENCE_LISTENER = 2,
	EVIDENCE_ACCEPTED = 3,
	EVIDENCE_ADOPTED = 4,
};

enum event_flag {
	FLAG_ADOPTED = 1,   /* open before the probe was attached: counters since then */
	FLAG_UNTRACKED = 2, /* not seen before its end: counters since its birth, owner by its end */
	FLAG_HEALED = 4,    /* its state change was missed, its destruction was not */
};

/* What the programs count, one 64-bit cell per processor each (map `tallies`). */
enum tally {
	TALLY_GENERATED = 0,  /* events made */
	TALLY_LOST = 1,       /* of these, not in the ring because it was full */
	TALLY_OPENED = 2,     /* sockets that entered the table */
	TALLY_CLOSED = 3,     /* sockets that left it */
	TALLY_SLOTLESS = 4,   /* sockets that found no free slot: only their end is reported */
	TALLY_UNTRACKED = 5,  /* sockets that ended without ever having been in the table */
	TALLY_IGNORED = 6,    /* the same while the sockets of before the start were not yet adopted */
	TALLY_ADOPTED = 7,    /* sockets that were open before the start */
	TALLY_HEALED = 8,     /* ends whose state change was missed */
	TALLY_STALE = 9,     /* table entries found at the address of a new socket */
	TALLY_SETTLED = 10,   /* accepted sockets whose owner was learnt */
	TALLY_WITHIN = 11,    /* state changes in the middle of another one */
	TALLY_COUNT = 12,
};

/* Indices of the map `settings`. */
enum setting {
	SETTING_ADOPTED = 0, /* 1: every open socket is in the table, so an unknown one may be believed */
	SETTING_PASS = 1,    /* what the iterators do: enum adoption_pass */
	SETTING_COUNT = 2,
};

enum adoption_pass {
	PASS_LISTENERS = 0,
	PASS_SOCKETS = 1,
};

/* Cumulative since the socket was opened, or adopted; 32-bit ones wrap. From cwnd_segments on: gauges. The
 * delivery rate is rate_segments * mss_bytes in rate_interval_us. */
struct tcp_counters {
	__u64 tx_bytes; /* payload acknowledged by the peer */
	__u64 rx_bytes; /* payload received in order */
	__u64 retransmitted_bytes;
	__u32 tx_segments;
	__u32 rx_segments;
	__u32 retransmitted_segments;
	__u32 lost_segments;
	__u32 drops;
	__u32 cwnd_segments;
	__u32 rtt_us;
	__u32 rtt_min_us;
	__u32 mss_bytes;
	__u32 rate_segments;
	__u32 rate_interval_us;
	__u32 reserved;
};

struct owner {
	__u64 cgroup_id;
	__u32 cgroup_hierarchy;
	__u32 tgid;
	__u32 pid;
	__u32 uid;
	char comm[16];
};

/* What does not change while a socket lives, but for its owner. */
struct description {
	__u8 local_address[16];
	__u8 peer_address[16];
	__u16 local_port;
	__u16 peer_port;
	__u32 netns;
	struct owner owner;
	__u64 started_ns;     /* SYN sent, SYN received to the end, or adopted */
	__u64 established_ns; /* 0: not yet */
	__u32 generation;     /* of the socket described */
	__u8 family;          /* 4 or 6 */
	__u8 role;
	__u8 evidence;
	__u8 flags;
};

/* One slot of the counter array. */
struct cell {
	__u64 socket;          /* the socket's address in the kernel; 0: the slot is free */
	__u32 generation;      /* of the socket that holds the slot, or held it last */
	__u32 read_generation; /* of the socket from which the counters were read */
	__u32 version;         /* of the description; odd while it is being written */
	__u32 state;           /* TCP state when the counters were read */
	struct tcp_counters counters;
};

struct event_header {
	__u64 at_ns;
	__u32 slot; /* or NO_SLOT */
	__u32 generation;
	__u8 kind;
	__u8 old_state; /* from which the socket came to its end */
	__u16 error;    /* errno, 0 for none */
	__u32 reserved;
};

struct socket_event {
	struct event_header header;
	struct description socket;
	struct tcp_counters counters;
	__u8 reserved[48];
};

/* One direction of a conntrack entry. */
struct nat_tuple {
	__u8 source_address[16];
	__u8 destination_address[16];
	__u16 source_port;
	__u16 destination_port;
};

/* A conntrack entry that rewrites: packets of `original` leave it as the reverse of `reply`.
 *
 * KIND_NAT_DELETED with protocol 0 and tuples of zeros speaks of all entries of its `netns`: those that were there
 * before are ended, unless a KIND_NAT_NEW after it brings them again. It comes before a dump that makes up for lost
 * events (whose entries have at_ns 0), and when the namespace is gone. An entry may come again that is known already. */
struct nat_event {
	struct event_header header; /* at_ns: 0 if it was there before anybody looked; slot: NO_SLOT */
	struct nat_tuple original;
	struct nat_tuple reply;
	__u32 netns;    /* in which conntrack keeps it */
	__u8 family;    /* 4 or 6 */
	__u8 protocol;  /* IPPROTO_TCP or IPPROTO_UDP */
	__u16 zone;     /* of conntrack */
	__u8 reserved[144];
};

struct cgroup_event {
	struct event_header header;
	__u64 id;
	__u64 parent; /* 0: the root of its hierarchy */
	__u32 hierarchy;
	__u32 reserved;
	char name[200];
};

struct exec_event {
	struct event_header header; /* slot: NO_SLOT */
	__u64 started_ns;      /* the process, before it executed this */
	__u32 pid;             /* of the process */
	__u32 uid;
	__u32 arguments_bytes; /* before they were cut */
	__u32 reserved;
	char executable[72];   /* as it was named to the kernel, perhaps not from the root; of a script its interpreter */
	char arguments[128];   /* each ends with a zero */
};
