/* Programs that a call goes on with: texts that are new, and what is behind the first head. */
#ifdef HTTP_PROGRAMS

/* Windows, and sizes of chunks before them, that one program looks at; it may be entered 32 times. */
#define TURNS 1
#define CHUNKS 4

static __always_inline struct http_state *state_at_work(struct http_scratch *s)
{
	u32 slot = s->slot;
	return http_states.lookup(&slot);
}

/* The call is over. */
static __always_inline void call_end(struct http_state *state, struct http_scratch *s)
{
	if (!s->asks)
		answer_bytes(state, s->slot, s->bytes);
}

static __always_inline int learn(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	struct http_state *state = s ? state_at_work(s) : 0;
	if (!state)
		return 0;
	if (s->learn)
		path_send(s);
#if HTTP_HOSTS
	if (s->learn_host)
		host_send(s);
	s->learn_host = 0;
#endif
	s->learn = 0;
	if (s->from < s->end)
		http_jump(ctx, runner, JUMP_MORE);
	window_wipe(state, s);
	return 0;
}

/* Passes over chunks, as far as the lines with their sizes lie in the first piece of memory. */
static __always_inline void chunks_pass(struct http_way *way, struct http_scratch *s)
{
	pass(way, s);
	for (u32 i = 0; i < CHUNKS; i++) {
		if (way->place != PLACE_SIZE || s->from >= s->end || s->again || !window_fill(s) || !size_read(way, s))
			return;
		s->from += s->at;
		pass(way, s);
	}
}

static __always_inline int more(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	struct http_state *state = s ? state_at_work(s) : 0;
	if (!state)
		return 0;
	s->raw = 0; /* it was of the call's first head */
	for (u32 turn = 0; turn < TURNS; turn++) {
		chunks_pass(way_of(state, s->asks), s);
		if (s->from >= s->end || state->verdict == VERDICT_LEAVE)
			break;
		u64 gathers = s->again || !window_fill(s);
		if ((gathers && !window_gather(s)) || !look(state, s) || (gathers && s->again)) {
			way_lose(state, way_of(state, s->asks), s);
			break;
		}
		if (s->learn | s->learn_host)
			http_jump(ctx, runner, JUMP_LEARN);
	}
	if (s->from < s->end && state->verdict != VERDICT_LEAVE)
		http_jump(ctx, runner, JUMP_MORE);
	if (s->from < s->end && state->verdict != VERDICT_LEAVE) /* one call has more than all of them can look at */
		way_lose(state, way_of(state, s->asks), s);
	window_wipe(state, s);
	call_end(state, s);
	return 0;
}

/* Each of these once for each type of program. */
#ifdef HTTP_TRACEPOINTS
int http_learn(struct bpf_raw_tracepoint_args *ctx)
{
	return learn(ctx, BY_TRACEPOINT);
}

int http_more(struct bpf_raw_tracepoint_args *ctx)
{
	return more(ctx, BY_TRACEPOINT);
}
#endif

#ifdef HTTP_PROBES
int http_probe_learn(struct pt_regs *ctx)
{
	return learn(ctx, BY_PROBE);
}

int http_probe_more(struct pt_regs *ctx)
{
	return more(ctx, BY_PROBE);
}
#endif
#endif
