/* Rewritten connections: what the conntrack probe shares with Python (bpf/kernel/events.h says how). */

enum conntrack_event {
	KIND_NAT_NEW = 4,     /* struct nat_event: conntrack rewrites a connection from now on */
	KIND_NAT_DELETED = 5, /* struct nat_event: and no longer */
	/* struct nat_event with protocol 0 and tuples of zeros, about all entries: */
	KIND_NAT_LOST = 7,   /* some that began or ended from at_ns to latest_at_ns may be missing */
	KIND_NAT_DUMPED = 8, /* those that were there from at_ns to latest_at_ns have been told, in all namespaces */
	KIND_NAT_UNSEEN = 9, /* those of netns (0: of all) that began up to at_ns are not known; 2^62: none ever is */
	KIND_NAT_SEEN = 10,  /* those of netns are, or it is gone */
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
 * events, and when the namespace is gone. An entry may come again that is known already. */
struct nat_event {
	struct event_header header; /* at_ns: 0 if a dump has it, which does not tell since when; slot: NO_SLOT */
	struct nat_tuple original;
	struct nat_tuple reply;
	__u32 netns;    /* in which conntrack keeps it */
	__u8 family;    /* 4 or 6 */
	__u8 protocol;  /* IPPROTO_TCP or IPPROTO_UDP */
	__u16 zone;     /* of conntrack */
	__u64 latest_at_ns; /* it began, or ended, between header.at_ns and this, where the time is not known; else 0 */
	__u8 reserved[136];
};

/* When netlink reported an entry, in the ring `conntrack_times`. */
struct conntrack_time {
	__u64 at_ns;
	__u32 id;      /* the kernel's number of the entry */
	__u32 message; /* the type of the netlink message */
	__u64 reserved;
};
