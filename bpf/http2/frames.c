/* HTTP/2: what one read or write of a connection moved. Entered by a tail call from the hooks of the HTTP probe. */
#ifdef HTTP_PROGRAMS

#define HTTP2_STEPS 64 /* of one program; it may call itself 32 times */

/* Takes over what the hook knows of a call. */
static __always_inline void run_begin(struct http2_run *r, struct http_state *state, struct http_scratch *s)
{
	r->slot = s->slot;
	r->sent = s->sent & 1;
	r->netns = state->netns;
	r->at = s->buffer;
	r->room = s->bytes;
	r->left = r->pieces = 0;
}

/* The data lies in more pieces than one, of which the system call's registers tell. */
static __always_inline void run_pieces(struct http2_run *r)
{
	r->left = r->room;
	r->room = 0;
	r->vector = user_vector(&r->pieces);
	for (u32 i = 0; i < 2; i++) /* the first may be empty */
		if (r->room || !next_piece(r))
			break;
}

/* The connection and, in `r`, what of it is to be looked at; 0 if nothing is. */
static __always_inline struct http2_state *http2_connection_of(struct http2_run *r, struct http_state *state, struct http_scratch *s)
{
	u32 slot = s->slot;
	run_begin(r, state, s);
	struct http2_state *c = http2_states.lookup(&slot);
	if (c && c->generation != state->generation)
		c = 0;
	struct http2_direction *d = c ? &c->directions[r->sent & 1] : 0;
	if (d && d->left >= r->room && !told_by_pieces(d->type)) {
		d->left -= r->room;
		return 0;
	}
	if (s->buffer && s->room < s->bytes)
		run_pieces(r);
	if (!c) {
		c = http2_recognize(r, state, s);
		window_wipe(state, s);
	}
	if (c && !c->told)
		c->told = tell_begin(r, c, &c->directions[r->sent & 1]);
	return c;
}

/* Whether the direction's frames can be followed from here. */
static __always_inline int direction_found(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	if (d->synced)
		return 1;
	int found = http2_find(r);
	if (found)
		direction_begin(r, c, d, found, 0);
	return found;
}

static __always_inline int follow_frames(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	struct http2_run *r = http2_run_of(runner);
	struct http_state *state = s ? state_at_work(s) : 0;
	if (!r || !state)
		return 0;
	u32 slot = s->slot;
	struct http2_state *c = r->again ? http2_states.lookup(&slot) : http2_connection_of(r, state, s);
	r->again = 0;
	struct http2_direction *d = c ? &c->directions[r->sent & 1] : 0;
	if (!d || !direction_found(r, c, d))
		return 0;
	for (u32 i = 0; i < HTTP2_STEPS; i++) {
		if (http2_step(r, c, d))
			continue;
		if (r->left)
			unfollow(r, d); /* memory that cannot be read */
		return 0;
	}
	r->again = 1;
	http_jump(ctx, runner, JUMP_HTTP2);
	r->again = 0;
	unfollow(r, d);
	return 0;
}

/* Each of these once for each type of program. */
#ifdef HTTP_TRACEPOINTS
int http2_frames(struct bpf_raw_tracepoint_args *ctx)
{
	return follow_frames(ctx, BY_TRACEPOINT);
}
#endif

#ifdef HTTP_EXITS
int fexit__tcp_recvmsg__frames(unsigned long long *ctx)
{
	return follow_frames(ctx, BY_READ_EXIT);
}

int fexit__tcp_sendmsg__frames(unsigned long long *ctx)
{
	return follow_frames(ctx, BY_WRITE_EXIT);
}
#endif

#ifdef HTTP_PROBES
int http2_probe_frames(struct pt_regs *ctx)
{
	return follow_frames(ctx, BY_PROBE);
}
#endif
#endif
