/* Messages of DNS into the probe's ring, called from where packets pass (bpf/udp/hooks.c). */

#define DNS_HEADER_BYTES 12
#define DNS_PAYLOAD_BYTES 424

/* A packet of a socket, as far as its caller knows it. */
struct dns_seen {
	struct description *socket;
	u32 slot; /* of all rows: a TCP socket's, or SLOTS and that of a UDP flow */
	u32 generation;
	u32 begin;    /* of the payload in the packet */
	u32 length;   /* of the payload */
	u32 sequence; /* of TCP, in host order */
	u16 local_port;
	u16 peer_port;
	u8 out;
	u8 transport;
};

static __always_inline int dns_port(u32 port)
{
	u8 *wanted = dns_ports.lookup(&port);
	return wanted && *wanted;
}

/* Whether an end of this packet is a server of DNS. */
static __always_inline int dns_wanted(u16 local_port, u16 peer_port)
{
	return dns_port(peer_port) || dns_port(local_port);
}

/* Whether one packet more may be decoded. */
static __always_inline int dns_within_rate(u64 now)
{
	u32 zero = 0;
	struct dns_rate *rate = dns_rates.lookup(&zero);
	if (!rate)
		return 0;
	if (rate->period != now >> 30) {
		rate->period = now >> 30;
		rate->packets = 0;
	}
	return rate->packets++ < DNS_RATE;
}

/* Room for a record, its head filled in; 0 if there is none. */
static __always_inline struct dns_record *dns_reserve(u32 slot, u32 generation, u64 now, u8 what)
{
	struct dns_record *record = dns_ring.ringbuf_reserve(sizeof(struct dns_record));
	if (!record) {
		dns_tally(DNS_RING_FULL);
		return 0;
	}
	__builtin_memset(record, 0, __builtin_offsetof(struct dns_record, payload));
	record->header.at_ns = now;
	record->header.slot = slot;
	record->header.generation = generation;
	record->header.kind = KIND_DNS_MESSAGE;
	record->header.old_state = what;
	return record;
}

/* Whose it is, and between whom it passed. */
static __always_inline void dns_describe(struct dns_record *record, struct dns_seen *seen)
{
	struct description *socket = seen->socket;
	int client = dns_port(seen->peer_port);
	record->cgroup_id = socket->owner.cgroup_id;
	record->program = socket->owner.program;
	record->tgid = socket->owner.tgid;
	record->netns = socket->netns;
	__builtin_memcpy(record->resolver, client ? socket->peer_address : socket->local_address, 16);
	record->length = seen->length;
	record->sequence = seen->sequence;
	record->peer_port = seen->peer_port;
	record->out = seen->out;
	record->transport = seen->transport;
}

/* Tells of a packet whose socket is known. */
static __always_inline void dns_see(struct __sk_buff *skb, struct dns_seen *seen)
{
	u64 now = bpf_ktime_get_ns();
	dns_tally(DNS_MESSAGES);
	if (seen->length < DNS_HEADER_BYTES) {
		dns_tally(DNS_SHORT);
		return;
	}
	if (!dns_within_rate(now)) {
		dns_tally(DNS_OVER_RATE);
		return;
	}
	struct dns_record *record = dns_reserve(seen->slot, seen->generation, now, DNS_OF_MESSAGE);
	if (!record)
		return;
	dns_describe(record, seen);
	/* 64 bits and the barriers: so that the verifier sees the bounds of what is passed */
	u64 take = seen->length;
	asm volatile("" : "+r"(take));
	if (take > DNS_PAYLOAD_BYTES)
		take = DNS_PAYLOAD_BYTES;
	asm volatile("" : "+r"(take));
	if (take < DNS_HEADER_BYTES || take > DNS_PAYLOAD_BYTES ||
	    bpf_skb_load_bytes(skb, seen->begin, record->payload, take)) {
		dns_tally(DNS_UNREADABLE);
		dns_ring.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return;
	}
	dns_ring.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* The same for a segment of TCP, whose socket is looked up. */
static __always_inline void dns_see_tcp(struct __sk_buff *skb, struct dns_seen *seen)
{
	u64 key = (u64)skb->sk;
	if (!key || seen->length < DNS_HEADER_BYTES) /* an acknowledgement, or a length that comes alone */
		return;
	struct entry *entry = sockets.lookup(&key);
	if (!entry || entry->slot == NO_SLOT) {
		dns_tally(DNS_NO_SOCKET);
		return;
	}
	seen->slot = entry->slot;
	seen->generation = entry->generation;
	seen->socket = descriptions.lookup(&seen->slot);
	if (seen->socket)
		dns_see(skb, seen);
}

/* A UDP socket is gone: nobody waits for answers to it. Called before its slot may be another's. */
static __always_inline void dns_released(u32 slot, u32 generation)
{
	struct dns_record *record = dns_reserve(slot, generation, bpf_ktime_get_ns(), DNS_OF_RELEASE);
	if (record)
		dns_ring.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}
