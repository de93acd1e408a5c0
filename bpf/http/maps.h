/* The maps of the HTTP probe. The loader gives REQUEST_CELLS and PATHS. */

#define GATE_CELLS 65536
/* Of a head so much is read; of one that comes in pieces so much is kept. */
#define HEAD_BYTES 160
#define PART_BYTES 128
#define PATH_BYTES 128
#define SCAN_BYTES 256

enum http_verdict {
	VERDICT_OPEN = 0,
	VERDICT_HTTP = 1,
	VERDICT_LEAVE = 2, /* no HTTP, or no longer */
	VERDICT_HTTP2 = 3, /* followed by JUMP_HTTP2 */
	VERDICT_TLS = 4,   /* of a gate: records of TLS; the state's own verdict is of the plain text in them */
};

/* How the body of the request under way goes on. */
enum http_body {
	BODY_NONE = 0,
	BODY_LENGTH = 1,  /* `left` bytes are to come */
	BODY_CHUNKS = 2,  /* `left` bytes of a chunk are to come, then the size of the next */
	BODY_UNKNOWN = 3, /* until the answer */
	BODY_LAST = 4,    /* `left` bytes behind the last chunk */
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
	u32 slot;
	u32 generation;
	u64 kind; /* method, role, status */
};

struct http_part {
	u8 text[PART_BYTES];
};

/* Room for one head, and what its programs hand on to each other. */
struct http_scratch {
	u8 text[PART_BYTES + HEAD_BYTES + PATH_BYTES + 16];
	u8 folded[256];
	u8 window[SCAN_BYTES];
	u64 buffer; /* of the application: what was not looked at yet */
	u64 bytes;  /* in it and what follows it */
	u64 room;   /* of these, in one piece */
	u64 had;    /* bytes of the head that came before */
	u64 want;
	u64 size;   /* of the text */
	u64 slot;
	u64 sent; /* 1: written, 0: read */
	u64 path_at;
	u64 path_end;
	u64 hash;
	u64 learn; /* 1: the path's text is to be sent */
	u64 scan;  /* 1: the body's length is to be found */
	u64 at, end, word, before, length, digits, chunked, coding, value, pause, segment;
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
/* Paths whose text was sent. Inserted at the first request, looked up at each, never deleted: what is beyond is one path,
 * PATH_OTHER. */
BPF_HASH(http_paths, u64, u8, PATHS);
/* The beginning of a head whose rest has not come. Inserted and deleted with it; the oldest make room. */
BPF_TABLE("lru_hash", u32, struct http_part, http_parts, 4096);
/* Written and read while one head is read. The second is for probes: they may be interrupted by a tracepoint. */
BPF_PERCPU_ARRAY(http_scratches, struct http_scratch, 2);
/* The programs that a head is handed on to (enum http_jump), for raw tracepoints: the kernel has no jumps from one type of
 * program to another. Filled by user space before anything is attached. */
BPF_PROG_ARRAY(http_jumps, 8);
/* The same for uprobes and kprobes. */
BPF_PROG_ARRAY(http_probe_jumps, 8);
/* Counted up by the hooks, never cleared; read by user space (enum http_tally). */
BPF_PERCPU_ARRAY(http_tallies, u64, HTTP_TALLIES);

enum http_jump {
	JUMP_LEARN = 0,
	JUMP_BODY = 1,
	JUMP_CHUNKS = 2,
	JUMP_HTTP2 = 3, /* bpf/http2; none where that is off */
};

/* Types of programs. */
enum http_runner {
	BY_TRACEPOINT = 0, /* raw ones */
	BY_PROBE = 1,	   /* uprobes, kprobes */
};

static __always_inline struct http_scratch *http_scratch_of(u32 runner)
{
	return http_scratches.lookup(&runner); /* a copy: of what has an address the compiler does not know the value */
}

/* Goes on with another program, and does not return unless there is none. */
static __always_inline void http_jump(void *ctx, u32 runner, u32 to)
{
	if (runner == BY_PROBE)
		http_probe_jumps.call(ctx, to);
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
