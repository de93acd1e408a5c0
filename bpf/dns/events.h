/* Queries of DNS: what the DNS probe shares with Python (bpf/kernel/events.h says how). */

enum dns_event {
	KIND_QUERIES = 60,     /* struct query_cell: what a socket's queries that are alike were in a second */
	KIND_DNS_NAME = 61,    /* struct dns_name_event: the text of a name that a query had for the first time */
	KIND_DNS_ANSWER = 62,  /* struct answer_event: an address that an answer had for a name */
	KIND_DNS_MESSAGE = 63, /* struct dns_record: a message as it passed; in no recording */
	KIND_DNS_EXCHANGE = 64, /* struct dns_exchange: a question and what came of it; in no recording */
};

/* What is to be done with the packet of a dns_record (header.old_state). */
enum dns_record_of {
	DNS_OF_MESSAGE = 0,   /* its question and answer are put together in user space */
	DNS_OF_NAME = 1,      /* a question that is counted already: only the text of its name is wanted */
	DNS_OF_ADDRESSES = 2, /* an answer that is counted already: only its addresses are wanted */
};

/* What a dns_exchange tells (header.old_state). */
enum dns_exchange_of {
	DNS_OF_EXCHANGE = 0, /* a question and what came of it, with the first address if the client got any */
	DNS_OF_ADDRESS = 1,  /* one more address of the exchange before */
};

/* Of a dns_exchange. */
enum dns_exchange_flag {
	DNS_TRUNCATED = 1, /* the answer had TC */
	DNS_REPEATED = 2,  /* asked before on the same socket under the same number, without an answer */
};

/* Response codes that are none; those of EDNS have 12 bits. */
enum dns_rcode {
	RCODE_NO_ANSWER = 65535, /* timed out, or the socket was closed before */
};

/* Names without a text of their own. */
enum dns_name {
	NAME_OTHER = 1, /* one of more names than are kept apart */
};

/* What the programs count, one 64-bit cell per processor each (map `dns_tallies`). */
enum dns_tally {
	DNS_MESSAGES = 0,   /* packets with a part of a message */
	DNS_SHORT = 1,      /* packets with less than a header of DNS */
	DNS_UNREADABLE = 2, /* packets whose bytes could not be read */
	DNS_NO_SOCKET = 3,  /* packets of sockets that have no slot */
	DNS_OVER_RATE = 4,  /* packets beyond what is decoded in a second */
	DNS_RING_FULL = 5,  /* packets for which the ring had no room */
	DNS_ASKED = 6,      /* questions that wait in the kernel, or waited */
	DNS_ENDED = 7,      /* of these, no longer, but for those that user space has ended */
	DNS_PENDING_FULL = 8, /* questions for which there was no room among those that wait: user space has them */
	DNS_IN_CELLS = 9,   /* exchanges that were counted in cells: they were too many to be told one by one */
	DNS_CELLS_FULL = 10, /* exchanges of which no cell has the name: all were in use */
	DNS_NO_CELL = 11,   /* exchanges that were not counted at all */
	DNS_TALLIES = 12,
};

/* Buckets of a latency, as those of requests of HTTP. */
enum dns_buckets {
	DNS_BUCKETS = 42,
};

/* Queries of one socket that are alike, and that ended in one second. */
struct query_cell {
	struct event_header header; /* slot: of all rows: a TCP socket's, or tcp.slots and that of a UDP flow */
	__u64 name;       /* a hash of it, in lower case: enum dns_name, or the one of a dns_name_event */
	__u64 latency_ns; /* the sum, from question to answer, of those with an answer */
	__u32 queries;
	__u32 netns;
	__u32 retries;   /* of these: the same process had asked the same before, and got no answer */
	__u32 truncated; /* of these: the answer had TC, and the client was to ask again over TCP */
	__u32 search;    /* of these: a name that a search list made, and that does not exist */
	__u16 type;      /* of the question: 1 A, 28 AAAA, … */
	__u16 rcode;     /* or enum dns_rcode */
	__u8 transport;  /* IPPROTO_UDP, IPPROTO_TCP */
	__u8 role;       /* enum role, of this end of the exchange: the client asks */
	__u8 reserved[6];
	__u32 buckets[42];
	__u64 unused;
};

/* The text of a name, lower case, without the last dot; bytes that are no printable ASCII, and dots within labels, are
 * `?`. Of up to 253 characters, in up to two parts, each an event. */
struct dns_name_event {
	struct event_header header;
	__u64 name;   /* the hash */
	__u8 part;    /* from 0 */
	__u8 parts;   /* of this name */
	__u16 length; /* of the text in this part */
	__u32 reserved;
	char text[208];
};

/* An address for a name, from the answer that a process got; header.at_ns: when. */
struct answer_event {
	struct event_header header; /* slot and generation: of the socket that asked */
	__u64 name;      /* that was asked for, whatever aliases led to the address */
	__u64 cgroup_id; /* of the process that asked */
	__u64 program;   /* likewise (struct owner) */
	__u32 tgid;
	__u32 netns;
	__u32 ttl; /* s */
	__u16 type;
	__u16 reserved;
	__u8 resolver[16]; /* as the process called it */
	__u8 address[16];  /* IPv4 ones IPv4-mapped */
	__u8 unused[152];
};

/* One packet with messages, or a part of one: with the 8 bytes of the ring's own head 512. */
struct dns_record {
	struct event_header header; /* as in query_cell; old_state: enum dns_record_of */
	__u64 cgroup_id;
	__u64 program;
	__u32 tgid;
	__u32 netns;
	__u8 resolver[16]; /* the server's address as its client called it; on the server: as it was called */
	__u32 length;      /* of the payload, also where it is longer than what is here */
	__u32 sequence;    /* of TCP: of the first byte */
	__u16 peer_port;
	__u8 out;          /* 1: it left the socket */
	__u8 transport;
	__u8 reserved[4];
	__u8 payload[424];
};

/* A question that waits for its answer. `out`: it left the socket. */
struct dns_question {
	__u64 name; /* the hash */
	__u32 slot;
	__u32 generation;
	__u16 id;
	__u16 type;
	__u16 peer_port;
	__u16 out;
};

/* Who asked, and when. */
struct dns_asked {
	__u64 at_ns;
	__u64 cgroup_id;
	__u64 program;
	__u32 tgid;
	__u32 netns;
	__u8 resolver[16]; /* as in dns_record */
	__u8 transport;
	__u8 role;  /* enum role */
	__u8 flags; /* enum dns_exchange_flag */
	__u8 reserved[5];
};

/* A question and what came of it: with the 8 bytes of the ring's own head 128. */
struct dns_exchange {
	struct event_header header; /* as in query_cell; at_ns: of the answer; old_state: enum dns_exchange_of */
	struct dns_asked asked;
	__u64 name;
	__u16 type;
	__u16 rcode;        /* or enum dns_rcode */
	__u16 address_type; /* 1 A, 28 AAAA; 0: no address */
	__u16 reserved;
	__u32 ttl; /* s, of the address */
	__u8 address[16];
	__u8 unused[4];
};

/* Exchanges that are alike, which the kernel counted because they were too many to be told one by one. */
struct dns_cell_key {
	__u64 name; /* the hash, or NAME_OTHER */
	__u32 slot;
	__u32 generation;
	__u16 type;
	__u16 rcode;
	__u8 transport;
	__u8 role;
	__u8 reserved[2];
};

/* What was counted in a cell, which only grows. */
struct dns_cell {
	__u64 latency_ns;
	__u32 queries;
	__u32 netns;
	__u32 retries;
	__u32 truncated;
	__u32 buckets[42];
};

/* With what names are hashed: random numbers of user space (probes/dns/hashes.py). */
struct dns_seeds {
	__u64 words[33];
	__u64 odd[33];
};
