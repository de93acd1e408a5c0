/* Requests: what the HTTP probe shares with Python (bpf/kernel/events.h says how). */

enum http_event {
	KIND_REQUESTS = 20, /* struct request_cell: what a cell grew by in a second; user space makes it of the cell */
	KIND_PATH = 21,     /* struct path_event: the text of a path that a request had for the first time */
	KIND_DECRYPTED = 22, /* struct decrypted_event: plain text of a socket that moves records of TLS has come */
	KIND_LINKS = 26,     /* struct link_cell: likewise what a cell of requests that a proxy passed on grew by */
};

/* By the first bytes of a head; 0: none of these. */
enum http_method {
	METHOD_OTHER = 0,
	METHOD_GET = 1,
	METHOD_POST = 2,
	METHOD_PUT = 3,
	METHOD_DELETE = 4,
	METHOD_HEAD = 5,
	METHOD_OPTIONS = 6,
	METHOD_PATCH = 7,
	METHOD_CONNECT = 8,
	METHOD_TRACE = 9,
};

/* Statuses that are none. */
enum http_status {
	STATUS_NONE = 0,    /* no answer */
	STATUS_UNKNOWN = 1, /* an answer whose status was not seen: HTTP/2 that began before */
};

/* Paths without a text of their own. */
enum http_path {
	PATH_NONE = 0,    /* none: CONNECT, OPTIONS *; of hosts: not asked for */
	PATH_OTHER = 1,   /* one of more paths than are kept apart */
	PATH_UNKNOWN = 2, /* an answer whose request was not seen */
};

/* What the programs count, one 64-bit cell per processor each (map `http_tallies`). */
enum http_tally {
	HTTP_REQUESTS = 0,       /* requests counted, also those without an answer */
	HTTP_NO_CELL = 1,        /* requests for which no cell was free */
	HTTP_LEFT = 2,           /* connections that are no HTTP/1 */
	HTTP_UNREADABLE = 3,     /* reads and writes that may have a head, and no buffer in user memory: io_uring */
	HTTP_SPLIT = 4,          /* heads and sizes of chunks that came in more than one call */
	HTTP_UNPAIRED = 5,       /* answers whose request was not seen */
	HTTP_RESYNCHRONIZED = 6, /* connections that were open before their first head was seen */
	HTTP_UNFOLLOWED = 7,     /* times that the end of a head or body could not be found */
	HTTP_UNANSWERED = 8,     /* requests without an answer at the end of their connection */
	HTTP_UPGRADED = 9,       /* connections that went on with another protocol */
	HTTP_ENCRYPTED = 10,     /* connections with records of TLS */
	HTTP_PIPELINED = 11,     /* requests that came before the answer to the one before */
	HTTP_FORGOTTEN = 12,     /* of these, those that are answered as unknown, for too many waited on this machine */
	HTTP_UNWANTED = 13,      /* connections that ports, processes or namespaces leave out */
	HTTP_TALLIES = 14,
};

/* Buckets of a latency: the first below 2 x 8192 ns, then two for each power of two. */
enum http_buckets {
	HTTP_BUCKETS = 42,
};

enum request_flag {
	REQUEST_KEYED = 1, /* the cell is found by the map `request_keys` */
};

enum http_protocol {
	PROTOCOL_HTTP1 = 1,
	PROTOCOL_HTTP2 = 2,
	PROTOCOL_GRPC = 3,
};

enum grpc_status {
	GRPC_NONE = 255, /* no gRPC, or it ended without a status */
};

/* Requests of one socket that are alike. Cumulative in the map; as an event: what was added. */
struct request_cell {
	struct event_header header; /* slot and generation: of the socket */
	__u64 path;       /* a hash of it: enum http_path, or the one of a path_event */
	__u64 host;       /* the same of the host; 0: none, or not asked for */
	__u64 latency_ns; /* the sum; from head to head */
	__u64 request_bytes;
	__u64 response_bytes;
	__u32 requests;
	__u32 netns;
	__u16 status; /* 0: no answer */
	__u8 method;  /* enum http_method */
	__u8 role;    /* enum role, of this end of the connection */
	__u8 flags;   /* enum request_flag */
	__u8 protocol; /* enum http_protocol */
	__u8 grpc_status; /* enum grpc_status */
	__u8 reserved;
	__u32 buckets[42];
};

/* In place of a role: the cell is of requests that a proxy passed on. */
enum proxy_role {
	ROLE_PROXY = 3,
};

/* What is counted of requests that a proxy passed on, one 64-bit cell per processor each (map `link_tallies`). */
enum link_tally {
	LINK_COUNTED = 0,  /* answers of a proxy that were an upstream's */
	LINK_NO_CELL = 1,  /* of such for which no cell was free */
	LINK_OWN = 2,      /* answers of a proxy that no upstream's answer caused */
	LINK_DOUBTFUL = 3, /* answers whose upstream had answered another request, or had none */
	LINK_TOLD = 4,     /* like LINK_COUNTED, to a client that speaks HTTP/2: user space counts them */
	LINK_NO_RECORD = 5, /* of such for which the ring had no room */
	LINK_TALLIES = 6,
};

/* Requests that a proxy passed on from one socket to another, and that are alike: a request_cell with other names. */
struct link_cell {
	struct event_header header; /* slot and generation: of the socket to the proxy's client */
	__u64 path;
	__u64 upstream; /* the socket to the server: slot in the upper half, generation in the lower */
	__u64 total_ns; /* the sum: from the request's head in to the answer's head out */
	__u64 before_ns; /* of this, until the request's head was out to the server */
	__u64 upstream_ns; /* of this, from then on until the answer's head was in */
	__u32 requests;
	__u32 netns;
	__u16 status;
	__u8 method;
	__u8 role; /* ROLE_PROXY */
	__u8 flags;
	__u8 protocol;
	__u8 grpc_status;
	__u8 reserved;
	__u32 timed; /* of the requests, those that are in the sums */
	__u32 unused[41];
};

/* The text of a path or of a host, by its hash. */
struct path_event {
	struct event_header header;
	__u64 hash;
	__u32 length;
	__u32 cut; /* 1: it is longer */
	char text[208];
};

/* A request that waits for its answer. */
struct http_ask {
	__u64 at_ns; /* when its head was seen; 0: it was not */
	__u64 path;
	__u64 host;
	__u32 number; /* among those of its socket */
	__u32 generation; /* of the socket */
	__u8 method;
	__u8 reserved[7];
};

/* One direction of a socket: how its bytes go on. */
struct http_way {
	__u64 left; /* bytes to come of a body or chunk */
	__u8 place; /* enum http_place, bpf/http/maps.h */
	__u8 part;  /* bytes that were kept of what came without its rest, in `http_parts` */
	__u8 chunked; /* of the head under way: its body comes in chunks */
	__u8 sized;   /* its length is given, in `left` */
	__u8 bare;    /* it has no body, whatever it says */
	__u8 expects; /* its body may not come: Expect: 100-continue */
	__u8 unfolded; /* requests in a row whose paths nobody asked for of late, up to a limit */
	__u8 changed;  /* heads in a row that were not like the one before, up to a limit */
	__u64 like; /* a hash of the last head behind its first line; those that are the same are not looked through */
	__u32 like_left; /* of its body, as far as like_says */
	__u16 like_bytes; /* 0: there is none */
	__u8 like_says; /* enum head_says, bpf/http/quick.h */
	__u8 reserved;
};

enum http_encryption {
	ENCRYPTION_NONE = 0,
	ENCRYPTION_RECORDS = 1, /* the socket moves records of TLS */
	ENCRYPTION_HELLO = 2,   /* of its handshake */
	ENCRYPTION_MOVED = 3,   /* which of these: a mask */
	ENCRYPTION_READ = 4,    /* beside them: plain text has come */
};

struct decrypted_event {
	struct event_header header; /* slot and generation: of the socket */
	__u32 netns;
	__u8 reserved[220];
};

/* What is under way on a socket. Who reads or writes it is alone at it, as far as its direction goes. */
struct http_state {
	struct http_ask ask; /* one that came when none waited; others are in `http_waiting` */
	struct http_way asks; /* requests */
	struct http_way answers;
	__u32 generation;
	__u32 netns;
	__u32 first; /* 1 and the number of its first cell; 0: none */
	__u32 recent; /* the same of the one used last */
	__u32 asked; /* requests seen; written by their direction alone */
	__u32 answered; /* of these, answered; written by the answers' direction alone */
	__u64 asked_bytes; /* likewise */
	__u64 counted_bytes; /* of these, those that were added to a cell */
	__u64 known; /* a path whose text is known to have been sent */
	__u64 known_host; /* likewise */
	__u8 verdict; /* enum http_verdict */
	__u8 role; /* enum role; 0 until the first head */
	__u8 tries;
	__u8 whole; /* 1: seen from its first byte on, and never lost */
	__u8 encrypted; /* enum http_encryption; if not 0, all of this is of the plain text, which comes from elsewhere than
			 * system calls */
	__u8 claimed; /* 1: a TLS library's connection is known to have this socket */
	__u8 records; /* of TLS that were looked at for that, up to a limit */
	__u8 passed;  /* of those behind the limit */
};
