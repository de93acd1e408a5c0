/* Clients' Initial packets into the probe's ring, called from where flows are looked at (bpf/udp/hooks.c): not behind a
 * server's hello, and never for a flow that is no QUIC. */

#ifdef QUIC_PROBE

#define QUIC_LONG_INITIAL 0xc0    /* of the first byte: long header, fixed bit, type */
#define QUIC_LONG_INITIAL_V2 0xd0 /* RFC 9369, 3.2 */
#define QUIC_TYPE_MASK 0xf0
#define QUIC_LEAST_BYTES 1200 /* to which a client's Initial datagrams and a server's hello are filled up (RFC 9000, 14.1) */
#define QUIC_ANSWERS 4        /* so many answers below that are waited through */

static __always_inline int is_initial(u8 *payload)
{
	u8 type = payload[0] & QUIC_TYPE_MASK;
	int second = payload[1] == 0x6b && payload[2] == 0x33;
	return type == (second ? QUIC_LONG_INITIAL_V2 : QUIC_LONG_INITIAL);
}

/* Whether the client's hello may go on behind an answer: so it does behind a Retry, which makes the client begin again with
 * another connection id and so with other keys, behind a list of versions, and behind what acknowledges a part of the hello.
 * These are short; what has a server's hello is not. */
static __always_inline int quic_waits(struct packet *packet, struct udp_cell *cell)
{
	if (cell->event.application != APPLICATION_QUIC || packet->bytes >= QUIC_LEAST_BYTES ||
	    cell->initials >= QUIC_DATAGRAMS || cell->answers >= QUIC_ANSWERS)
		return 0;
	cell->answers++;
	return 1;
}

static __always_inline void quic_see(struct __sk_buff *skb, struct packet *packet, struct udp_cell *cell, u32 slot)
{
	if (cell->initials >= QUIC_DATAGRAMS || packet->bytes < QUIC_LEAST_BYTES)
		return;
	cell->initials++;
	struct quic_record *record = quic_ring.ringbuf_reserve(sizeof(struct quic_record));
	if (!record) {
		quic_tally(QUIC_RING_FULL);
		return;
	}
	__builtin_memset(record, 0, __builtin_offsetof(struct quic_record, payload));
	record->length = packet->bytes < sizeof(record->payload) ? packet->bytes : sizeof(record->payload);
	/* Read from the record, so that the verifier need not follow how the length came about; 64 bits, and barriers between
	 * comparisons, which the compiler makes one of, so that it sees both bounds. */
	u64 take = *(volatile u32 *)&record->length;
	asm volatile("" : "+r"(take));
	int readable = take >= QUIC_LEAST_BYTES;
	if (readable) {
		asm volatile("" : "+r"(take));
		readable = take <= sizeof(record->payload) &&
			   !bpf_skb_load_bytes(skb, packet->offset, record->payload, take);
	}
	if (!readable) {
		quic_tally(QUIC_UNREADABLE);
		quic_ring.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	if (!is_initial(record->payload)) {
		quic_ring.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	record->header.at_ns = bpf_ktime_get_ns();
	record->header.slot = SLOTS + slot;
	record->header.generation = cell->generation;
	record->header.kind = KIND_QUIC_INITIAL;
	record->netns = cell->event.socket.netns;
	quic_ring.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	quic_tally(QUIC_TOLD);
}

#endif
