/* Questions of UDP meet their answers: what came of each goes into a ring of its own, or, when there are too many, into a cell. */

static __always_inline void dns_fill_question(struct dns_question *key, struct dns_seen *seen,
					      struct dns_message *message, u8 out)
{
	key->name = message->name;
	key->slot = seen->slot;
	key->generation = seen->generation;
	key->id = message->id;
	key->type = message->type;
	key->peer_port = seen->peer_port;
	key->out = out;
}

/* The bucket of a latency: the first below 2 x 8192 ns, then two for each power of two. */
static __always_inline u32 dns_bucket(struct __sk_buff *skb, u64 took)
{
	u64 units = took >> 13;
	u32 power = 0;
	if (units < 2)
		return 0;
#pragma unroll
	for (int shift = 32; shift; shift >>= 1) {
		if (units >> shift) {
			power += shift;
			units >>= shift;
		}
	}
	power = dns_unknown(skb, power) & 63;
	/* the bit below the highest, of the latency itself */
	u32 bucket = 2 * power - 1 + (took >> ((power + 12) & 63) & 1);
	return bucket < DNS_BUCKETS ? bucket : DNS_BUCKETS - 1;
}

static __always_inline struct dns_cell *dns_cell_of(struct dns_cell_key *key)
{
	u32 zero = 0;
	struct dns_cell *cell = dns_cells.lookup(key);
	if (cell)
		return cell;
	struct dns_cell *none = dns_no_cell.lookup(&zero);
	if (none)
		dns_cells.insert(key, none);
	return dns_cells.lookup(key);
}

/* Counts an exchange that is not told; without its name where there is no room for it. */
static __always_inline void dns_count(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message,
				      struct dns_asked *asked, u64 now, u16 rcode)
{
	struct dns_cell_key key = {.name = message->name, .slot = seen->slot, .generation = seen->generation,
				   .type = message->type, .rcode = rcode, .transport = asked->transport,
				   .role = asked->role};
	u64 took = now > asked->at_ns ? now - asked->at_ns : 0;
	struct dns_cell *cell = dns_cell_of(&key);
	if (!cell) {
		dns_tally(DNS_CELLS_FULL);
		key.name = NAME_OTHER;
		key.type = 0;
		cell = dns_cell_of(&key);
	}
	if (!cell) {
		dns_tally(DNS_NO_CELL);
		return;
	}
	dns_tally(DNS_IN_CELLS);
	cell->netns = asked->netns;
	__sync_fetch_and_add(&cell->queries, 1);
	if (asked->flags & DNS_REPEATED)
		__sync_fetch_and_add(&cell->retries, 1);
	if (rcode == RCODE_NO_ANSWER)
		return;
	if (message->flags & DNS_TC)
		__sync_fetch_and_add(&cell->truncated, 1);
	__sync_fetch_and_add(&cell->latency_ns, took);
	u32 bucket = dns_bucket(skb, took);
	if (bucket < DNS_BUCKETS)
		__sync_fetch_and_add(&cell->buckets[bucket], 1);
}

/* An exchange in the ring, to be submitted; 0: it was counted in a cell. */
static __always_inline struct dns_exchange *dns_exchange_of(struct __sk_buff *skb, struct dns_seen *seen,
							    struct dns_message *message, struct dns_asked *asked,
							    u64 now, u16 rcode)
{
	struct dns_rate *rate = dns_rate_of(now);
	struct dns_exchange *told = 0;
	if (rate && rate->exchanges++ < DNS_RATE)
		told = dns_exchanges.ringbuf_reserve(sizeof(struct dns_exchange));
	if (!told) {
		dns_count(skb, seen, message, asked, now, rcode);
		return 0;
	}
	__builtin_memset(told, 0, sizeof(*told));
	told->header.at_ns = now;
	told->header.slot = seen->slot;
	told->header.generation = seen->generation;
	told->header.kind = KIND_DNS_EXCHANGE;
	told->asked = *asked;
	told->name = message->name;
	told->type = message->type;
	told->rcode = rcode;
	return told;
}

/* The text of a name goes to user space once. */
static __always_inline void dns_tell_name(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message, u64 now)
{
	u8 told = 1;
	if (!dns_told.lookup(&message->name) && dns_pass_on(skb, seen, now, DNS_OF_NAME, DNS_RATE))
		dns_told.update(&message->name, &told);
}

/* Whether a question is among those that wait now. */
static __always_inline int dns_ask(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message, u64 now)
{
	struct description *socket = seen->socket;
	struct dns_question key = {};
	struct dns_asked asked = {.at_ns = now, .cgroup_id = socket->owner.cgroup_id, .program = socket->owner.program,
				  .tgid = socket->owner.tgid, .netns = socket->netns, .transport = seen->transport,
				  .role = seen->out ? ROLE_CLIENT : ROLE_SERVER};
	dns_fill_question(&key, seen, message, seen->out);
	__builtin_memcpy(asked.resolver, dns_resolver(seen), 16);
	struct dns_asked *before = dns_waiting.lookup(&key);
	if (before) {
		struct dns_exchange *told = dns_exchange_of(skb, seen, message, before, now, RCODE_NO_ANSWER);
		if (told)
			dns_exchanges.ringbuf_submit(told, BPF_RB_NO_WAKEUP);
		asked.flags = DNS_REPEATED;
		*before = asked;
	} else if (dns_waiting.insert(&key, &asked)) {
		dns_tally(DNS_PENDING_FULL);
		return 0;
	} else {
		dns_tally(DNS_ASKED);
	}
	dns_tell_name(skb, seen, message, now);
	return 1;
}

/* Fills an address in from the record at `at`, whose head was read; returns whether it is one. */
static __always_inline int dns_fill_address(struct __sk_buff *skb, struct dns_exchange *told, u32 at, u16 *head, u32 size)
{
	u32 ttl;
	if ((bpf_ntohs(head[2]) & 0x7fff) != DNS_IN)
		return 0;
	if (head[1] == bpf_htons(DNS_TYPE_A) && size == 4) {
		told->address[10] = told->address[11] = 0xff;
		if (bpf_skb_load_bytes(skb, at + 12, told->address + 12, 4))
			return 0;
	} else if (head[1] == bpf_htons(DNS_TYPE_AAAA) && size == 16) {
		if (bpf_skb_load_bytes(skb, at + 12, told->address, 16))
			return 0;
	} else {
		return 0;
	}
	told->address_type = bpf_ntohs(head[1]);
	__builtin_memcpy(&ttl, head + 3, 4);
	told->ttl = bpf_ntohl(ttl);
	return 1;
}

/* Another address of an exchange that has one already. */
static __always_inline void dns_tell_address(struct __sk_buff *skb, struct dns_exchange *of, u32 at, u16 *head, u32 size)
{
	struct dns_exchange *told = dns_exchanges.ringbuf_reserve(sizeof(struct dns_exchange));
	if (!told) {
		dns_tally(DNS_RING_FULL);
		return;
	}
	*told = *of;
	told->header.old_state = DNS_OF_ADDRESS;
	if (dns_fill_address(skb, told, at, head, size))
		dns_exchanges.ringbuf_submit(told, BPF_RB_NO_WAKEUP);
	else
		dns_exchanges.ringbuf_discard(told, BPF_RB_NO_WAKEUP);
}

/* Tells the addresses of an answer; -1: user space has to look at it. */
static __always_inline int dns_tell_addresses(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message,
					      struct dns_exchange *told)
{
	u32 at = message->end, end = seen->begin + seen->length;
	if (message->answers > DNS_RECORDS)
		return -1;
	for (int i = 0; i < DNS_RECORDS; i++) {
		u16 head[6]; /* a pointer to the name, type, class, time to live, length */
		if (i >= message->answers)
			return 0;
		if (at + sizeof(head) > end || bpf_skb_load_bytes(skb, at, head, sizeof(head)))
			return 0; /* cut: what is not there has no addresses */
		if ((*(u8 *)head & DNS_POINTER) != DNS_POINTER)
			return -1;
		u32 size = bpf_ntohs(head[5]);
		if (at + sizeof(head) + size > end)
			return 0;
		if (told->address_type && (head[1] == bpf_htons(DNS_TYPE_A) || head[1] == bpf_htons(DNS_TYPE_AAAA)))
			dns_tell_address(skb, told, at, head, size);
		else if (!told->address_type)
			dns_fill_address(skb, told, at, head, size);
		at += sizeof(head) + size;
	}
	return 0;
}

/* Whether an answer had a question that waits here. */
static __always_inline int dns_answer(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message, u64 now)
{
	struct dns_question key = {};
	int complete = 0;
	dns_fill_question(&key, seen, message, !seen->out);
	struct dns_asked *found = dns_waiting.lookup(&key);
	if (!found)
		return 0;
	struct dns_asked asked = *found;
	if (dns_waiting.delete(&key))
		return 0;
	dns_tally(DNS_ENDED);
	if (message->flags & DNS_TC)
		asked.flags |= DNS_TRUNCATED;
	struct dns_exchange *told = dns_exchange_of(skb, seen, message, &asked, now, message->rcode);
	if (!told)
		return 1;
	if (asked.role == ROLE_CLIENT && message->answers)
		complete = dns_tell_addresses(skb, seen, message, told);
	dns_exchanges.ringbuf_submit(told, BPF_RB_NO_WAKEUP);
	if (complete < 0)
		dns_pass_on(skb, seen, now, DNS_OF_ADDRESSES, DNS_RATE);
	return 1;
}

/* Whether a packet is done with; one that is not is for user space to understand. */
static __always_inline int dns_paired(struct __sk_buff *skb, struct dns_seen *seen, u64 now)
{
	struct dns_message message = {};
	if (dns_read(skb, seen, &message))
		return 0;
	if (message.flags & DNS_IS_ANSWER)
		return dns_answer(skb, seen, &message, now);
	return dns_ask(skb, seen, &message, now);
}
