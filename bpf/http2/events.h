/* HTTP/2: what its programs share with Python (bpf/kernel/events.h says how). Frames are followed here; header blocks go,
 * as they are, through a ring of their own to the probe in user space, which decodes them. They are no events: nothing of
 * this ring is ever in a frame or a recording. */

/* Frames that are told of, as HTTP/2 numbers them (RFC 9113, section 6), and what else a record may be. */
enum http2_type {
	HTTP2_DATA = 0, /* `text`: bytes of payload, 64 bits, since the last such record of the direction */
	HTTP2_HEADERS = 1,
	HTTP2_RST_STREAM = 3,
	HTTP2_PUSH_PROMISE = 5,
	HTTP2_GOAWAY = 7,
	HTTP2_CONTINUATION = 9,
	HTTP2_PASSED = 254, /* an answer of a proxy; `text`: 64 bits each: which socket answered (slot, generation), when the
			     * request to it began, when its answer was there */
	HTTP2_BEGIN = 255, /* a connection; `text`: its network namespace, 32 bits */
};

/* Flags of frames (the same section). */
enum http2_flag {
	HTTP2_END_STREAM = 1,
	HTTP2_END_HEADERS = 4,
	HTTP2_PADDED = 8,
	HTTP2_PRIORITY = 32,
};

/* Where a record stands. */
enum http2_way {
	HTTP2_SENT = 1,   /* else received */
	HTTP2_CLIENT = 2, /* by the socket that began with the preface */
	HTTP2_SERVER = 4, /* by the one that read it; neither: the connection was open before it was seen */
	HTTP2_LOST = 8,   /* something of this direction was lost before it */
	HTTP2_FIRST = 16, /* piece of a frame's payload */
	HTTP2_LAST = 32,
};

/* A piece of a frame's payload. */
struct http2_record {
	__u64 at_ns;
	__u32 slot; /* of the socket */
	__u32 generation;
	__u32 stream;
	__u8 type;   /* enum http2_type */
	__u8 flags;  /* the frame's: enum http2_flag */
	__u8 way;    /* enum http2_way */
	__u8 length; /* bytes of the text; behind them are zeros */
	__u8 text[32];
};

/* One direction of a connection: a stream of bytes, whatever calls move them. */
struct http2_direction {
	__u64 data;        /* bytes of DATA that were not told of */
	__u32 data_stream; /* whose they are */
	__u32 left;        /* of the payload under way */
	__u32 stream;      /* of the frame under way */
	__u8 type;
	__u8 flags;
	__u8 had;    /* bytes of the next frame's head that came */
	__u8 first;  /* 1: nothing of the payload was told of */
	__u8 head[20]; /* 9 bytes; the rest is room that the verifier asks for */
	__u8 synced; /* 1: `had` and `left` say where the next frame begins */
	__u8 lost;   /* 1: the next record has to say HTTP2_LOST */
	__u8 reserved[2];
};

struct http2_state {
	struct http2_direction directions[2]; /* received, sent */
	__u32 generation;
	__u16 way;  /* HTTP2_CLIENT, HTTP2_SERVER or neither */
	__u16 told; /* 1: HTTP2_BEGIN is in the ring */
};

/* What the programs count, one 64-bit cell per processor each (map `http2_tallies`). */
enum http2_tally {
	HTTP2_RECORDS = 0,      /* records made */
	HTTP2_RECORDS_LOST = 1, /* of these, not in the ring because it was full */
	HTTP2_CONNECTIONS_SEEN = 2,
	HTTP2_JOINED = 3,   /* of these, recognized by their frames: they were open before they were seen */
	HTTP2_LEFT_OUT = 4, /* connections beyond the limit */
	HTTP2_UNFOLLOWED = 5, /* times that a direction's next frame could not be found */
	HTTP2_TALLIES = 6,
};
