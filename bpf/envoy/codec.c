/* Envoy's HTTP/2: frames that came and frames that were given to be sent, by uprobes at two functions of
 * Http2::ConnectionImpl (probes/envoy/functions.py finds them). The codec that reads a frame calls the first of them in the
 * turn of its connection; what it causes elsewhere happens before the next frame. */
#if defined(HTTP_PROBES) && defined(PROXY_SOCKETS)

/* The stream of a request to a proxy, its socket, and what answered it, for user space, which knows what was asked. */
static __always_inline int tell_passed(struct proxy_socket *from, struct proxy_socket *to, struct proxy_source *source, u32 stream)
{
#ifdef HTTP2_BYTES
	struct http2_record *record = http2_ring.ringbuf_reserve(sizeof(struct http2_record));
	if (!record)
		return 0;
	__builtin_memset(record, 0, sizeof(*record));
	record->at_ns = bpf_ktime_get_ns();
	record->slot = to->slot;
	record->generation = to->generation;
	record->stream = stream;
	record->type = HTTP2_PASSED;
	record->way = HTTP2_SENT;
	record->length = sizeof(record->text);
	u64 *text = (u64 *)record->text;
	text[0] = (u64)from->slot << 32 | from->generation;
	text[1] = source->began_ns;
	text[2] = source->answer_ns;
	http2_ring.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 1;
#else
	return 0;
#endif
}

/* An answer of the proxy is given to be sent: finds out whose it is. Returns enum link_tally. */
static __always_inline u32 stream_passed(u64 codec, u32 number, struct proxy_stream *asked)
{
	struct proxy_key key = {};
	u64 connection = 0;
	struct proxy_turn *turn = proxy_turn_now(&key.process);
	struct proxy_socket *to = proxy_socket_of(codec, key.process, &connection);
	if (!turn || !turn->reading || !to || turn->connection == connection)
		return LINK_OWN;
	key.connection = turn->connection;
	struct proxy_socket *from = proxy_sockets.lookup(&key);
	if (!from)
		return LINK_OWN;
	struct proxy_source source = source_of(from, key.process, turn);
	if (source.failed)
		return source.failed;
	if (!source.final)
		return LINK_OWN;
	if (source.taken || source.began_ns < asked->began_ns)
		return LINK_DOUBTFUL;
	source_taken(from, &source, key.process);
	asked->linked = 1;
	return tell_passed(from, to, &source, number) ? LINK_TOLD : LINK_NO_RECORD;
}

/* The head of an answer or of a request came, or what follows their bodies. */
static __always_inline void head_came(struct proxy_stream_key *key, struct proxy_socket *socket, u8 ends)
{
	struct proxy_stream *stream = proxy_stream_of(key);
	if (stream && stream->asked) {
		socket->heading = !(stream->headed && ends);
		socket->stream = key->stream;
		socket->head_ns = bpf_ktime_get_ns();
		stream->headed = 1;
		stream->over = ends;
		return;
	}
	if (stream && ends && !stream->whole) {
		stream->whole = 1;
		return;
	}
	struct proxy_stream fresh = {.began_ns = bpf_ktime_get_ns(), .whole = ends};
	proxy_streams.update(key, &fresh);
}

/* The first frame of a connection came. */
static __always_inline void codec_begins(u64 codec, struct proxy_key *at)
{
	struct proxy_codec_key key = {.codec = codec, .process = at->process};
	struct proxy_codec *before = proxy_codecs.lookup(&key);
	struct proxy_codec fresh = {.connection = at->connection, .ended_ns = before ? before->ended_ns : 0};
	proxy_codecs.update(&key, &fresh);
}

/* onBeforeFrameReceived(status, this, stream, length, type, flags): a frame begins. */
int envoy_frame_came(struct pt_regs *ctx)
{
	struct proxy_key at = {};
	u32 type = (u8)ctx->r8, ends = ctx->r9 & FRAME_END_STREAM;
	struct proxy_turn *turn = proxy_turn_now(&at.process);
	if (!turn || !turn->reading || type == FRAME_CONTINUATION)
		return 0;
	at.connection = turn->connection;
	struct proxy_socket *socket = proxy_sockets.lookup(&at);
	if (!socket)
		return 0;
	struct proxy_stream_key key = {.codec = PT_REGS_PARM2(ctx), .process = at.process, .stream = PT_REGS_PARM3(ctx)};
	if (socket->codec != key.codec) {
		codec_begins(key.codec, &at);
		socket->codec = key.codec;
	}
	socket->heading = 0;
	if (type == FRAME_HEADERS) {
		head_came(&key, socket, ends);
	} else if (type == FRAME_RST_STREAM) {
		proxy_streams.delete(&key);
	} else if (type == FRAME_DATA && ends) {
		struct proxy_stream *stream = proxy_streams.lookup(&key);
		if (stream && stream->asked)
			proxy_streams.delete(&key);
		else if (stream)
			stream->whole = 1;
	}
	return 0;
}

/* closeSocket(this): what is given to others because a connection ends is no answer of it, and no socket is touched for it
 * any more: the next one in this turn is another's. */
int envoy_closing(struct pt_regs *ctx)
{
	struct proxy_key at = {.connection = PT_REGS_PARM1(ctx)};
	struct proxy_turn *turn = proxy_turn_now(&at.process);
	at.process = bpf_get_current_pid_tgid() >> 32;
	struct proxy_socket *socket = proxy_sockets.lookup(&at);
	if (!socket)
		return 0;
	socket->closed = 1;
	if (turn && turn->connection == at.connection)
		turn->touched = 1;
	if (!socket->codec)
		return 0;
	struct proxy_codec_key key = {.codec = socket->codec, .process = at.process};
	struct proxy_codec ended = {.ended_ns = bpf_ktime_get_ns()};
	proxy_codecs.update(&key, &ended);
	socket->heading = socket->codec = 0;
	return 0;
}

/* The head of a request is given to be sent, or what follows its body. */
static __always_inline void request_given(struct proxy_stream_key *key, struct proxy_stream *stream, u8 ends)
{
	if (stream && !stream->over && ends && !stream->whole) {
		stream->whole = 1;
		return;
	}
	struct proxy_stream fresh = {.began_ns = bpf_ktime_get_ns(), .asked = 1, .whole = ends};
	proxy_streams.update(key, &fresh);
}

/* onFrameSend(this, stream, length, type, flags, error): a frame was given to be sent. */
int envoy_frame_given(struct pt_regs *ctx)
{
	u32 type = (u8)PT_REGS_PARM4(ctx), ends = ctx->r8 & FRAME_END_STREAM;
	struct proxy_stream_key key = {.codec = PT_REGS_PARM1(ctx),
				       .process = bpf_get_current_pid_tgid() >> 32,
				       .stream = PT_REGS_PARM2(ctx)};
	if (type != FRAME_HEADERS && type != FRAME_RST_STREAM && !(type == FRAME_DATA && ends))
		return 0;
	struct proxy_stream *stream = proxy_stream_of(&key);
	if (type == FRAME_HEADERS && (!stream || stream->asked)) {
		request_given(&key, stream, ends);
		return 0;
	}
	if (!stream)
		return 0;
	if (type == FRAME_HEADERS && !stream->linked) {
		u32 found = stream_passed(key.codec, key.stream, stream);
		if (found != LINK_OWN || !stream->headed)
			link_tally(found);
		stream->headed = 1;
	}
	if (type == FRAME_RST_STREAM || (ends && !stream->asked))
		proxy_streams.delete(&key);
	else if (ends)
		stream->whole = 1;
	return 0;
}
#endif
