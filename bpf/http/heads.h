/* Heads of requests and answers. */
#ifdef HTTP_PROGRAMS

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

enum head_found {
	HEAD_NONE,
	HEAD_PART, /* it may be the beginning of one */
	HEAD_WHOLE, /* its first line, as far as it matters; `at` is behind that */
};

static __always_inline void way_begin(struct http_way *way)
{
	way->left = 0;
	way->place = PLACE_LINES;
	way->chunked = way->sized = way->bare = way->expects = 0;
}

/* Whether a text that is too short for more may be the beginning of a head. */
static __always_inline int may_begin(u64 c, int ask)
{
	return c == 'H' || (ask && (c == 'G' || c == 'P' || c == 'D' || c == 'O' || c == 'C' || c == 'T'));
}

/* A request's first line at the beginning of the window. */
static __always_inline int ask_read(struct http_state *state, struct http_scratch *s)
{
	u32 at = 0, size = s->size;
	u64 path = PATH_NONE;
	if (size < 10)
		return may_begin(s->text[0], 1) ? HEAD_PART : HEAD_NONE;
	u32 method = method_of(*(u64 *)s->text, &at);
	if (!method)
		return HEAD_NONE;
	at = through_memory(s, at) & 15;
	if (s->text[at] == 'h')
		at = skip_authority(s, at);
	else if (s->text[at] != '/' && s->text[at] != '*' && method != METHOD_CONNECT)
		return HEAD_NONE;
	at = through_memory(s, at) & 127;
	if (at >= size && size < PART_BYTES)
		return HEAD_PART;
	s->path_end = 0;
	if (s->text[at] == '/') {
		path = path_hash(s, at, size);
		if (at + s->path_end >= size && size < PART_BYTES)
			return HEAD_PART;
		s->path_at = at;
		s->hash = path;
		path = text_known(path, &state->known, &s->learn);
		fold_learn(s->raw, path);
		s->raw = 0;
	}
	if (!state->role)
		state->role = s->sent ? ROLE_CLIENT : ROLE_SERVER;
	way_begin(&state->asks);
	ask_push(state, s, method, path);
	s->at = at + s->path_end;
	return HEAD_WHOLE;
}

/* The request that an answer with this status belongs to, into `s->ask`. Returns 0 if there is none. */
static __always_inline int ask_of(struct http_state *state, struct http_scratch *s, u32 status)
{
	if (ask_pop(state, &s->ask, s->slot))
		return 1;
	http_tally(HTTP_UNPAIRED);
	s->ask.at_ns = s->ask.host = 0;
	s->ask.path = PATH_UNKNOWN;
	s->ask.method = METHOD_OTHER;
	/* A server may give up without a request; any other answer would be text that only looks like one. */
	return !state->whole || status >= 400;
}

/* An answer's first line at the beginning of the window. */
static __always_inline int answer_read(struct http_state *state, struct http_scratch *s)
{
	if (s->size < 13)
		return may_begin(s->text[0], 0) ? HEAD_PART : HEAD_NONE;
	u32 status = status_of(s->text);
	if (!status)
		return HEAD_NONE;
	if (!state->role)
		state->role = s->sent ? ROLE_SERVER : ROLE_CLIENT;
	way_begin(&state->answers);
	s->at = 12;
	if (status < 200 && status != 101) {
		state->asks.expects = 0;
		state->answers.bare = 1;
		return HEAD_WHOLE;
	}
	if (ask_of(state, s, status)) {
		request_count(state, &s->ask, s->slot, status);
#ifdef PROXY_SOCKETS
		if (state->role == ROLE_SERVER)
			link_answered(state, &s->ask, s->slot, status);
#endif
	}
	u32 method = s->ask.method;
	state->answers.bare = method == METHOD_HEAD || status == 204 || status == 304;
	if (!method)
		state->answers.expects = 1; /* may have been HEAD: its body cannot be followed */
	if (status == 101 || (method == METHOD_CONNECT && status / 100 == 2)) {
		http_tally(HTTP_UPGRADED);
		state->verdict = VERDICT_LEAVE;
	}
	return HEAD_WHOLE;
}

/* The end of a head: what follows it. */
static __always_inline void head_end(volatile struct http_way *way, int asks)
{
	if (!asks && way->expects)
		way->place = PLACE_LOST;
	else if (way->bare)
		way->place = PLACE_HEAD;
	else if (way->chunked)
		way->place = PLACE_SIZE;
	else if (way->sized)
		way->place = way->left ? PLACE_BODY : PLACE_HEAD;
	else
		way->place = asks ? PLACE_HEAD : PLACE_END;
}

#if HTTP_HOSTS
/* The request that came last is for this host. */
static __always_inline void ask_host(struct http_state *state, struct http_scratch *s)
{
	struct http_waiting_key key = {.slot = s->slot, .number = state->asked - 1};
	struct http_ask *ask = &state->ask;
	if (ask->number != key.number)
		ask = http_waiting.lookup(&key);
	s->host = s->host > PATH_UNKNOWN ? s->host : s->host + 3;
	if (ask && ask->generation == state->generation)
		ask->host = text_known(s->host, &state->known_host, &s->learn_host);
}
#endif
#endif
