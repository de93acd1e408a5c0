/* Bodies of requests, followed to their end: what is behind it may be the next head. */
#ifdef HTTP_PROGRAMS

static __always_inline struct http_state *state_at_work(struct http_scratch *s)
{
	u32 slot = s->slot;
	return http_states.lookup(&slot);
}

static __always_inline void scan_begin(struct http_scratch *s)
{
	s->at = s->end = s->length = s->word = s->before = s->digits = s->value = s->coding = s->chunked = 0;
}

/* The path's text leaves the kernel; then goes on to the body. */
static __always_inline int learn(void *ctx, u32 runner)
{
	struct http_scratch *s = http_scratch_of(runner);
	if (!s || !s->learn)
		return 0;
	path_send(s);
	if (s->scan) {
		scan_begin(s);
		http_jump(ctx, runner, JUMP_BODY);
	}
	return 0;
}

#define NAME_CONTENT WORD8('t', 'n', 'e', 't', 'n', 'o', 'c', '\n')
#define NAME_LENGTH WORD8(':', 'h', 't', 'g', 'n', 'e', 'l', '-')
#define NAME_ANSFER_E WORD8('e', '-', 'r', 'e', 'f', 's', 'n', 'a')
#define NAME_NCODING WORD8(':', 'g', 'n', 'i', 'd', 'o', 'c', 'n')
#define NAME_CHUNKED WORD8('d', 'e', 'k', 'n', 'u', 'h', 'c', 0)

/* One character of a head's fields. Returns 1 at the head's end. */
static __always_inline int field_step(volatile struct http_scratch *s, u64 c)
{
	u64 low = c | BELOW((c - 'A') & 0xff, 26) << 5;
	s->before = s->before << 8 | s->word >> 56;
	s->word = s->word << 8 | low;
	u64 word = s->word;
	if (s->digits) {
		if (BELOW((c - '0') & 0xff, 10))
			s->length = s->length * 10 + c - '0';
		else if (c != ' ')
			s->digits = 0;
	}
	if (c == ':') {
		if (word == NAME_LENGTH && s->before == NAME_CONTENT) {
			s->digits = 1;
			s->value = 1;
		}
		if (word == NAME_NCODING && s->before == NAME_ANSFER_E)
			s->coding = 1;
	}
	if (s->coding && FIRST(word, 7) == FIRST(NAME_CHUNKED, 7))
		s->chunked = 1;
	return (u32)word == 0x0d0a0d0a;
}

/* How long the body is: SCAN_BYTES of the head at a time, for older kernels refuse longer loops. */
static __always_inline int follow_head(void *ctx, u32 runner)
{
	volatile struct http_scratch *s = http_scratch_of(runner);
	struct http_state *state = s ? state_at_work((struct http_scratch *)s) : 0;
	if (!state || !s->scan || s->at >= s->room)
		return 0;
	u64 size = s->room - s->at < SCAN_BYTES ? s->room - s->at : SCAN_BYTES;
	s->pause = size;
	HIDE(size);
	if (size > SCAN_BYTES || bpf_probe_read_user((void *)s->window, size, (void *)(s->buffer + s->at)))
		return 0;
	for (u32 i = 0; i < SCAN_BYTES; i++) {
		if (i >= s->pause)
			return 0; /* the head goes on in a later call: `BODY_UNKNOWN` */
		if (field_step(s, s->window[i])) {
			s->end = s->at + i + 1;
			break;
		}
	}
	u64 end = s->end, length = s->length, behind = s->bytes - end;
	if (!end) {
		s->at += SCAN_BYTES;
		http_jump(ctx, runner, JUMP_BODY);
		return 0;
	}
	if (s->chunked) {
		state->body = behind && s->room < s->bytes ? BODY_UNKNOWN : BODY_CHUNKS;
		s->at = end;
		if (behind && state->body == BODY_CHUNKS)
			http_jump(ctx, runner, JUMP_CHUNKS);
		return 0;
	}
	state->left = s->value && length > behind ? length - behind : 0;
	state->body = state->left ? BODY_LENGTH : BODY_NONE;
	return 0;
}

/* The number that a chunk begins with, its digits in `window`; `end` becomes the bytes of its line, 0 if it is none. */
static __always_inline u64 chunk_size(volatile struct http_scratch *s)
{
	s->value = 0;
	s->end = 0;
	for (u32 i = 0; i < 12; i++) {
		u64 c = s->window[i], letter = (c | 32) - 'a';
		if (c - '0' < 10)
			s->value = s->value << 4 | (c - '0');
		else if (letter < 6)
			s->value = s->value << 4 | (letter + 10);
		else {
			if (c == '\r')
				s->end = i + 2;
			break;
		}
	}
	return s->value;
}

/* Goes over the chunks in [at, bytes). What follows the last one in the same call is not looked at. */
static __always_inline int follow_chunks(u32 runner)
{
	volatile struct http_scratch *s = http_scratch_of(runner);
	struct http_state *state = s ? state_at_work((struct http_scratch *)s) : 0;
	if (!state)
		return 0;
	for (u32 turn = 0; turn < 16; turn++) {
		if (state->left) {
			u64 take = s->bytes - s->at;
			if (take > state->left)
				take = state->left;
			state->left -= take;
			s->at += take;
			if (state->body == BODY_LAST) {
				if (!state->left)
					state->body = BODY_NONE;
				return 0;
			}
		}
		if (s->at >= s->bytes)
			return 0;
		u64 left = s->bytes - s->at < 16 ? s->bytes - s->at : 16; /* memory may end behind it */
		HIDE(left);
		if (left > 16 || bpf_probe_read_user((void *)s->window, left, (void *)(s->buffer + s->at)))
			break;
		u64 size = chunk_size(s);
		if (!s->end || s->at + s->end > s->bytes)
			break; /* an extension, or a line in two pieces */
		s->at += s->end;
		state->left = size + 2;
		if (!size)
			state->body = BODY_LAST; /* trailers are not expected */
	}
	state->body = BODY_UNKNOWN;
	state->left = 0;
	http_tally(HTTP_UNFOLLOWED);
	return 0;
}

/* Each of these once for each type of program. */
int http_learn(struct bpf_raw_tracepoint_args *ctx)
{
	return learn(ctx, BY_TRACEPOINT);
}

int http_body(struct bpf_raw_tracepoint_args *ctx)
{
	return follow_head(ctx, BY_TRACEPOINT);
}

int http_chunks(struct bpf_raw_tracepoint_args *ctx)
{
	return follow_chunks(BY_TRACEPOINT);
}

int http_probe_learn(struct pt_regs *ctx)
{
	return learn(ctx, BY_PROBE);
}

int http_probe_body(struct pt_regs *ctx)
{
	return follow_head(ctx, BY_PROBE);
}

int http_probe_chunks(struct pt_regs *ctx)
{
	return follow_chunks(BY_PROBE);
}
#endif
