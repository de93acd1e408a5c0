/* Records into the ring. */
#ifdef HTTP_PROGRAMS

#define HTTP2_RECORD_BYTES 64 /* with the ring's own head */
/* of one processor; their sum is unknown, and others may fill the ring meanwhile */
#define HTTP2_WAKEUP_RECORDS (HTTP2_BYTES / HTTP2_RECORD_BYTES / 64)

/* Room for a record of this direction; 0, and the direction has lost something, if there is none. */
static __always_inline struct http2_record *record_reserve(struct http2_run *r, struct http2_state *c,
							   struct http2_direction *d)
{
	u64 made = http2_tally(HTTP2_RECORDS);
	struct http2_record *record = http2_ring.ringbuf_reserve(sizeof(struct http2_record));
	if (!record) {
		http2_tally(HTTP2_RECORDS_LOST);
		d->lost = 1;
		return 0;
	}
	__builtin_memset(record, 0, sizeof(*record));
	record->at_ns = bpf_ktime_get_ns();
	record->slot = r->slot;
	record->generation = c->generation;
	record->way = c->way | (r->sent ? HTTP2_SENT : 0) | (d->lost ? HTTP2_LOST : 0);
	record->flags = made % HTTP2_WAKEUP_RECORDS == 0; /* until it is written: whether to wake the reader */
	d->lost = 0;
	return record;
}

static __always_inline void record_submit(struct http2_record *record, u8 flags)
{
	u64 wake = record->flags ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	record->flags = flags;
	http2_ring.ringbuf_submit(record, wake);
}

/* A connection was recognized; returns 0 if the ring was full. */
static __always_inline int tell_begin(struct http2_run *r, struct http2_state *c, struct http2_direction *d)
{
	struct http2_record *record = record_reserve(r, c, d);
	if (!record)
		return 0;
	record->type = HTTP2_BEGIN;
	record->length = sizeof(u32);
	*(u32 *)record->text = r->netns;
	record_submit(record, 0);
	return 1;
}

/* Bytes of DATA, if there are any or `flags` say more. */
static __always_inline void tell_data(struct http2_run *r, struct http2_state *c, struct http2_direction *d, u8 flags)
{
	struct http2_record *record = d->data || flags ? record_reserve(r, c, d) : 0;
	if (!record)
		return;
	record->type = HTTP2_DATA;
	record->stream = d->data_stream;
	record->length = sizeof(u64);
	*(u64 *)record->text = d->data;
	d->data = 0;
	record_submit(record, flags);
}

/* The next `size` bytes of the payload of the frame under way; the frame ends behind them if nothing is left of it. */
static __always_inline void tell_piece(struct http2_run *r, struct http2_state *c, struct http2_direction *d, u64 size)
{
	struct http2_record *record = record_reserve(r, c, d);
	if (!record)
		return;
	record->type = d->type;
	record->stream = d->stream;
	record->length = size;
	record->way |= (d->first ? HTTP2_FIRST : 0) | (d->left ? 0 : HTTP2_LAST);
	d->first = 0;
	HIDE(size);
	if (size && (size > HTTP2_PIECE || bpf_probe_read_user(record->text, size, (void *)r->at))) {
		d->lost = 1;
		http2_ring.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	record_submit(record, d->flags);
}
#endif
