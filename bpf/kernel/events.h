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

struct cgroup_event {
	struct event_header header;
	__u64 id;
	__u64 parent; /* 0: the root of its hierarchy */
	__u32 hierarchy;
	__u32 cut;      /* 1: the name is longer, and this is its end, where ids of containers stand */
	char name[200];
};
