/* The maps of the HTTP probe. The loader gives REQUEST_CELLS and PATHS. */

#define GATE_CELLS 65536
#define FOLDS 4096
/* So much is looked at in one step; so much is kept of what comes in pieces. */
#define WINDOW_BYTES 256
#define PART_BYTES 128
#define PATH_BYTES 128
#define HOST_BYTES 64

enum http_verdict {
	VERDICT_OPEN = 0,
	VERDICT_HTTP = 1,
	VERDICT_LEAVE = 2, /* no HTTP, or no longer */
	VERDICT_HTTP2 = 3, /* followed by JUMP_HTTP2 */
	VERDICT_TLS = 4,   /* of a gate: records of TLS; the state's own verdict is of the plain text in them */
	VERDICT_HELLO = 5, /* of a gate: a TLS handshake, followed by JUMP_HELLO */
};

/* What comes next in a direction. */
enum http_place {
	PLACE_HEAD = 0,
	PLACE_LINES = 1,   /* the rest of a head */
	PLACE_BODY = 2,    /* `left` bytes, then a head */
	PLACE_SIZE = 3,    /* the line with the size of a chunk */
	PLACE_CHUNK = 4,   /* `left` bytes of one, then the next one's size */
	PLACE_TRAILER = 5, /* lines behind the last chunk */
	PLACE_END = 6,     /* a body until the connection ends */
	PLACE_LOST = 7,    /* not known: a head is looked for at the beginning of each call */
};

/* A socket that was seen, by a hash of its address: tells which slot it has without a look into `sockets`. */
struct http_gate {
	u64 socket;
	u32 slot;
	u32 generation;
	u64 verdict;
};

struct request_key {
	u64 path;
	u64 host; /* of what a proxy passed on: its upstream socket */
	u32 slot;
	u32 generation;
	u64 kind; /* method, role, status */
};

/* A path, by a hash of its characters. */
struct http_fold {
	u64 check; /* that hash ^ path: two processors may write half of it each */
	u64 path;  /* as its requests are counted */
};

struct http_part {
	u8 text[PART_BYTES];
};

struct http_part_key {
	u32 slot;
	u32 sent;
};

struct http_waiting_key {
	u32 slot;
	u32 number;
};

/* What one call moved, how far it was looked at, and what its programs hand on to each other. Positions are those in the
 * bytes of the call, behind what was kept of the call before. */
struct http_scratch {
	u8 text[PART_BYTES + 2 * WINDOW_BYTES + PATH_BYTES + 16]; /* the window, and room that the verifier asks for */
	u8 folded[256];
	struct http_ask ask; /* the one that is answered */
	u64 key;    /* the socket's address */
	u64 raw;    /* a hash of the path's characters; 0: not known */
	u64 given;  /* where a library's plain text is; 0: the registers of the system call say */
	u64 buffer; /* in the application's memory; 0: not known where */
	u64 bytes;  /* that were moved */
	u64 room;   /* of these, in one piece */
	u64 slot;
	u64 sent; /* 1: written, 0: read */
	u64 began; /* 1: these are the first records of the socket */
	u64 asks; /* 1: the direction of requests */
	u64 had;  /* bytes that were kept of the call before */
	u64 end;  /* all bytes: those and the call's */
	u64 from; /* where the window begins */
	u64 size; /* bytes in it */
	u64 at;   /* how far it was looked at */
	u64 path_at;
	u64 path_end;
	u64 hash;
	u64 learn; /* 1: the path's text is to be sent */
	u64 length_at; /* where the number of Content-Length is; 0: not in this window */
	u64 host_at;   /* the same of Host */
	u64 host_end;
	u64 host;
	u64 learn_host; /* likewise */
	u64 line; /* where the line under way begins: at the end of the one before */
	u64 again; /* 1: the window is too short for what begins in it */
	u64 gathered; /* 1: the window's beginning was found among several pieces */
	u64 digits, length, odd, special, segment, pause, want; /* of one function */
};

/* Sockets by a hash of their address. Written when one is read or written and another is there, read at each. */
BPF_ARRAY(http_gates, struct http_gate, GATE_CELLS);
/* What is under way, by the slot of the socket (map `sockets`). Written and read when a socket is read or written; of a
 * slot's new socket it begins anew. User space maps it and looks for requests whose socket is gone. */
BPF_F_TABLE("array", u32, struct http_state, http_states, SLOTS, BPF_F_MMAPABLE);
/* Requests, counted. Written when one is answered; user space maps it and reads it once a second. */
BPF_F_TABLE("array", u32, struct request_cell, request_cells, REQUEST_CELLS, BPF_F_MMAPABLE);
/* Free cells. Filled by user space before anything is attached and when a cell's socket is gone, popped at the first
 * request of its kind. */
BPF_STACK(free_cells, u32, REQUEST_CELLS);
/* The cells of a socket beside its first. Inserted with the cell, looked up when another than the last is wanted, deleted by
 * user space when the socket is gone. */
BPF_HASH(request_keys, struct request_key, u32, REQUEST_CELLS);
/* Paths: 1: whose text was sent, 0: is to be sent. Inserted at the first request, looked up at each, never deleted: what is
 * beyond is one path, PATH_OTHER. */
BPF_HASH(http_paths, u64, u8, PATHS);
/* Paths of late whose text was sent. Looked up at the usual requests, written where another was there. */
BPF_ARRAY(http_folds, struct http_fold, FOLDS);
/* The beginning of a line whose rest has not come. Inserted with it, read with the rest; the oldest make room. */
BPF_TABLE("lru_hash", struct http_part_key, struct http_part, http_parts, 4096);
/* Requests that came before the answer to another one. Inserted then, deleted when they are answered; of too many the oldest
 * make room, and are answered as unknown ones (HTTP_FORGOTTEN). */
BPF_TABLE("lru_hash", struct http_waiting_key, struct http_ask, http_waiting, 8192);
/* Written and read while one call is looked at. Each runner has its own: one may interrupt another. */
BPF_PERCPU_ARRAY(http_scratches, struct http_scratch, 3);
/* The programs that a head is handed on to (enum http_jump), for raw tracepoints: the kernel has no jumps from one type of
 * program to another. Filled by user space before anything is attached. */
BPF_PROG_ARRAY(http_jumps, 8);
/* The same for uprobes and kprobes. */
BPF_PROG_ARRAY(http_probe_jumps, 8);
#ifdef HTTP_EXITS
/* The same for programs at the end of tcp_recvmsg. */
BPF_PROG_ARRAY(http_read_jumps, 8);
/* The same for programs at the end of tcp_sendmsg. */
BPF_PROG_ARRAY(http_write_jumps, 8);
#endif
/* Counted up by the hooks, never cleared; read by user space (enum http_tally). */
BPF_PERCPU_ARRAY(http_tallies, u64, HTTP_TALLIES);

enum http_jump {
	JUMP_LEARN = 0,
	JUMP_MORE = 1,
	JUMP_CALL = 2,
	JUMP_HTTP2 = 3, /* bpf/http2; none where that is off */
	JUMP_HELLO = 4, /* bpf/handshake; likewise */
};

/* Types of programs. */
enum http_runner {
	BY_TRACEPOINT = 0, /* raw ones */
	BY_PROBE = 1,	   /* uprobes, kprobes */
	BY_REQUEST = 2,	   /* of user space */
	BY_READ_EXIT = 3,  /* at the end of tcp_recvmsg */
	BY_WRITE_EXIT = 4, /* at the end of tcp_sendmsg */
};

/* Whose room a runner has: nothing runs by tracepoints where functions' ends are seen. */
static __always_inline u32 room_of(u32 runner)
{
	return runner == BY_READ_EXIT || runner == BY_WRITE_EXIT ? BY_TRACEPOINT : runner;
}

static __always_inline struct http_scratch *http_scratch_of(u32 runner)
{
	runner = room_of(runner);
	return http_scratches.lookup(&runner); /* a copy: of what has an address the compiler does not know the value */
}

/* Goes on with another program, and does not return unless there is none. */
static __always_inline void http_jump(void *ctx, u32 runner, u32 to)
{
	if (runner == BY_PROBE)
		http_probe_jumps.call(ctx, to);
#ifdef HTTP_EXITS
	else if (runner == BY_READ_EXIT)
		http_read_jumps.call(ctx, to);
	else if (runner == BY_WRITE_EXIT)
		http_write_jumps.call(ctx, to);
#endif
	else
		http_jumps.call(ctx, to);
}

static __always_inline void http_tally(u32 what)
{
	u64 *cell = http_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

/* Hides from the compiler what it knows of a value: it would drop the bound that the verifier needs, or make branches, each
 * of which the verifier follows apart. */
#define HIDE(value) asm volatile("" : "+r"(value))

/* 1 if a < b, both below 2^63. */
#define BELOW(a, b) ((u64)(a) - (u64)(b) >> 63)
