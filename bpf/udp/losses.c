/* What a flow loses: datagrams for which the receive buffer has no room, and errors that the network answers with. */

#define TRANSPORT_MISSING 0xffff
#define ORIGIN_ICMP 2  /* SO_EE_ORIGIN_ICMP: of IPv4 */
#define ORIGIN_ICMP6 3 /* SO_EE_ORIGIN_ICMP6 */

/* Addresses and ports of a datagram that came, and how much it carries. Returns 0 if they could be read. */
static __always_inline int refused_read(struct sk_buff *skb, struct udp_refused *refused)
{
	u8 *head = 0;
	u16 network = 0, transport = 0, ports[4] = {}, segments = 0;
	u32 end = 0;
	u8 ip[40];
	READ(head, skb->head);
	READ(network, skb->network_header);
	READ(transport, skb->transport_header);
	if (transport == TRANSPORT_MISSING || bpf_probe_read_kernel(ip, sizeof(ip), head + network) ||
	    bpf_probe_read_kernel(ports, sizeof(ports), head + transport))
		return -1;
	__builtin_memset(refused, 0, sizeof(*refused));
	if (ip[0] >> 4 == 4) {
		fill_mapped(refused->key.peer_address, *(u32 *)(ip + 12));
		fill_mapped(refused->key.local_address, *(u32 *)(ip + 16));
	} else {
		__builtin_memcpy(refused->key.peer_address, ip + 8, 16);
		__builtin_memcpy(refused->key.local_address, ip + 24, 16);
	}
	refused->key.peer_port = bpf_ntohs(ports[0]);
	refused->key.local_port = bpf_ntohs(ports[1]);
	READ(end, skb->end);
	READ(segments, ((struct skb_shared_info *)(head + end))->gso_segs);
	u32 length = 0;
	READ(length, skb->len);
	u32 data = 0;
	u8 *begin = 0;
	READ(begin, skb->data);
	/* the header of UDP may have been taken off the front already */
	data = length - (begin <= head + transport ? (u32)(head + transport - begin) + 8 : 0);
	refused->bytes = data;
	refused->datagrams = segments > 1 ? segments : 1;
	return 0;
}

/* The flow of a key, or the one that the key's peer is folded into. */
static __always_inline struct udp_cell *flow_known(struct udp_key *key)
{
	u32 slot = 0;
	struct udp_cell *cell = flow_of(key, &slot);
	if (cell)
		return cell;
	key->peer_port = 0;
	cell = flow_of(key, &slot);
	if (cell)
		return cell;
	key->peer_address[0] = key->peer_address[1] = 0;
	cell = flow_of(key, &slot);
	if (cell)
		return cell;
	key->local_address[0] = key->local_address[1] = 0;
	return flow_of(key, &slot);
}

static __always_inline u64 cookie_of(struct sock *sk)
{
	u64 cookie = 0;
	bpf_probe_read_kernel(&cookie, sizeof(cookie), &sk->__sk_common.skc_cookie);
	return cookie;
}

static __always_inline void refused_count(struct sock *sk, struct udp_refused *refused)
{
	struct udp_key key = refused->key;
	key.cookie = cookie_of(sk);
	struct udp_cell *cell = flow_known(&key);
	if (!cell) {
		udp_tally(UDP_UNCOUNTED_DROPS, refused->datagrams);
		return;
	}
	__sync_fetch_and_add(&cell->event.counters.dropped_datagrams, refused->datagrams);
	__sync_fetch_and_add(&cell->event.counters.dropped_bytes, refused->bytes);
}

/* raw tracepoint udp_fail_queue_rcv_skb(rc, sk, skb): the receive buffer, or the memory of the protocol, is full. */
int udp_overflowed(struct bpf_raw_tracepoint_args *ctx)
{
	struct udp_refused refused;
	if (refused_read((struct sk_buff *)ctx->args[2], &refused))
		udp_tally(UDP_UNCOUNTED_DROPS, 1);
	else
		refused_count((struct sock *)ctx->args[1], &refused);
	return 0;
}

#ifdef UDP_NOTES_WHAT_CAME

/* The datagram that came last had no room. */
static __always_inline void came_refused(struct udp_came *came, struct udp_cell *cell)
{
	came->skb = 0;
	if (!cell) {
		udp_tally(UDP_UNCOUNTED_DROPS, came->datagrams);
		return;
	}
	__sync_fetch_and_add(&cell->event.counters.dropped_datagrams, came->datagrams);
	__sync_fetch_and_add(&cell->event.counters.dropped_bytes, came->bytes);
}

#if defined(DROP_REASON_NAMES) && LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
/* raw tracepoint kfree_skb(skb, location, reason). The same memory may have become a packet of another protocol: the port
 * says so. */
int udp_freed(struct bpf_raw_tracepoint_args *ctx)
{
	struct udp_refused refused;
	u32 reason = ctx->args[2];
	if (reason != SKB_DROP_REASON_SOCKET_RCVBUFF && reason != SKB_DROP_REASON_PROTO_MEM)
		return 0;
	struct udp_came *came = came_last();
	if (!came || came->skb != ctx->args[0])
		return 0;
	struct udp_cell *cell = cell_in(came->place);
	if (cell && (refused_read((struct sk_buff *)ctx->args[0], &refused) ||
		     refused.key.local_port != cell->key.local_port))
		return 0;
	came_refused(came, cell);
	return 0;
}
#endif

/* raw tracepoint udp_fail_queue_rcv_skb(rc, sk): of IPv4 alone. */
int udp_failed(struct bpf_raw_tracepoint_args *ctx)
{
	struct udp_came *came = came_last();
	struct udp_cell *cell = came && came->skb ? cell_in(came->place) : 0;
	if (cell && cell->key.cookie == cookie_of((struct sock *)ctx->args[1]))
		came_refused(came, cell);
	else
		udp_tally(UDP_UNCOUNTED_DROPS, 1);
	return 0;
}

#endif

/* The newest message of a socket's error queue, if the network sent it; 0 without one. */
static __always_inline struct sk_buff *newest_answer(struct sock *sk)
{
	struct sk_buff *newest = 0;
	u8 origin = 0;
	READ(newest, sk->sk_error_queue.prev);
	if (!newest || (void *)newest == (void *)&sk->sk_error_queue)
		return 0;
	READ(origin, ((struct sock_exterr_skb *)&newest->cb)->ee.ee_origin);
	return origin == ORIGIN_ICMP || origin == ORIGIN_ICMP6 ? newest : 0;
}

/* Whom the datagram was for that the network answered to: destination and, in front of it, source stand in the head of that
 * datagram, of which the message has a copy. */
static __always_inline void fill_refuser(struct udp_key *key, struct sk_buff *message)
{
	struct sock_exterr_skb *error = (struct sock_exterr_skb *)&message->cb;
	u8 *head = 0, origin = 0;
	u16 network = 0, offset = 0;
	__be16 port = 0;
	u8 ends[32];
	READ(head, message->head);
	READ(network, message->network_header);
	READ(offset, error->addr_offset);
	READ(origin, error->ee.ee_origin);
	READ(port, error->port);
	u8 *destination = head + network + offset;
	if (origin == ORIGIN_ICMP && !bpf_probe_read_kernel(ends, 8, destination - 4)) {
		fill_mapped(key->local_address, *(u32 *)ends);
		fill_mapped(key->peer_address, *(u32 *)(ends + 4));
	} else if (!bpf_probe_read_kernel(ends, 32, destination - 16)) {
		__builtin_memcpy(key->local_address, ends, 16);
		__builtin_memcpy(key->peer_address, ends + 16, 16);
	}
	key->peer_port = bpf_ntohs(port);
}

/* The kernel reports a message that it put on the error queue, and then once more: the second time nothing is counted. */
static __always_inline int is_repeated(struct udp_cell *cell, u64 message)
{
	if (!message)
		return 0;
	int repeated = cell->answer == message;
	cell->answer = repeated ? 0 : message;
	return repeated;
}

/* raw tracepoint inet_sk_error_report(sk): a connected socket, or one that asked for errors (IP_RECVERR), gets one. */
int udp_error(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	struct description ends = {};
	struct udp_key key = {};
	u16 protocol = 0;
	int code = 0;
	READ(protocol, sk->sk_protocol);
	if (protocol != IPPROTO_UDP)
		return 0;
	struct sk_buff *message = newest_answer(sk);
	READ(code, sk->sk_err);
	if (!code && !message)
		return 0;
	fill_ends(&ends, sk);
	__builtin_memcpy(key.local_address, ends.local_address, 16);
	__builtin_memcpy(key.peer_address, ends.peer_address, 16);
	key.local_port = ends.local_port;
	key.peer_port = ends.peer_port;
	key.cookie = cookie_of(sk);
	if (message)
		fill_refuser(&key, message);
	struct udp_cell *cell = flow_known(&key);
	if (!cell) {
		udp_tally(UDP_UNCOUNTED_ERRORS, 1);
		return 0;
	}
	if (is_repeated(cell, (u64)message))
		return 0;
	cell->event.counters.error = message ? queued_error(sk) : code;
	__sync_fetch_and_add(&cell->event.counters.errors, 1);
	return 0;
}
