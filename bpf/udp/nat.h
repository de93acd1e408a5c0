/* NAT in the socket's own namespace: what its datagrams are called before it. */

#ifdef CONNTRACK_TYPES
#define UDP_CT_NAT 0x30 /* source or destination is rewritten: IPS_NAT_MASK */
#define UDP_CT_INFO 7   /* the low bits of skb->_nfct: the packet's place in the connection */
#define UDP_CT_REPLY 3  /* from this one on it is an answer: IP_CT_IS_REPLY */

static __always_inline void fill_tuple_address(u64 *to, u16 family, void *address)
{
	if (family == AF_INET)
		fill_mapped(to, *(u32 *)address);
	else
		__builtin_memcpy(to, address, 16);
}

/* Writes the tuple that the socket has into a key of what leaves it; returns whether conntrack rewrote this datagram.
 * What goes out as an answer to what was rewritten on its way in: the reply's tuple is what the socket has. */
static __always_inline int before_nat(struct __sk_buff *skb, struct udp_key *key)
{
	u64 found = 0;
	unsigned long status = 0;
	struct nf_conntrack_tuple tuple = {};
	bpf_probe_read_kernel(&found, sizeof(found), (void *)skb + __builtin_offsetof(struct sk_buff, _nfct));
	struct nf_conn *entry = (struct nf_conn *)(found & ~7ull);
	if (!entry)
		return 0;
	READ(status, entry->status);
	if (!(status & UDP_CT_NAT))
		return 0;
	u32 direction = (found & UDP_CT_INFO) >= UDP_CT_REPLY;
	bpf_probe_read_kernel(&tuple, sizeof(tuple), &entry->tuplehash[direction].tuple);
	fill_tuple_address(key->local_address, tuple.src.l3num, &tuple.src.u3);
	fill_tuple_address(key->peer_address, tuple.src.l3num, &tuple.dst.u3);
	key->local_port = bpf_ntohs(tuple.src.u.all);
	key->peer_port = bpf_ntohs(tuple.dst.u.all);
	return 1;
}
#else
static __always_inline int before_nat(struct __sk_buff *skb, struct udp_key *key)
{
	return 0;
}
#endif

static __always_inline int same_wire(struct udp_cell *cell, struct udp_key *wire)
{
	return cell->wire.peer_port == wire->peer_port && cell->wire.local_port == wire->local_port &&
	       cell->wire.peer_address[1] == wire->peer_address[1] &&
	       cell->wire.peer_address[0] == wire->peer_address[0] &&
	       cell->wire.local_address[1] == wire->local_address[1] &&
	       cell->wire.local_address[0] == wire->local_address[0];
}

/* Datagrams of a flow leave as `wire`: they are found by that, too. */
static __always_inline void cell_alias(struct udp_cell *cell, struct udp_key *wire, u32 slot)
{
	turn_cell(cell);
	cell->wire = *wire;
	__builtin_memcpy(cell->event.wire_address, wire->peer_address, 16);
	cell->event.wire_port = wire->peer_port;
	turn_cell(cell);
	udp_flows.update(wire, &slot);
	udp_tally(UDP_ALIASES, 1);
}
