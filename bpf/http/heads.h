/* Heads of requests and answers. */
#ifdef HTTP_PROGRAMS

/* Reads "word" as a number, the way memory has it. */
#define WORD2(a, b) ((u64)(a) | (u64)(b) << 8)
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)
#define WORD8(a, b, c, d, e, f, g, h) (WORD4(a, b, c, d) | WORD4(e, f, g, h) << 32)
#define FIRST(word, bytes) ((word) & ((1ull << 8 * (bytes)) - 1))

/* The method that a head begins with, and where its path begins; METHOD_OTHER if it is none. */
static __always_inline u32 method_of(u64 word, u32 *at)
{
	if (FIRST(word, 4) == WORD4('G', 'E', 'T', ' '))
		return *at = 4, METHOD_GET;
	if (FIRST(word, 5) == (WORD4('P', 'O', 'S', 'T') | (u64)' ' << 32))
		return *at = 5, METHOD_POST;
	if (FIRST(word, 4) == WORD4('P', 'U', 'T', ' '))
		return *at = 4, METHOD_PUT;
	if (FIRST(word, 7) == FIRST(WORD8('D', 'E', 'L', 'E', 'T', 'E', ' ', 0), 7))
		return *at = 7, METHOD_DELETE;
	if (FIRST(word, 5) == (WORD4('H', 'E', 'A', 'D') | (u64)' ' << 32))
		return *at = 5, METHOD_HEAD;
	if (word == WORD8('O', 'P', 'T', 'I', 'O', 'N', 'S', ' '))
		return *at = 8, METHOD_OPTIONS;
	if (FIRST(word, 6) == (WORD4('P', 'A', 'T', 'C') | WORD2('H', ' ') << 32))
		return *at = 6, METHOD_PATCH;
	if (word == WORD8('C', 'O', 'N', 'N', 'E', 'C', 'T', ' '))
		return *at = 8, METHOD_CONNECT;
	if (FIRST(word, 6) == (WORD4('T', 'R', 'A', 'C') | WORD2('E', ' ') << 32))
		return *at = 6, METHOD_TRACE;
	return METHOD_OTHER;
}

/* Whether a request with this method may have a body that goes on behind its answer; of others what comes before the
 * answer is left aside. */
static __always_inline int has_body(u32 method)
{
	return method == METHOD_POST || method == METHOD_PUT || method == METHOD_PATCH || method == METHOD_DELETE;
}

/* The status that an answer begins with: HTTP/1.x NNN; 0 if it is none. */
static __always_inline u32 status_of(u8 *text)
{
	u32 hundreds = text[9] - '0', tens = text[10] - '0', ones = text[11] - '0';
	if (FIRST(*(u64 *)text, 7) != FIRST(WORD8('H', 'T', 'T', 'P', '/', '1', '.', 0), 7) || text[8] != ' ' ||
	    hundreds > 9 || tens > 9 || ones > 9)
		return 0;
	return hundreds * 100 + tens * 10 + ones;
}

/* A number that the verifier knows is one case each; out of memory all of them are one. */
static __always_inline u64 through_memory(struct http_scratch *s, u64 value)
{
	volatile struct http_scratch *hidden = s;
	hidden->pause = value;
	return hidden->pause;
}

/* "http://host/path": where the path begins. */
static __always_inline u32 skip_authority(struct http_scratch *s, u32 at)
{
	u64 slashes = 0;
	u32 begin = at;
	for (u32 i = 0; i < 96; i++) {
		u64 c = s->text[at + i];
		slashes += BELOW(c ^ '/', 1);
		begin = at + i;
		if (slashes == 3 || c == ' ' || c == 0)
			break;
	}
	return begin & 127;
}

/* Keeps the beginning of a head whose rest has not come. */
static __always_inline int keep_part(struct http_state *state, struct http_scratch *s, u32 sent)
{
	u32 slot = s->slot;
	if (s->size >= PART_BYTES)
		return 0;
	http_parts.update(&slot, (struct http_part *)s->text);
	state->part = s->size;
	state->part_sent = sent;
	http_tally(HTTP_SPLIT);
	return 1;
}

/* Whether a short text may be the beginning of a head: of the answer that is waited for, or of a request. */
static __always_inline int may_begin(struct http_state *state, u8 c, u32 sent)
{
	if (state->role && sent != (state->role == ROLE_CLIENT))
		return state->pending && c == 'H';
	return c == 'G' || c == 'P' || c == 'D' || c == 'H' || c == 'O' || c == 'C' || c == 'T';
}

/* An answer's head was sent or received. */
static __always_inline void answered(struct http_state *state, struct http_scratch *s, u32 status)
{
	if (state->pending) {
		state->pending = 0;
		request_count(state, s->slot, status, 1);
	} else { /* one of several requests that came at once, or one of before the start */
		u64 path = state->path;
		u32 method = state->method;
		http_tally(HTTP_UNPAIRED);
		state->path = PATH_UNKNOWN;
		state->method = METHOD_OTHER;
		request_count(state, s->slot, status, 0);
		state->path = path;
		state->method = method;
	}
	if (status == 101 || (state->method == METHOD_CONNECT && status / 100 == 2)) {
		http_tally(HTTP_UPGRADED);
		state->verdict = VERDICT_LEAVE;
	}
}

/* Interim answers are followed by the answer, often at once: looks for that behind the first one. */
static __always_inline u32 status_behind(struct http_scratch *s)
{
	u64 last = 0;
	u32 at = 0;
	for (u32 i = 12; i < HEAD_BYTES; i++) {
		if (i + 13 > s->size)
			return 0;
		last = last << 8 | s->text[i];
		if ((u32)last == 0x0d0a0d0a) {
			at = i + 1;
			break;
		}
	}
	at = through_memory(s, at) & 255;
	u8 head[16] = {};
	bpf_probe_read_kernel(head, sizeof(head), s->text + at);
	return at ? status_of(head) : 0;
}

static __always_inline void began(struct http_state *state, struct http_scratch *s, u32 sent, u32 method, u64 path)
{
	request_give_up(state, s->slot);
	state->role = sent ? ROLE_CLIENT : ROLE_SERVER;
	state->method = method;
	state->path = path;
	state->request_ns = bpf_ktime_get_ns();
	state->pending = 1;
	state->body = BODY_NONE;
	state->left = 0;
	s->scan = has_body(method);
}

/* One read or write whose first bytes are in `text`. Returns 0 if it is no head. */
static __always_inline int head_read(struct http_state *state, struct http_scratch *s, u32 sent)
{
	u32 at = 0, size = s->size;
	u64 word = *(u64 *)s->text, path = PATH_NONE;
	if (size < 13 && may_begin(state, s->text[0], sent) && (size < 8 || s->text[0] == 'H'))
		return keep_part(state, s, sent);
	if (size < 8)
		return 0;
	u32 status = status_of(s->text);
	if (status) {
		if (state->role && sent == (state->role == ROLE_CLIENT))
			return 1; /* the body of a request that looks like one */
		if (!state->role)
			state->role = sent ? ROLE_SERVER : ROLE_CLIENT;
		if (status < 200 && status != 101)
			status = status_behind(s);
		if (status)
			answered(state, s, status);
		return 1;
	}
	u32 method = method_of(word, &at);
	if (!method || (state->role && sent != (state->role == ROLE_CLIENT)))
		return 0;
	at = through_memory(s, at) & 15;
	if (s->text[at] == 'h')
		at = skip_authority(s, at);
	at = through_memory(s, at) & 127;
	if (s->text[at] == '/') {
		path = path_hash(s, at, size);
		if (at + s->path_end >= size && size < PART_BYTES)
			return keep_part(state, s, sent);
		s->path_at = at;
		path = path_known(state, s, path);
	}
	began(state, s, sent, method, path);
	return 1;
}
#endif
