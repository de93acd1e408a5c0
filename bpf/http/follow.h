/* One direction of a socket, followed from byte to byte: heads, bodies by length and in chunks, whatever calls move them. */
#ifdef HTTP_PROGRAMS

/* Pieces of memory of one call that are looked through. */
#define PIECES 16

/* By an offset that the verifier knows no value of: both directions are one case to it. */
static __always_inline struct http_way *way_of(struct http_state *state, u64 asks)
{
	u64 offset = asks ? 0 : sizeof(struct http_way);
	HIDE(offset);
	return (void *)&state->asks + (offset & sizeof(struct http_way));
}

/* Until something of the direction is recognized again, at the beginning of a call. */
static __always_inline void way_lose(struct http_state *state, struct http_way *way, struct http_scratch *s)
{
	way->place = PLACE_LOST;
	way->left = 0;
	state->whole = 0;
	s->from = s->end;
	http_tally(HTTP_UNFOLLOWED);
}

/* Reads up to `want` bytes of user memory into the window behind its first `size`. Returns 0 if that is not possible. */
static __always_inline int window_add(struct http_scratch *s, u64 from, u64 want)
{
	s->want = want;
	asm volatile("" ::: "memory");
	u64 at = *(volatile u64 *)&s->size, bytes = *(volatile u64 *)&s->want;
	HIDE(at);
	at &= 511;
	HIDE(bytes);
	if (bytes > WINDOW_BYTES || bpf_probe_read_user(s->text + at, bytes, (void *)from))
		return 0;
	s->size = at + bytes;
	return 1;
}

/* Behind the window are zeros: no line ends there, and no field begins. */
static __always_inline void window_close(struct http_scratch *s)
{
	u64 at = *(volatile u64 *)&s->size;
	HIDE(at);
	at &= 511;
	u64 *behind = (u64 *)(s->text + at);
	behind[0] = behind[1] = behind[2] = 0;
}

/* What the call before left, at the beginning of the window. */
static __always_inline void window_begin(struct http_scratch *s)
{
	struct http_part_key key = {.slot = s->slot, .sent = s->sent};
	s->size = 0;
	if (s->from || !s->had)
		return;
	struct http_part *part = http_parts.lookup(&key);
	if (part)
		bpf_probe_read_kernel(s->text, PART_BYTES, part->text);
	s->size = s->had & (PART_BYTES - 1);
}

/* Fills the window from `from` on out of the first piece of memory. Returns 0 if nothing of it lies there. */
static __always_inline int window_fill(struct http_scratch *s)
{
	window_begin(s);
	u64 offset = s->size ? 0 : s->from - s->had, want = s->bytes - offset;
	if (offset >= s->room)
		return 0;
	if (want > s->room - offset)
		want = s->room - offset;
	if (!window_add(s, s->buffer + offset, want < WINDOW_BYTES ? want : WINDOW_BYTES))
		return 0;
	window_close(s);
	return 1;
}

/* The same out of all pieces. */
static __always_inline int window_gather(struct http_scratch *s)
{
	u64 pieces = 0, vector = user_vector(&pieces);
	window_begin(s);
	u64 skip = s->size ? 0 : s->from - s->had, left = s->bytes;
	s->gathered = 0;
	for (u32 i = 0; i < PIECES; i++) {
		u64 piece[2] = {};
		if (i >= pieces || !left || s->size >= WINDOW_BYTES ||
		    bpf_probe_read_user(piece, sizeof(piece), (void *)(vector + i * sizeof(piece))))
			break;
		if (piece[1] > left)
			piece[1] = left;
		u64 bytes = piece[1];
		left -= bytes;
		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		bytes -= skip;
		if (!window_add(s, piece[0] + skip, bytes < WINDOW_BYTES ? bytes : WINDOW_BYTES))
			break;
		skip = 0;
		if (s->gathered)
			continue;
		s->gathered = 1; /* `window_fill` goes on in this piece: as if those before it lay before it */
		s->room = s->bytes - left;
		s->buffer = piece[0] + piece[1] - s->room;
	}
	window_close(s);
	return s->size > 0;
}

/* Keeps the window from `at` on for the next call, where the call has nothing more. Returns 0 if that is too much, or if it is
 * to be looked at again with what follows it in this call. */
static __always_inline int part_keep(struct http_way *way, struct http_scratch *s, u64 at)
{
	struct http_part_key key = {.slot = s->slot, .sent = s->sent};
	u64 bytes = s->size - at;
	if (s->from + s->size < s->end || bytes >= PART_BYTES)
		return 0;
	HIDE(at);
	at &= 511;
	bpf_probe_read_kernel(s->folded, PART_BYTES, s->text + at);
	http_parts.update(&key, (struct http_part *)s->folded);
	__builtin_memset(s->folded, 0, PART_BYTES);
	way->part = bytes;
	s->from = s->end;
	http_tally(HTTP_SPLIT);
	return 1;
}

/* Nothing of a window stays behind: heads have secrets. To be called where no program goes on with it. */
static __always_inline void window_wipe(struct http_state *state, struct http_scratch *s)
{
	struct http_part_key key = {.slot = s->slot, .sent = s->sent};
	if (s->had && !way_of(state, state->role ? s->asks : s->sent)->part) /* as `look` keeps it */
		http_parts.delete(&key);
	__builtin_memset(s->text, 0, WINDOW_BYTES);
	if (s->size > WINDOW_BYTES)
		__builtin_memset(s->text + WINDOW_BYTES, 0, WINDOW_BYTES);
}

/* Passes over what is left of a body or chunk. */
static __always_inline void pass(struct http_way *way, struct http_scratch *s)
{
	u64 bytes = s->end - s->from, left = way->left;
	if (way->place == PLACE_END)
		s->from = s->end;
	if (way->place != PLACE_BODY && way->place != PLACE_CHUNK)
		return;
	if (left > bytes) {
		way->left = left - bytes;
		s->from = s->end;
		return;
	}
	s->from += left;
	way->left = 0;
	way->place = way->place == PLACE_BODY ? PLACE_HEAD : PLACE_SIZE;
}

/* The line with a chunk's size, at the beginning of the window. Returns 0 if it is none, or none yet. */
static __always_inline int size_read(volatile struct http_way *way, volatile struct http_scratch *s)
{
	u64 digits = 0;
	s->length = 0;
	for (u32 i = 0; i < 16; i++) {
		u64 c = s->text[i], letter = (c | 32) - 'a';
		if (c - '0' < 10)
			s->length = s->length << 4 | (c - '0');
		else if (letter < 6)
			s->length = s->length << 4 | (letter + 10);
		else
			break;
		digits = i + 1;
	}
	s->at = digits;
	for (u32 i = 0; i < 16; i++) { /* an extension may stand there */
		u64 at = s->at, ends = marks(word_at(s, at), '\n');
		if (at >= s->size)
			return 0;
		if (!ends) {
			s->at = at + 8;
			continue;
		}
		s->at = at + up_to(ends);
		break;
	}
	if (!digits || s->at > s->size)
		return 0;
	way->left = s->length + 2;
	way->place = s->length ? PLACE_CHUNK : PLACE_TRAILER;
	if (!s->length) /* an empty line may follow at once: its search begins at the end of this one */
		s->at = s->at - 1;
	return 1;
}

/* What the beginning of the window is if a head is expected there. Returns enum head_found. */
static __always_inline int head_read(struct http_state *state, struct http_scratch *s)
{
	if (!state->role)
		s->asks = !(s->text[0] == 'H' && s->text[1] == 'T');
	if (state->verdict == VERDICT_LEAVE)
		return HEAD_NONE;
	int found = s->asks ? ask_read(state, s) : answer_read(state, s);
	s->line = s->size;
	return found;
}

/* Goes on to the end of the head under way, or to that of the window. */
static __always_inline void head_follow(struct http_state *state, struct http_way *way, struct http_scratch *s)
{
	if (lines_read(s, way)) {
		if (way->place == PLACE_TRAILER)
			way->place = PLACE_HEAD;
		else
			head_end(way, s->asks);
		s->from += s->at;
	} else {
		u64 at = lines_left(s);
		if (!part_keep(way, s, at)) {
			s->from += at;
			s->again = !at;
		}
	}
#if HTTP_HOSTS
	if (s->asks && s->host_end)
		ask_host(state, s);
#endif
}

/* Looks at one window. Returns 0 if nothing of HTTP/1 begins where it has to. */
static __always_inline int look(struct http_state *state, struct http_scratch *s)
{
	if (!state->role) /* which direction it is only a head tells */
		s->asks = s->sent;
	struct http_way *way = way_of(state, s->asks);
	s->at = s->again = 0;
	if (way->place == PLACE_SIZE) {
		if (size_read(way, s))
			s->from += s->at;
		else if (!part_keep(way, s, 0))
			s->again = 1;
		return 1;
	}
	if (way->place == PLACE_HEAD || way->place == PLACE_LOST) {
		int found = head_read(state, s);
		if (found == HEAD_NONE)
			return 0;
		if (found == HEAD_PART) {
			if (!part_keep(way, s, 0))
				s->again = 1;
			return 1;
		}
		way = way_of(state, s->asks);
	} else {
		s->line = s->size;
	}
	head_follow(state, way, s);
	return 1;
}
#endif
