/* Which connections are HTTP/2: by the preface at either end; those that were open before, by frames that follow each other. */
#ifdef HTTP_PROGRAMS

enum http2_found {
	FOUND_NOTHING,
	FOUND_FRAMES,
	FOUND_SETTINGS, /* what a server begins with */
	FOUND_PREFACE,
};

/* Where byte `offset` of what a call moved lies, with a frame's head behind it in one piece; 0 if it does not. */
static __always_inline u64 address_of(struct http2_run *r, u64 offset)
{
	u64 piece[2] = {};
	if (offset + HTTP2_HEAD_BYTES <= r->room)
		return r->at + offset;
	if (offset < r->room)
		return 0;
	offset -= r->room;
	for (u32 i = 0; i < HTTP2_PIECES; i++) {
		if (i >= r->pieces || bpf_probe_read_user(piece, sizeof(piece), (void *)(r->vector + i * sizeof(piece))))
			return 0;
		if (offset < piece[1])
			return offset + HTTP2_HEAD_BYTES <= piece[1] ? piece[0] + offset : 0;
		offset -= piece[1];
	}
	return 0;
}

/* What begins at the beginning of what a call moved. */
static __always_inline int http2_find(struct http2_run *r)
{
	u8 head[16] = {};
	u64 bytes = r->room + r->left;
	if (!r->at || r->room < HTTP2_HEAD_BYTES || bpf_probe_read_user(head, HTTP2_HEAD_BYTES, (void *)r->at))
		return FOUND_NOTHING;
	if (*(u64 *)head == HTTP2_PREFACE)
		return FOUND_PREFACE;
	if (!frame_valid(head))
		return FOUND_NOTHING;
	int found = head[3] == 4 && !head[4] ? FOUND_SETTINGS : FOUND_FRAMES;
	u64 next = HTTP2_HEAD_BYTES + frame_length(head);
	if (next == bytes)
		return found;
	u64 at = next + HTTP2_HEAD_BYTES <= bytes ? address_of(r, next) : 0;
	if (!at || bpf_probe_read_user(head, HTTP2_HEAD_BYTES, (void *)at) || !frame_valid(head))
		return FOUND_NOTHING;
	return found;
}

/* The direction goes on behind what was found, of which `had` bytes came before. */
static __always_inline void direction_begin(struct http2_run *r, struct http2_state *c, struct http2_direction *d, int found,
					    u32 had)
{
	d->synced = 1;
	if (found != FOUND_PREFACE)
		return;
	d->left = HTTP2_PREFACE_BYTES - had;
	d->type = HTTP2_NO_TYPE;
	c->way = r->sent ? HTTP2_CLIENT : HTTP2_SERVER;
}

/* The state of a connection that is seen for the first time; 0 if it is no HTTP/2, or one of too many. */
static __always_inline struct http2_state *http2_recognize(struct http2_run *r, struct http_state *state,
							   struct http_scratch *s)
{
	struct http2_state fresh = {.generation = state->generation};
	int split = s->had && s->had < HTTP2_PREFACE_BYTES && *(u64 *)s->text == HTTP2_PREFACE;
	int found = split ? FOUND_PREFACE : http2_find(r);
	u32 slot = r->slot;
	if (found == FOUND_NOTHING)
		return 0;
	/* where the preface is the first that moved, nothing has come the other way */
	fresh.directions[!r->sent].synced = found == FOUND_PREFACE && state->tries < 2;
	if (http2_states.update(&slot, &fresh)) {
		http2_tally(HTTP2_LEFT_OUT);
		state->verdict = VERDICT_LEAVE;
		return 0;
	}
	struct http2_state *c = http2_states.lookup(&slot);
	if (!c)
		return 0;
	direction_begin(r, c, &c->directions[r->sent & 1], found, split ? s->had : 0);
	http2_tally(HTTP2_CONNECTIONS_SEEN);
	if (found == FOUND_FRAMES) { /* what its tables have is not known */
		http2_tally(HTTP2_JOINED);
		c->directions[0].lost = c->directions[1].lost = 1;
	}
	state->verdict = VERDICT_HTTP2;
	return c;
}
#endif
