/* The maps of the HTTP/2 probe. The loader gives HTTP2_BYTES and HTTP2_CONNECTIONS. */

/* Bytes of a record's text. */
#define HTTP2_PIECE 32
/* What follows the preface or a payload that is passed over. */
#define HTTP2_PREFACE_BYTES 24

/* What one call moved, as far as it was not looked at. */
struct http2_run {
	u64 at;     /* a piece in the application's memory; 0: where is not known */
	u64 room;   /* bytes in it */
	u64 vector; /* of the pieces that follow */
	u64 pieces;
	u64 left;   /* bytes in these */
	u32 slot;
	u32 sent;
	u32 netns;
	u32 again; /* 1: the steps of one program did not suffice */
};

/* Records. Written by the programs, read and given back by the probe in user space, which maps it. */
BPF_RINGBUF_OUTPUT(http2_ring, HTTP2_BYTES / PAGE_SIZE);
/* Connections by the slot of their socket (map `sockets`). Inserted when one is recognized, looked up at each read and write,
 * deleted by user space when the socket is gone. */
BPF_F_TABLE("hash", u32, struct http2_state, http2_states, HTTP2_CONNECTIONS, BPF_F_NO_PREALLOC);
/* Written and read while a call is looked at; one for each type of program, as of `http_scratches`. */
BPF_PERCPU_ARRAY(http2_runs, struct http2_run, 2);
/* Counted up by the programs, never cleared; read by user space (enum http2_tally). */
BPF_PERCPU_ARRAY(http2_tallies, u64, HTTP2_TALLIES);

static __always_inline struct http2_run *http2_run_of(u32 runner)
{
	runner = room_of(runner);
	return http2_runs.lookup(&runner);
}

/* Returns the new count of this processor. */
static __always_inline u64 http2_tally(u32 what)
{
	u64 *cell = http2_tallies.lookup(&what);
	return cell ? ++*cell : 1;
}
