/* Packets of DNS into the probe's ring, called from where they pass (bpf/udp/hooks.c): those of TCP, and what of UDP is not
 * done with in the kernel (pair.h). */

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

/* What this processor told of in this second; 0 only for the verifier. */
static __always_inline struct dns_rate *dns_rate_of(u64 now)
{
	u32 zero = 0;
	struct dns_rate *rate = dns_rates.lookup(&zero);
	if (rate && rate->period != now >> 30) {
		rate->period = now >> 30;
		rate->packets = rate->exchanges = 0;
	}
	return rate;
}

/* Room for a record, its head filled in; 0 if there is none. `most`: not when so many were told of in this second. */
static __always_inline struct dns_record *dns_reserve(struct dns_seen *seen, u64 now, u8 what, u32 most)
{
	struct dns_rate *rate = dns_rate_of(now);
	if (!rate || rate->packets >= most) {
		dns_tally(DNS_OVER_RATE);
		return 0;
	}
	rate->packets++;
	struct dns_record *record = dns_ring.ringbuf_reserve(sizeof(struct dns_record));
	if (!record) {
		dns_tally(DNS_RING_FULL);
		return 0;
	}
	__builtin_memset(record, 0, __builtin_offsetof(struct dns_record, payload));
	record->header.at_ns = now;
	record->header.slot = seen->slot;
	record->header.generation = seen->generation;
	record->header.kind = KIND_DNS_MESSAGE;
	record->header.old_state = what;
	return record;
}

static __always_inline void *dns_resolver(struct dns_seen *seen)
{
	struct description *socket = seen->socket;
	return dns_port(seen->peer_port) ? socket->peer_address : socket->local_address;
}

/* Whose it is, and between whom it passed. */
static __always_inline void dns_describe(struct dns_record *record, struct dns_seen *seen)
{
	struct description *socket = seen->socket;
	record->cgroup_id = socket->owner.cgroup_id;
	record->program = socket->owner.program;
	record->tgid = socket->owner.tgid;
	record->netns = socket->netns;
	__builtin_memcpy(record->resolver, dns_resolver(seen), 16);
	record->length = seen->length;
	record->sequence = seen->sequence;
	record->peer_port = seen->peer_port;
	record->out = seen->out;
	record->transport = seen->transport;
}

/* Tells of a packet; returns whether it is in the ring. */
static __always_inline int dns_pass_on(struct __sk_buff *skb, struct dns_seen *seen, u64 now, u8 what, u32 most)
{
	struct dns_record *record = dns_reserve(seen, now, what, most);
	if (!record)
		return 0;
	dns_describe(record, seen);
	/* Read from the record, so that the verifier need not follow how the length came about; 64 bits, and barriers between
	 * comparisons, which the compiler makes one of, so that it sees both bounds. */
	u64 take = *(volatile u32 *)&record->length;
	if (take > DNS_PAYLOAD_BYTES)
		take = DNS_PAYLOAD_BYTES;
	asm volatile("" : "+r"(take));
	int readable = take >= DNS_HEADER_BYTES;
	if (readable) {
		asm volatile("" : "+r"(take));
		readable = take <= DNS_PAYLOAD_BYTES &&
			   !bpf_skb_load_bytes(skb, seen->begin, record->payload, take);
	}
	if (!readable) {
		dns_tally(DNS_UNREADABLE);
		dns_ring.ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		return 0;
	}
	dns_ring.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 1;
}

/* Whether a packet has a header of DNS. */
static __always_inline int dns_whole(struct dns_seen *seen)
{
	dns_tally(DNS_MESSAGES);
	if (seen->length >= DNS_HEADER_BYTES)
		return 1;
	dns_tally(DNS_SHORT);
	return 0;
}

/* A packet whose socket is known. */
static __always_inline void dns_see(struct __sk_buff *skb, struct dns_seen *seen)
{
	if (dns_whole(seen))
		dns_pass_on(skb, seen, bpf_ktime_get_ns(), DNS_OF_MESSAGE, DNS_RATE);
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

/* Hands a packet of UDP on to the program that puts questions and answers together; where that is not there, user space does
 * it. `slot`: of the flow; `out` is known to the compiler, for each direction has its own programs. */
static __always_inline void dns_hand_on(struct __sk_buff *skb, struct dns_seen *seen, u32 slot, int out)
{
	skb->cb[0] = slot;
	skb->cb[1] = seen->generation;
	skb->cb[2] = seen->begin;
	skb->cb[3] = seen->length;
	skb->cb[4] = (u32)seen->local_port << 16 | seen->peer_port;
	if (out)
		dns_sent_jumps.call(skb, 0);
	else
		dns_got_jumps.call(skb, 0);
	dns_see(skb, seen);
}
