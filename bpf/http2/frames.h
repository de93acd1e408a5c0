/* Frames of one direction of a connection: pieces of memory, split frames and split heads of frames are one case. */
#ifdef HTTP_PROGRAMS

#define HTTP2_HEAD_BYTES 9
#define HTTP2_LARGEST 16384 /* payload of a frame, unless the peers agree on more */
/* "PRI * HT": what the preface begins with */
#define HTTP2_PREFACE WORD8('P', 'R', 'I', ' ', '*', ' ', 'H', 'T')
#define HTTP2_NO_TYPE 255
/* Pieces of memory that are looked through for the second frame of a connection that was open before. */
#define HTTP2_PIECES 8

static __always_inline u32 frame_length(u8 *head)
{
	return (u32)head[0] << 16 | (u32)head[1] << 8 | head[2];
}

static __always_inline u32 frame_stream(u8 *head)
{
	return (u32)head[5] << 24 | (u32)head[6] << 16 | (u32)head[7] << 8 | head[8];
}

/* Whether these bytes are, beyond chance, the head of a frame that may follow another one. */
static __always_inline int frame_valid(u8 *head)
{
	u32 length = frame_length(head), stream = frame_stream(head), type = head[3], flags = head[4];
	if (length > HTTP2_LARGEST || stream >> 31)
		return 0;
	if (type == HTTP2_DATA)
		return stream && !(flags & ~(HTTP2_END_STREAM | HTTP2_PADDED));
	if (type == HTTP2_HEADERS)
		return stream && length &&
		       !(flags & ~(HTTP2_END_STREAM | HTTP2_END_HEADERS | HTTP2_PADDED | HTTP2_PRIORITY));
	if (type == 2) /* PRIORITY */
		return stream && length == 5 && !flags;
	if (type == HTTP2_RST_STREAM)
		return stream && length == 4 && !flags;
	if (type == 4) /* SETTINGS */
		return !stream && (flags ? flags == 1 && !length : length % 6 == 0);
	if (type == 6) /* PING */
		return !stream && length == 8 && !(flags & ~1);
	if (type == HTTP2_GOAWAY)
		return !stream && length >= 8 && !flags;
	return type == 8 && length == 4 && !flags; /* WINDOW_UPDATE */
}

/* Whether a frame may have this head where one is expected: if not, the direction is not where it is thought to be. */
static __always_inline int frame_plausible(struct http2_direction *d)
{
	if (d->type == 4 || d->type == 6 || d->type == HTTP2_GOAWAY)
		return !d->stream;
	if (d->type == HTTP2_RST_STREAM && d->left != 4)
		return 0;
	return d->type > HTTP2_CONTINUATION || d->type == 8 || d->stream;
}

static __always_inline int told_by_pieces(u8 type)
{
	return type == HTTP2_HEADERS || type == HTTP2_CONTINUATION || type == HTTP2_PUSH_PROMISE ||
	       type == HTTP2_RST_STREAM || type == HTTP2_GOAWAY;
}

/* The direction's next frame cannot be found: it is looked for at the beginning of each call from now on. */
static __always_inline void unfollow(struct http2_run *r, struct http2_direction *d)
{
	http2_tally(HTTP2_UNFOLLOWED);
	d->synced = 0;
	d->lost = 1;
	d->left = d->had = 0;
	r->room = r->left = r->pieces = 0;
}

/* The next piece of memory. Returns 0 if there is none, or if it cannot be read. */
static __always_inline int next_piece(struct http2_run *r)
{
	u64 piece[2] = {};
	if (!r->pieces || !r->left || bpf_probe_read_user(piece, sizeof(piece), (void *)r->vector))
		return 0;
	r->vector += sizeof(piece);
	r->pieces--;
	r->at = piece[0];
	r->room = piece[1] < r->left ? piece[1] : r->left;
	r->left -= r->room;
	return 1;
}

/* A frame's head is whole. */
static __always_inline void frame_begins(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	d->had = 0;
	d->left = frame_length(d->head);
	d->type = d->head[3];
	d->flags = d->head[4];
	d->stream = frame_stream(d->head) & 0x7fffffff;
	d->first = 1;
	if (!frame_plausible(d)) {
		unfollow(r, d);
		return;
	}
	if (d->type == HTTP2_DATA) {
		if (d->data_stream != d->stream)
			tell_data(r, c, d, 0);
		d->data_stream = d->stream;
		d->data += d->left;
		if (d->flags & HTTP2_END_STREAM)
			tell_data(r, c, d, HTTP2_END_STREAM);
	} else if (told_by_pieces(d->type)) {
		if (d->data && d->data_stream == d->stream)
			tell_data(r, c, d, 0);
		if (!d->left)
			tell_piece(r, c, d, 0);
	}
}

/* As much of a frame's head as lies here. */
static __always_inline void take_head(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	u64 had = d->had & 15, size = r->room;
	if (had > HTTP2_HEAD_BYTES - 1)
		had = 0;
	if (size > HTTP2_HEAD_BYTES - had)
		size = HTTP2_HEAD_BYTES - had;
	HIDE(had);
	HIDE(size);
	if (had > HTTP2_HEAD_BYTES - 1 || size > HTTP2_HEAD_BYTES || !r->at ||
	    bpf_probe_read_user(d->head + had, size, (void *)r->at)) {
		unfollow(r, d);
		return;
	}
	r->at += size;
	r->room -= size;
	d->had = had + size;
	if (d->had >= HTTP2_HEAD_BYTES)
		frame_begins(r, c, d);
}

/* As much of a frame's payload as lies here, or as a record holds. */
static __always_inline void take_payload(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	u64 size = r->room < d->left ? r->room : d->left;
	int told = told_by_pieces(d->type);
	if (told && size > HTTP2_PIECE)
		size = HTTP2_PIECE;
	if (told && !r->at) {
		unfollow(r, d);
		return;
	}
	d->left -= size;
	if (told)
		tell_piece(r, c, d, size);
	if (r->at)
		r->at += size;
	r->room -= size;
}

/* Returns 0 if nothing is left of what the call moved. */
static __always_inline int http2_step(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	if (!r->room)
		return next_piece(r);
	if (!d->left)
		take_head(r, c, d);
	if (d->left && r->room)
		take_payload(r, c, d);
	return 1;
}
#endif
