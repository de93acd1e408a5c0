/* How a flow begins: with the first datagram of a tuple. */

#define PACKET_BROADCAST_TYPE 1
#define ROUTE_BROADCAST 0x10000000 /* RTCF_BROADCAST */

static __always_inline int is_multicast(u64 *address, u8 family)
{
	u8 *bytes = (u8 *)address;
	return family == 4 ? (bytes[12] & 0xf0) == 0xe0 : bytes[0] == 0xff;
}

/* Whom the datagram is for: it says so by its address, or, on its way out, by its route. */
static __always_inline u8 cast_of(struct __sk_buff *skb, struct packet *packet)
{
	if (is_multicast(packet->out ? packet->peer_address : packet->local_address, packet->family))
		return CAST_MULTICAST;
	if (packet->family != 4)
		return CAST_UNICAST;
	if (!packet->out)
		return skb->pkt_type == PACKET_BROADCAST_TYPE ? CAST_BROADCAST : CAST_UNICAST;
	u64 route = 0;
	u32 flags = 0;
	bpf_probe_read_kernel(&route, sizeof(route),
			      (void *)skb + __builtin_offsetof(struct sk_buff, _skb_refdst));
	route &= ~1ull;
	if (route)
		READ(flags, ((struct rtable *)route)->rt_flags);
	return flags & ROUTE_BROADCAST ? CAST_BROADCAST : CAST_UNICAST;
}

/* Whether a packet of version 0 is a server's list of versions (RFC 8999, 6): behind both connection ids, of any length, there
 * is nothing but the list. Those of a client may be empty; the one that it chose for the server is not. */
static __always_inline int is_negotiation(struct __sk_buff *skb, struct packet *packet, u32 destination)
{
	u8 source = 0;
	u32 version = 0, at = 6 + destination;
	if (packet->bytes < at + 5 || bpf_skb_load_bytes(skb, packet->offset + at, &source, 1))
		return 0;
	at += 1 + source;
	if (!source || packet->bytes < at + 4 || (packet->bytes - at) % 4)
		return 0;
	return !bpf_skb_load_bytes(skb, packet->offset + at, &version, sizeof(version)) && version;
}

/* QUIC says so itself in its long headers: a known version, or one that is none, and connection ids of at most 20 bytes
 * (RFC 9000, 17.2; RFC 9369), or a list of versions. */
static __always_inline int is_quic(struct __sk_buff *skb, struct packet *packet)
{
	u8 head[6];
	u32 version;
	if (packet->bytes < 12 || bpf_skb_load_bytes(skb, packet->offset, head, sizeof(head)) || !(head[0] & 0x80))
		return 0;
	__builtin_memcpy(&version, head + 1, sizeof(version));
	version = bpf_ntohl(version);
	if (!version)
		return is_negotiation(skb, packet, head[5]);
	return packet->bytes >= 21 && head[5] <= 20 && (head[0] & 0x40) &&
	       (version == 1 || version == 0x6b3343cf || (version & 0xffffff00) == 0xff000000 ||
		(version & 0x0f0f0f0f) == 0x0a0a0a0a);
}

static __always_inline void cell_look(struct __sk_buff *skb, struct packet *packet, struct udp_cell *cell)
{
	if (cell->event.application != APPLICATION_UNKNOWN)
		return;
#ifdef DNS_PROBE
	if (dns_wanted(packet->local_port, packet->peer_port)) {
		cell->event.application = APPLICATION_DNS;
		return;
	}
#endif
	if (is_quic(skb, packet))
		cell->event.application = APPLICATION_QUIC;
}

static __always_inline void fill_netns(struct __sk_buff *skb, struct description *as)
{
	struct sock *sk = sock_of(skb);
	struct net *net = 0;
	READ(net, sk->__sk_common.skc_net.net);
	READ(as->netns, net->ns.inum);
}

/* Takes a slot for a key and puts it into the table; 0 if none is free. */
static __always_inline struct udp_cell *flow_open(struct __sk_buff *skb, struct packet *packet, struct udp_key *key,
						  struct udp_socket *socket, u8 folded, u32 *slot)
{
	struct udp_cell *cell = udp_cell_take(key, packet, slot);
	if (!cell)
		return 0;
	fill_netns(skb, &cell->event.socket);
	cell->event.cast = cast_of(skb, packet);
	cell->event.folded = folded;
	if (!socket->settled)
		packet->out ? socket_settle(socket) : socket_await(socket, key->cookie);
	cell_own(cell, socket, packet->out);
	if (folded) {
		cell->looked = 1;
		udp_tally(UDP_FOLDED, 1);
	}
	cell_look(skb, packet, cell);
	struct udp_flow_count *count = flows_of(socket, key->cookie);
	cell->many = count != 0;
	struct udp_cell *entered = cell_enter(cell, slot);
	if (entered != cell)
		return entered;
	if (count)
		__sync_fetch_and_add(&count->flows, 1);
	else
		socket->first = PLACE_OF(*slot, cell->generation);
	return cell;
}

/* Several peers together, where the socket has very many. */
static __always_inline struct udp_cell *flow_folded(struct __sk_buff *skb, struct packet *packet, struct udp_key *key,
						    struct udp_socket *socket, u32 *slot)
{
	struct udp_flow_count *count = socket->many ? udp_sockets.lookup(&key->cookie) : 0;
	struct udp_cell *cell = 0;
	u8 folded = FOLD_NONE;
	if (count && count->flows >= UDP_PEERS) {
		folded = FOLD_PORTS;
		key->peer_port = 0;
		cell = flow_of(key, slot);
	}
	if (!cell && count && count->flows >= 2 * UDP_PEERS) {
		folded = FOLD_PEERS;
		key->peer_address[0] = key->peer_address[1] = 0;
		cell = flow_of(key, slot);
	}
	if (!cell && count && count->flows >= 3 * UDP_PEERS) {
		key->local_address[0] = key->local_address[1] = 0;
		cell = flow_of(key, slot);
	}
	return cell ? cell : flow_open(skb, packet, key, socket, folded, slot);
}

/* The flow of a datagram to which no gate leads. */
static __always_inline struct udp_cell *flow_find(struct __sk_buff *skb, struct packet *packet,
						  struct udp_socket *socket, u64 cookie, u32 *slot)
{
	struct udp_key key, called;
	fill_key(&key, packet, cookie);
	struct udp_cell *cell = flow_of(&key, slot);
	if (cell)
		return cell;
	if (!socket->known)
		socket_known(socket, (u64)sock_of(skb));
	called = key;
	int rewritten = packet->out && before_nat(skb, &called);
	cell = rewritten ? flow_of(&called, slot) : 0;
	if (cell && cell->wire.cookie && !same_wire(cell, &key)) {
		if (flow_claim(cell))
			cell->ending = UDP_MOVED;
		cell = 0;
	}
	if (!cell) {
		struct udp_key wanted = called;
		cell = flow_folded(skb, packet, &wanted, socket, slot);
	}
	if (cell && rewritten && !cell->event.folded)
		cell_alias(cell, &key, *slot);
	return cell;
}
