/* First packets of QUIC: what the probe shares with Python (bpf/kernel/events.h says how). */

enum quic_event {
	KIND_QUIC_INITIAL = 64, /* struct quic_record: a client's first datagram; in no recording */
};

/* What the programs count, one 64-bit cell per processor each (map `quic_tallies`). */
enum quic_tally {
	QUIC_TOLD = 0,       /* datagrams in the ring */
	QUIC_RING_FULL = 1,  /* datagrams for which the ring had no room */
	QUIC_UNREADABLE = 2, /* datagrams whose bytes could not be read */
	QUIC_TALLIES = 3,
};

/* A datagram that begins with an Initial packet of a client: with the 8 bytes of the ring's own head 2048. */
struct quic_record {
	struct event_header header; /* slot: of all rows, as those of queries of DNS have it */
	__u32 netns;
	__u32 length; /* of the payload that is here */
	__u64 unused;
	__u8 payload[2000];
};
