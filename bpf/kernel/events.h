/* What all probes share with Python (probes/kernel/layout.py reads this file and the events.h of each probe): structs in
 * natural alignment, no implicit padding, and enums. Times are CLOCK_MONOTONIC nanoseconds; ports are in host order;
 * addresses are IPv6 in network order, IPv4 ones IPv4-mapped. Numbers of kinds of events are given once in all of the
 * probes: below 128 to those of Tailrace, from 128 on to others. */

#define NO_SLOT 0xffffffff

enum kernel_event {
	KIND_CGROUP = 3, /* struct cgroup_event: a cgroup seen for the first time */
};

/* What is counted of each ring (map `ring_counts`), one 64-bit cell per processor each. */
enum ring_count {
	RING_MADE = 0, /* events made */
	RING_LOST = 1, /* of these, not in the ring because it was full */
	RING_COUNTS = 2,
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

/* One record of the ring `ring`: all events in it are as long, so that user space reads it as one array. */
struct ring_event {
	struct event_header header;
	__u8 body[224];
};

/* Who owns a socket. */
struct owner {
	__u64 program; /* with the tgid: which process, and which program it runs. When it began (CLOCK_MONOTONIC ns, in
			* steps of 256), and, in the low 8 bits, how often it or a parent had executed another */
	__u64 cgroup_id;
	__u32 cgroup_hierarchy;
	__u32 tgid;
	__u32 pid;
	__u32 uid;
	char comm[16];
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
	EVIDENCE_USED = 5,
};

enum event_flag {
	FLAG_ADOPTED = 1,   /* open before the probe was attached: counters since then */
	FLAG_UNTRACKED = 2, /* not seen before its end: counters since its birth, owner by its end */
	FLAG_HEALED = 4,    /* its state change was missed, its destruction was not */
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
	__u32 mptcp_token;    /* of the MPTCP connection whose subflow it is; 0: plain TCP, or not yet known */
	__u8 family;          /* 4 or 6 */
	__u8 role;
	__u8 evidence;
	__u8 flags;
	__u32 reserved;
};

struct cgroup_event {
	struct event_header header;
	__u64 id;
	__u64 parent; /* 0: the root of its hierarchy */
	__u32 hierarchy;
	__u32 cut;      /* 1: the name is longer, and this is its end, where ids of containers stand */
	char name[200];
};
