/* TLS handshakes: what their probe shares with Python (bpf/kernel/events.h says how). */

enum handshake_event {
	KIND_HANDSHAKE = 40, /* struct hello_event: what a connection's hellos say */
};

enum handshake_flag {
	HANDSHAKE_ANSWERED = 1,  /* the server's hello was read, too */
	HANDSHAKE_CUT = 2,       /* the server's name is longer */
	HANDSHAKE_JOINED = 4,    /* records without a handshake: the connection was open before */
};

/* Both hellos of a connection, once. Nothing else of them leaves the kernel: no random, ticket or key share. */
struct hello_event {
	struct event_header header; /* slot and generation: of the socket */
	__u32 netns;
	__u16 version; /* that the server chose; 0: not known */
	__u16 cipher;  /* likewise */
	__u8 flags;    /* enum handshake_flag */
	__u8 name_length;
	__u8 offered_length;
	__u8 chosen_length;
	char chosen[16];  /* the protocol that the server chose in the clear (ALPN, up to TLS 1.2) */
	__u8 offered[44]; /* protocols that the client offered, each behind its length */
	char name[152];   /* of the server, as the client called it */
};

/* What the programs count, one 64-bit cell per processor each (map `handshake_tallies`). */
enum handshake_tally {
	HANDSHAKES_BEGUN = 0,      /* connections whose first bytes are a record of a handshake */
	HANDSHAKES_TOLD = 1,       /* of these, told in an event */
	HANDSHAKES_UNANSWERED = 2, /* of those told, without a server's hello: refused */
	HANDSHAKES_UNREADABLE = 3, /* begun, but malformed, in several records, or not in one piece of memory */
	HANDSHAKES_ABANDONED = 4,  /* begun, when the connection ended */
	HANDSHAKES_EVICTED = 5,    /* begun, and forgotten for those of too many others */
	HANDSHAKES_UNSENT = 6,     /* begun and read, but the ring had no room */
	HANDSHAKES_JOINED = 7,     /* connections that were open before their first record was seen */
	HANDSHAKE_TALLIES = 8,
};
