/* Hooks of the HTTP probe: behind each read and write of a socket. What is no HTTP leaves after two loads. */
#ifdef HTTP_PROGRAMS

/* Whether the gate leads to the socket, which is there still. */
static __always_inline int gate_leads(struct http_gate *gate, u64 key)
{
	u32 slot = gate->slot;
	struct cell *cell = gate->socket == key ? cells.lookup(&slot) : 0;
	return cell && cell->generation == gate->generation && cell->socket == key;
}

/* Whether a proxy's thread is at work: then sockets are linked to its connections. */
static __always_inline int in_turn(void)
{
#ifdef PROXY_SOCKETS
	u64 process = 0;
	return proxy_turn_now(&process) != 0;
#else
	return 0;
#endif
}

/* Whether no record of TLS on the socket matters. */
static __always_inline int records_pass(struct http_gate *gate, struct http_state *state)
{
#ifdef TLS_SESSIONS
	return gate->verdict == VERDICT_TLS && state->claimed;
#else
	return gate->verdict == VERDICT_TLS;
#endif
}

/* Plain text that passes a socket.
 *
 * ctx, runner: of the program at work (enum http_runner). Nothing of it runs behind this call.
 * key: the socket's address.
 * buffer: where the text is in user memory, in one piece; 0: where the registers of the system call at work say. Text of
 *	an address is what is encrypted on the wire: from the first of it on, system calls of that socket are left. */
static __always_inline void http_plain(void *ctx, u32 runner, u64 key, u64 buffer, u64 bytes, u32 sent)
{
	struct http_gate *gate = gate_of(key);
	struct http_state *state = 0;
	if (!gate)
		return;
	if (gate_leads(gate, key)) {
		u32 slot = gate->slot;
		if (!buffer && gate->verdict == VERDICT_LEAVE)
			return;
		state = http_states.lookup(&slot);
		if (!state || (!buffer && records_pass(gate, state)))
			return;
	} else if (!sockets.lookup(&key)) {
		return;
	}
	struct http_scratch *s = http_scratch_of(runner);
	if (!s)
		return;
	s->key = key;
	s->raw = 0;
	s->given = buffer;
	s->bytes = bytes;
	s->sent = sent;
	if (state && state->verdict == VERDICT_HTTP && state->generation == gate->generation &&
	    (buffer ? state->encrypted & ENCRYPTION_READ : !state->encrypted) && !in_turn()) {
		s->slot = gate->slot;
		if (quick(ctx, runner, state, s))
			return;
	}
	http_jump(ctx, runner, JUMP_CALL);
}

#ifdef HTTP_TRACEPOINTS
static __always_inline int moved(struct bpf_raw_tracepoint_args *ctx, u32 sent)
{
	int length = ctx->args[1];
	if (length > 0)
		http_plain(ctx, BY_TRACEPOINT, ctx->args[0], 0, length, sent);
	return 0;
}

/* raw_tracepoint sock_recv_length(sk, length, flags): the application has read from a socket. */
int http_received(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[2] & MSG_PEEK_FLAG ? 0 : moved(ctx, 0);
}

/* raw_tracepoint sock_send_length(sk, length, flags): the application has written. */
int http_sent(struct bpf_raw_tracepoint_args *ctx)
{
	return moved(ctx, 1);
}
#endif
#endif
