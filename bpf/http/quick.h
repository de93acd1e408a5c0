/* The usual call: it begins with a head, in one piece of memory, or is a part of a body. Little code, for most of what it
 * costs is to fetch code; what is not usual goes to `call` (bpf/http/hooks.c), and nothing is changed before. */
#ifdef HTTP_PROGRAMS

/* So much of a head is looked at; what is behind it `more` reads. */
#define QUICK_BYTES 448
/* One for 32 characters, one for each line. */
#define QUICK_STEPS 40
/* So many paths in a row that were not asked for of late; from then on one request in so many is tried. */
#define FOLD_MISSES 16
#define FOLD_TRY 64
#define LIKE_STEP 0x9e3779b97f4a7c15ull

/* All ones where a word has no marks, else 0. */
#define NO_MARKS(marks) (0 - ((~(marks) & ((marks) - 1)) >> 63))

/* So many heads in a row that were not like the one before; from then on one in so many is compared. */
#define LIKE_MISSES 16
#define LIKE_TRY 64

enum head_says {
	SAYS_LENGTH = 1,
	SAYS_CHUNKED = 2,
};

/* What is read of a head before anything of it is written down. */
struct quick_head {
	u64 at;	  /* where to go on: behind the head, or in its line under way */
	u64 ended; /* 1: behind the head */
	u64 left; /* what Content-Length says */
	u64 says; /* enum head_says */
	u64 host; /* where it is; 0: there is none */
};

/* Reads what the call moved. Returns 0 if that is not possible. */
static __always_inline int quick_fill(struct http_scratch *s)
{
	u64 want = s->bytes < s->room ? s->bytes : s->room;
	if (want > QUICK_BYTES)
		want = QUICK_BYTES;
	HIDE(want);
	if (want > QUICK_BYTES || bpf_probe_read_user(s->text, want, (void *)s->buffer))
		return 0;
	s->size = want;
	window_close(s);
	return 1;
}

/* Nothing of it stays behind. */
static __always_inline void quick_wipe(struct http_scratch *s)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < QUICK_BYTES; i += 64) {
		u64 *at = (u64 *)(s->text + i); /* as numbers: as characters the compiler would write each apart */
		if (i >= s->size)
			break;
		at[0] = at[1] = at[2] = at[3] = at[4] = at[5] = at[6] = at[7] = 0;
	}
}

/* A character that ends a path: its mark is the lowest. */
static __always_inline u64 path_marks(u64 word)
{
	return marks(word, ' ') | marks(word, '?') | marks(word, '#') | marks(word, '\r') | marks(word, '\n');
}

/* The path that begins at `begin`, as its requests are counted; 0 if it was not asked for of late. Behind it is `path_end`. */
static __always_inline u64 quick_path(struct http_scratch *s, u64 begin)
{
	u64 raw = 0, at = begin, end = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < PATH_BYTES / 8; i++) {
		at = through_memory(s, at);
		u64 word = word_at(s, at), bytes = 8;
		end = path_marks(word);
		if (end) {
			bytes = up_to(end) - 1;
			word &= (1ull << 8 * (bytes & 7)) - 1;
		}
		raw = (raw ^ word ^ bytes << 56) * 0x9e3779b97f4a7c15ull;
		raw ^= raw >> 29;
		at += bytes;
		if (end)
			break;
	}
	at = through_memory(s, at);
	if (!end || at >= s->size)
		return 0;
	s->path_end = at;
	s->raw = raw | 1; /* none is 0, as places are that nobody wrote */
	struct http_fold *fold = fold_of(s->raw);
	u64 path = fold ? fold->path : 0;
	return fold && (fold->check ^ path) == s->raw ? path : 0;
}

/* Characters up to the first newline of 32, that one included; 32 if there is none, and `found` is 0 then. Without branches:
 * which of them are taken changes with each line. */
static __always_inline u64 to_newline(struct http_scratch *s, u64 at, u64 *found)
{
	u64 one = marks(word_at(s, at), '\n'), two = marks(word_at(s, at + 8), '\n');
	u64 three = marks(word_at(s, at + 16), '\n'), four = marks(word_at(s, at + 24), '\n');
	u64 characters = up_to(three) + (up_to(four) & NO_MARKS(three)); /* without marks `up_to` is 8 */
	characters = up_to(two) + (characters & NO_MARKS(two));
	*found = one | two | three | four;
	return up_to(one) + (characters & NO_MARKS(one));
}

/* A hash of `bytes` characters, 32 or more. Four at once, for each waits for the one before. */
static __always_inline u64 like_hash(struct http_scratch *s, u64 at, u64 bytes)
{
	u64 one = bytes, two = 2, three = 3, four = 4, last = at + bytes - 32;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < QUICK_BYTES / 32; i++) {
		at = through_memory(s, at);
		u64 end = BELOW(at, last) ^ 1, back = (at - last) & (0 - end);
		at -= back; /* the last 32 may overlap with those before */
		one = (one ^ word_at(s, at)) * LIKE_STEP;
		two = (two ^ word_at(s, at + 8)) * LIKE_STEP;
		three = (three ^ word_at(s, at + 16)) * LIKE_STEP;
		four = (four ^ word_at(s, at + 24)) * LIKE_STEP;
		one ^= one >> 32;
		two ^= two >> 32;
		three ^= three >> 32;
		four ^= four >> 32;
		if (end)
			break;
		at += 32;
	}
	one = (one ^ two << 1 ^ two >> 63) * LIKE_STEP;
	three = (three ^ four << 1 ^ four >> 63) * LIKE_STEP;
	return (one ^ one >> 32 ^ three) * LIKE_STEP;
}

/* Whether heads of the direction are compared with the one before. */
static __always_inline int like_wanted(struct http_way *way, u32 number)
{
	return way->changed < LIKE_MISSES || number % LIKE_TRY == 0;
}

/* Whether what begins at `at` is the same as in the last head. */
static __always_inline int like_last(struct http_way *way, struct http_scratch *s, u64 at, struct quick_head *head)
{
	u64 bytes = way->like_bytes;
	if (!bytes || at + bytes > s->size || like_hash(s, at, bytes) != way->like)
		return 0;
	head->at = at + bytes;
	head->ended = 1;
	head->left = way->like_left;
	head->says = way->like_says;
	return 1;
}

static __always_inline void like_learn(struct http_way *way, struct http_scratch *s, u64 at, struct quick_head *head)
{
	u64 bytes = head->at - at;
	way->like_bytes = 0;
	way->changed += way->changed < LIKE_MISSES;
	if (!head->ended || bytes < 32 || bytes > QUICK_BYTES || head->left >> 32)
		return;
	way->like = like_hash(s, at, bytes);
	way->like_left = head->left;
	way->like_says = head->says;
	way->like_bytes = bytes;
}

/* Looks at the lines from `at` on, as `lines_find` does. Returns 0 if there is one that is not usual, or if the head has to be
 * kept for the next call. */
static __always_inline int quick_lines(struct http_scratch *s, u64 at, u64 asks, struct quick_head *head)
{
	u64 size = s->size, line = size, length = 0, host = 0, found = 0;
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < QUICK_STEPS; i++) {
		at = through_memory(s, at);
		at += to_newline(s, at, &found);
		if (at >= size)
			break;
		if (!found)
			continue;
		u64 word = word_at(s, at), name = LOWER(word);
		if (FIRST(word, 2) == WORD2('\r', '\n') || FIRST(word, 1) == '\n') { /* zeros are behind the window */
			at += 1 + (FIRST(word, 1) == '\r');
			head->ended = 1;
			break;
		}
		line = at - 1;
		if (name == NAME_CONTENT && FIRST(LOWER(word_at(s, at + 8)), 7) == NAME_LENGTH)
			length = at + 15;
		else if (name == NAME_TRANSFER && LOWER(word_at(s, at + 8)) == NAME_ENCODING)
			head->says = SAYS_CHUNKED;
		else if (FIRST(name, 7) == NAME_EXPECT)
			return 0;
#if HTTP_HOSTS
		else if (asks && FIRST(name, 4) == NAME_HOST && FIRST(word >> 32, 1) == ':')
			host = at + 5;
#endif
	}
	head->at = at;
	if (!head->ended && s->bytes <= size)
		return 0;
	if (!head->ended && at >= size) /* values are read once the end of their line was seen */
		head->at = line < size && size - line < PART_BYTES ? line : size;
	if (!head->ended && length > line)
		length = 0;
	if (head->ended || host <= line)
		head->host = through_memory(s, host);
	length = through_memory(s, length);
	if (length) {
		head->left = length_at(s, length);
		head->says |= SAYS_LENGTH;
	}
	return head->at <= size;
}

/* What is behind the first line, which ends at `at` or behind it. Returns 0 if that is not usual. */
static __always_inline int quick_rest(struct http_way *way, struct http_scratch *s, u64 at, u32 number, struct quick_head *head)
{
	u64 wanted = like_wanted(way, number) && !(HTTP_HOSTS && s->asks);
	if (wanted && like_last(way, s, at, head)) {
		way->changed = 0;
		return 1;
	}
	if (!quick_lines(s, at, s->asks, head))
		return 0;
	if (wanted)
		like_learn(way, s, at, head);
	return 1;
}

/* What a head says of its body. */
static __always_inline void quick_way(struct http_way *way, struct quick_head *head)
{
	way_begin(way);
	way->chunked = (head->says & SAYS_CHUNKED) != 0;
	way->sized = head->says & SAYS_LENGTH;
	way->left = head->left;
}

/* Whether the request's host is one that the socket had. */
static __always_inline u64 quick_host(struct http_state *state, struct http_scratch *s, struct quick_head *head)
{
#if HTTP_HOSTS
	if (!head->host)
		return PATH_NONE;
	s->host_at = head->host;
	host_read(s);
	u64 host = s->host > PATH_UNKNOWN ? s->host : s->host + 3;
	s->host_end = 0;
	return host == state->known_host ? host : PATH_UNKNOWN;
#else
	return PATH_NONE;
#endif
}

/* A request's head, if nobody waits for an answer on the socket. */
static __always_inline int quick_ask(struct http_state *state, struct http_scratch *s, struct quick_head *head)
{
	u32 at = 0;
	if (state->asked != state->answered || s->size < 10)
		return 0;
	u32 method = method_of(*(u64 *)s->text, &at);
	if (!method || method == METHOD_CONNECT)
		return 0;
	at = through_memory(s, at) & 15;
	if (s->text[at] != '/')
		return 0;
	u64 path = quick_path(s, at);
	if (!path) {
		state->asks.unfolded += state->asks.unfolded < FOLD_MISSES;
		return 0;
	}
	state->asks.unfolded = 0;
	if (!quick_rest(&state->asks, s, s->path_end, state->asked, head))
		return 0;
	u64 host = quick_host(state, s, head);
	if (host == PATH_UNKNOWN)
		return 0;
	quick_way(&state->asks, head);
	state->asked_bytes += s->bytes;
	ask_push(state, s, method, path);
	state->ask.host = host;
	return 1;
}

/* The head of an answer whose request is the only one that waits. */
static __always_inline int quick_answer(struct http_state *state, struct http_scratch *s, struct quick_head *head)
{
	struct http_ask *ask = &state->ask;
	u32 number = state->answered, method = ask->method;
	if (number == state->asked || ask->number != number || ask->generation != state->generation || s->size < 13)
		return 0;
	u32 status = status_of(s->text);
	if (status < 200 || !method || method == METHOD_CONNECT || !quick_rest(&state->answers, s, 12, number, head))
		return 0;
	struct request_cell *cell = cell_known(state, ask, s->slot, status);
	if (!cell)
		return 0;
	quick_way(&state->answers, head);
	state->answers.bare = method == METHOD_HEAD || status == 204 || status == 304;
	cell_count(state, cell, ask, status);
	asm volatile("" ::: "memory");
	state->answered = number + 1;
	return 1;
}

/* The call is over, but for what `more` has to look at. */
static __always_inline void quick_end(void *ctx, u32 runner, struct http_state *state, struct http_scratch *s)
{
	if (s->from < s->end)
		http_jump(ctx, runner, JUMP_MORE);
	call_end(state, s);
}

/* Returns 0 if the call is for `call`: on older kernels, where nobody has seen the verifier take it, always. */
static __always_inline int quick(void *ctx, u32 runner, struct http_state *state, struct http_scratch *s)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	struct quick_head head = {};
	s->asks = s->sent == (state->role == ROLE_CLIENT);
	struct http_way *way = way_of(state, s->asks);
	u32 place = way->place;
	if (!state->role || way->part || way->expects)
		return 0;
	s->from = s->had = s->again = s->learn = s->learn_host = s->host_end = 0;
	s->end = s->bytes;
	if (place == PLACE_END || ((place == PLACE_BODY || place == PLACE_CHUNK) && s->bytes <= way->left)) {
		if (s->asks)
			state->asked_bytes += s->bytes;
		pass(way, s);
		call_end(state, s);
		return 1;
	}
	if (place != PLACE_HEAD || (s->asks && state->asks.unfolded == FOLD_MISSES && state->asked % FOLD_TRY))
		return 0;
	find_buffer(s, s->given, s->bytes);
	if (!s->buffer)
		return 0;
	s->size = QUICK_BYTES; /* a read that fails may have read something */
	int usual = quick_fill(s) && (s->asks ? quick_ask(state, s, &head) : quick_answer(state, s, &head));
	quick_wipe(s);
	if (!usual)
		return 0;
	way = way_of(state, s->asks);
	s->from = head.at;
	if (head.ended) {
		head_end(way, s->asks);
		pass(way, s);
	}
	quick_end(ctx, runner, state, s);
	return 1;
#else
	return 0;
#endif
}
#endif
