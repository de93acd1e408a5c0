/* Requests of HTTP/2 on a proxy's connections: which frame is looked at while another one is sent. Frames are known by what
 * the proxy's codec, an object for each connection, calls when one has come and when one was given to be sent. */
#if defined(HTTP_PROGRAMS) && defined(PROXY_SOCKETS)

/* As HTTP/2 numbers them (RFC 9113, section 6). */
enum proxy_frame {
	FRAME_DATA = 0,
	FRAME_HEADERS = 1,
	FRAME_RST_STREAM = 3,
	FRAME_CONTINUATION = 9,
	FRAME_END_STREAM = 1, /* a flag */
};

struct proxy_codec_key {
	u64 codec;
	u64 process;
};

/* Whose it is. What one before it at the same address had under way is nothing of it. */
struct proxy_codec {
	u64 connection; /* 0: it has ended */
	u64 ended_ns;   /* when the one before it did; 0: none is known */
};

struct proxy_stream_key {
	u64 codec;
	u32 process;
	u32 stream;
};

/* A request to the proxy, or one of it. */
struct proxy_stream {
	u64 began_ns; /* when its head had come, or was given to be sent */
	u8 asked;  /* 1: by the proxy */
	u8 whole;  /* 1: nothing of the request follows */
	u8 headed; /* 1: of the proxy's own: a head of the answer came; of others: the answer was given */
	u8 over;   /* 1: nothing of the answer follows */
	u8 linked; /* 1 */
	u8 reserved[3];
};

/* Connections by their codec. Inserted at the first frame that came, looked up when one is sent; the oldest make room. */
BPF_TABLE("lru_hash", struct proxy_codec_key, struct proxy_codec, proxy_codecs, PROXY_SOCKETS);
/* Requests under way. Inserted when their head comes or goes, looked up at each head, deleted at their end; the oldest make
 * room. */
BPF_TABLE("lru_hash", struct proxy_stream_key, struct proxy_stream, proxy_streams, PROXY_SOCKETS);

/* A request under way; 0: none is. */
static __always_inline struct proxy_stream *proxy_stream_of(struct proxy_stream_key *key)
{
	struct proxy_codec_key of = {.codec = key->codec, .process = key->process};
	struct proxy_stream *stream = proxy_streams.lookup(key);
	struct proxy_codec *codec = stream ? proxy_codecs.lookup(&of) : 0;
	return codec && stream->began_ns < codec->ended_ns ? 0 : stream;
}

/* What answers: one request of a proxy. */
struct proxy_source {
	u64 began_ns;
	u64 answer_ns; /* when its answer was there */
	u64 taken;     /* 1: it has answered another request */
	u32 final;     /* 1: the answer is no interim one */
	u32 failed;    /* enum link_tally: why it is none */
};

/* The request of HTTP/2 whose head of an answer is being read on a connection. */
static __always_inline struct proxy_stream *proxy_answering(struct proxy_socket *from, u64 process)
{
	struct proxy_stream_key key = {.codec = from->codec, .process = process, .stream = from->stream};
	struct proxy_stream *stream = from->heading ? proxy_stream_of(&key) : 0;
	return stream && stream->asked ? stream : 0;
}

/* The request of HTTP/1 whose answer is being read. */
static __always_inline void source_of_http1(struct proxy_source *source, struct proxy_socket *from, u64 at_ns)
{
	u32 slot = from->slot;
	struct http_state *up = http_states.lookup(&slot);
	if (!up || up->generation != from->generation || up->role != ROLE_CLIENT || up->ask.generation != up->generation) {
		source->failed = LINK_OWN;
		return;
	}
	source->began_ns = up->ask.at_ns;
	source->answer_ns = at_ns;
	source->taken = from->request_ns == up->ask.at_ns;
	source->final = up->asked == up->answered;
}

/* What the connection that a thread reads has to pass on. */
static __always_inline struct proxy_source source_of(struct proxy_socket *from, u64 process, struct proxy_turn *turn)
{
	struct proxy_source source = {.failed = LINK_OWN};
	if (!turn->touched) /* nothing was read: it is over */
		return source;
	source.failed = 0;
	if (!from->codec) {
		source_of_http1(&source, from, turn->at_ns);
		return source;
	}
	struct proxy_stream *stream = proxy_answering(from, process);
	if (!stream) {
		source.failed = from->heading ? LINK_DOUBTFUL : LINK_OWN;
		return source;
	}
	source.began_ns = stream->began_ns;
	source.answer_ns = from->head_ns;
	source.taken = stream->linked;
	source.final = 1;
	return source;
}

/* It has answered a request, and answers no other. */
static __always_inline void source_taken(struct proxy_socket *from, struct proxy_source *source, u64 process)
{
	struct proxy_stream *stream = from->codec ? proxy_answering(from, process) : 0;
	from->heading = 0;
	if (stream)
		stream->linked = 1;
	else
		from->request_ns = source->began_ns;
}

/* The connection of a codec; 0: not known. */
static __always_inline struct proxy_socket *proxy_socket_of(u64 codec, u64 process, u64 *connection)
{
	struct proxy_codec_key key = {.codec = codec, .process = process};
	struct proxy_codec *found = proxy_codecs.lookup(&key);
	if (!found || !found->connection)
		return 0;
	struct proxy_key to = {.connection = found->connection, .process = process};
	*connection = found->connection;
	struct proxy_socket *socket = proxy_sockets.lookup(&to);
	return socket && socket->codec == codec ? socket : 0;
}
#endif
