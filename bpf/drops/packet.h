/* Whose packet was dropped: from its headers, or from the socket that had it. */

#define EXTENSION_HEADERS 4
#define FRAME 1500
#define HOP_BY_HOP 0
#define ROUTING 43
#define FRAGMENT 44
#define DESTINATION_OPTIONS 60
#define TCP_TIME_WAIT_STATE 6
#define TCP_NEW_SYN_RECV_STATE 12

#ifdef DROP_REASON_NAMES

#define SKB(it) ((struct sk_buff *)(it)->skb)
#define SK(it) ((struct sock_common *)(it)->sk)
_Static_assert(sizeof(struct sk_buff) <= sizeof(((struct drop_scratch *)0)->skb), "room for a packet's head");
_Static_assert(sizeof(struct sock_common) <= sizeof(((struct drop_scratch *)0)->sk), "room for a socket's");

static __always_inline void drop_mapped(u64 *to, u32 address)
{
	to[0] = 0;
	to[1] = 0xffff0000ULL | (u64)address << 32;
}

/* Ports, and of TCP the flags. */
static __always_inline void drop_ports(struct drop_scratch *it, u8 *ports, u8 flags)
{
	it->key.source_port = bpf_ntohs(*(u16 *)ports);
	it->key.destination_port = bpf_ntohs(*(u16 *)(ports + 2));
	if (it->key.protocol == IPPROTO_TCP)
		it->tcp_flags = flags;
}

static __always_inline int drop_v4(struct drop_scratch *it, u8 *ip)
{
	u32 at = (ip[0] & 15) << 2;
	if (ip[0] >> 4 != 4 || at < 20)
		return 0;
	it->key.family = 4;
	it->key.protocol = ip[9];
	drop_mapped(it->key.source, *(u32 *)(ip + 12));
	drop_mapped(it->key.destination, *(u32 *)(ip + 16));
	if ((ip[6] & 0x1f) || ip[7]) /* a later fragment has no ports */
		return 1;
	if ((ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP) && at + 14 <= DROP_HEADERS)
		drop_ports(it, ip + (at & 63), ip[(at & 63) + 13]);
	return 1;
}

/* Steps over extension headers (RFC 8200). */
static __always_inline int drop_v6(struct drop_scratch *it, u8 *ip, u8 *packet)
{
	u8 next = ip[6], ports[16] = {};
	u32 at = 40;
	if (ip[0] >> 4 != 6)
		return 0;
	it->key.family = 6;
	__builtin_memcpy(it->key.source, ip + 8, 16);
	__builtin_memcpy(it->key.destination, ip + 24, 16);
	for (int number = 0; number < EXTENSION_HEADERS; number++) {
		if (next != HOP_BY_HOP && next != ROUTING && next != FRAGMENT && next != DESTINATION_OPTIONS)
			break;
		if (bpf_probe_read_kernel(ports, 8, packet + at))
			break;
		if (next == FRAGMENT && (ports[2] || (ports[3] & 0xf8))) {
			it->key.protocol = ports[0];
			return 1;
		}
		at += next == FRAGMENT ? 8 : (ports[1] + 1) << 3;
		next = ports[0];
	}
	it->key.protocol = next;
	if (next != IPPROTO_TCP && next != IPPROTO_UDP)
		return 1;
	if (at == 40)
		drop_ports(it, ip + 40, ip[53]);
	else if (!bpf_probe_read_kernel(ports, 14, packet + at))
		drop_ports(it, ports, ports[13]);
	return 1;
}

static __always_inline int drop_headers(struct drop_scratch *it)
{
	u8 *packet = SKB(it)->head + SKB(it)->network_header;
	u16 protocol = SKB(it)->protocol;
	if (protocol != bpf_htons(0x0800) && protocol != bpf_htons(0x86dd))
		return 0;
	if (bpf_probe_read_kernel(it->headers, DROP_HEADERS, packet))
		return 0;
	return protocol == bpf_htons(0x0800) ? drop_v4(it, it->headers) : drop_v6(it, it->headers, packet);
}

/* A socket's own tuple, where the packet's headers are gone or not written yet. */
static __always_inline int drop_socket(struct drop_scratch *it, struct sock *sk)
{
	struct drop_key *key = &it->key;
	u64 *mine = key->way == DROP_IN ? key->destination : key->source;
	u64 *other = key->way == DROP_IN ? key->source : key->destination;
	u16 protocol = 0, port = SK(it)->skc_num, peer = bpf_ntohs(SK(it)->skc_dport);
	if (SK(it)->skc_family == AF_INET) {
		drop_mapped(mine, SK(it)->skc_rcv_saddr);
		drop_mapped(other, SK(it)->skc_daddr);
	} else {
		__builtin_memcpy(mine, &SK(it)->skc_v6_rcv_saddr, 16);
		__builtin_memcpy(other, &SK(it)->skc_v6_daddr, 16);
	}
	READ(protocol, sk->sk_protocol);
	key->family = SK(it)->skc_family == AF_INET ? 4 : 6;
	key->protocol = protocol;
	key->source_port = key->way == DROP_IN ? peer : port;
	key->destination_port = key->way == DROP_IN ? port : peer;
	return 1;
}

/* Forgets what was known in another tick: devices, routes and namespaces may have gone since. */
static __always_inline void forget_drops(struct drop_scratch *it, u64 tick)
{
	if (it->known_tick == tick)
		return;
	it->known_tick = tick;
	it->known_from = it->known_route = 0;
	it->last.key[7] = it->rest.key[7] = 0;
}

/* The network namespace: the socket knows, or the device, or where the packet was on its way to; 0 if none does. */
static __always_inline u32 drop_namespace(struct drop_scratch *it, int of_socket)
{
	u64 from = of_socket ? (u64)SK(it)->skc_net.net : (u64)SKB(it)->dev;
	if (from && from == it->known_from)
		return it->known_netns;
	struct net_device *device = SKB(it)->dev, *out = 0;
	struct dst_entry *route = (struct dst_entry *)(SKB(it)->_skb_refdst & ~1UL);
	struct net *net = of_socket ? SK(it)->skc_net.net : 0;
	u32 number = 0;
	if (!net && device) /* of datagrams in a queue it is no device: reading fails */
		READ(net, device->nd_net.net);
	if (!net && route) {
		READ(out, route->dev);
		if (out)
			READ(net, out->nd_net.net);
	}
	if (net)
		READ(number, net->ns.inum);
	it->known_from = number ? from : 0;
	it->known_netns = number;
	return number;
}

/* The function that a packet that came in would have gone to: tells INPUT from FORWARD; 0: it has no route yet. */
static __always_inline u64 drop_next(struct drop_scratch *it)
{
	struct dst_entry *route = (struct dst_entry *)(SKB(it)->_skb_refdst & ~1UL);
	if (!route)
		return 0;
	if (it->known_route != (u64)route) {
		READ(it->known_input, route->input);
		it->known_route = (u64)route;
	}
	return it->known_input;
}

/* Segments beyond one, of which a packet is made. One whose data is all in its head and fits a frame is no larger one. */
static __always_inline u16 drop_segments(struct drop_scratch *it)
{
	u16 segments = 0;
	if (SKB(it)->data_len || SKB(it)->len > FRAME)
		READ(segments, ((struct skb_shared_info *)(SKB(it)->head + SKB(it)->end))->gso_segs);
	return segments > 1 ? segments - 1 : 0;
}

#endif
