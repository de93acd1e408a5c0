/* Every packet that a socket sends or gets passes here (cgroup_skb at the root of the hierarchy, for the whole machine):
 * what is neither UDP nor wanted leaves after its protocol was read. The verdict is always to let it pass. */

#define PASS 1

/* Datagrams in one packet: the kernel cuts a large one later (UDP_SEGMENT), or has put several together (UDP_GRO). */
static __always_inline u32 datagrams_in(struct __sk_buff *skb, u32 bytes)
{
	u32 size = skb->gso_size, segments;
	if (!size)
		return 1;
	segments = skb->gso_segs;
	return segments > 1 ? segments : (bytes + size - 1) / size;
}

static __always_inline void udp_cell_count(struct __sk_buff *skb, struct packet *packet, struct udp_cell *cell)
{
	struct udp_counters *counters = &cell->event.counters;
	u32 datagrams = datagrams_in(skb, packet->bytes);
	if (packet->out) {
		__sync_fetch_and_add(&counters->tx_bytes, packet->bytes);
		__sync_fetch_and_add(&counters->tx_datagrams, datagrams);
	} else {
		__sync_fetch_and_add(&counters->rx_bytes, packet->bytes);
		__sync_fetch_and_add(&counters->rx_datagrams, datagrams);
	}
}

/* What is done once or twice in a flow's life, and of QUIC until its server's hello. */
static __always_inline void cell_learn(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *packet,
				       struct udp_cell *cell, u32 slot)
{
	if (packet->out && !cell->settled) {
		struct udp_socket *socket = udp_socket_kept(sk);
		if (socket)
			cell_settle(cell, socket);
	}
#ifdef QUIC_PROBE
	if (!cell->looked && packet->out == cell->began_out && cell->event.application == APPLICATION_QUIC)
		quic_see(skb, packet, cell, slot);
#endif
	if (cell->looked || packet->out == cell->began_out)
		return;
	if (cell->began_out && !(cell->event.socket.flags & FLAG_ADOPTED) && !cell->event.counters.first_reply_ns)
		cell->event.counters.first_reply_ns = bpf_ktime_get_ns();
	cell_look(skb, packet, cell);
#ifdef QUIC_PROBE
	if (quic_waits(packet, cell))
		return;
#endif
	cell->looked = 1;
}

/* The flow of a datagram, at first where the gate says; 0 if it has none. Most datagrams cost one call: the cookie. */
static __always_inline struct udp_cell *flow_at(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *packet,
						u32 *slot)
{
	u64 cookie = socket_cookie(skb);
	u32 index = udp_gate_of(packet, cookie);
	u32 *gate = udp_gates.lookup(&index);
	if (!gate)
		return 0;
	*slot = *gate;
	struct udp_cell *cell = cell_at(*slot);
	if (cell && cell->open && cell->key.cookie == cookie && is_at(cell, packet))
		return cell;
	struct udp_socket *socket = udp_socket_kept(sk);
	cell = socket ? flow_find(skb, packet, socket, cookie, slot) : 0;
	if (cell && is_at(cell, packet))
		*gate = *slot;
	return cell;
}

static __always_inline void datagram(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *packet, int out)
{
	u32 slot = 0;
	struct udp_cell *cell = flow_at(skb, sk, packet, &slot);
	if (!cell) {
		udp_tally(UDP_NO_SLOT, datagrams_in(skb, packet->bytes));
		udp_tally(UDP_NO_SLOT_BYTES, packet->bytes);
		came_note(skb, packet, 0, datagrams_in(skb, packet->bytes));
		return;
	}
	udp_cell_count(skb, packet, cell);
	came_note(skb, packet, PLACE_OF(slot, cell->generation), datagrams_in(skb, packet->bytes));
	if (!cell->looked || (packet->out && !cell->settled))
		cell_learn(skb, sk, packet, cell, slot);
#ifdef DNS_PROBE
	if (cell->event.application == APPLICATION_DNS) {
		struct dns_seen seen = {.socket = &cell->event.socket, .slot = SLOTS + slot,
					.generation = cell->generation, .begin = packet->offset,
					.length = packet->bytes, .local_port = packet->local_port,
					.peer_port = packet->peer_port, .out = packet->out,
					.transport = IPPROTO_UDP};
		dns_hand_on(skb, &seen, slot, out);
	}
#endif
}

static __always_inline int passing(struct __sk_buff *skb, int out)
{
	if (!WANTS_TCP && carries_tcp(skb))
		return PASS;
	struct packet packet = {};
	if (packet_read(skb, &packet, out))
		return PASS;
	struct bpf_sock *sk = skb->sk;
	if (!sk)
		return PASS;
#ifdef DNS_PROBE
	if ((UDP_ONLY_DNS || packet.protocol == IPPROTO_TCP) && !dns_wanted(packet.local_port, packet.peer_port))
		return PASS;
	if (packet.protocol == IPPROTO_TCP) {
		struct dns_seen seen = {.begin = packet.offset, .length = packet.bytes, .sequence = packet.sequence,
					.local_port = packet.local_port, .peer_port = packet.peer_port,
					.out = packet.out, .transport = IPPROTO_TCP};
		dns_see_tcp(skb, &seen);
		return PASS;
	}
#endif
	datagram(skb, sk, &packet, out);
	return PASS;
}

int udp_egress(struct __sk_buff *skb)
{
	return passing(skb, 1);
}

int udp_ingress(struct __sk_buff *skb)
{
	return passing(skb, 0);
}

/* bind() is over: who binds owns what comes, until somebody sends. Runs in the task that binds. */
static __always_inline int bound(struct bpf_sock *sk)
{
	if (sk->protocol != IPPROTO_UDP)
		return PASS;
	struct udp_socket *socket = udp_socket_kept(sk);
	if (!socket || socket->settled || !sk->src_port)
		return PASS;
	fill_owner(&socket->owner, (struct task_struct *)CURRENT_TASK());
	socket->owned = socket->bound = 1;
	return PASS;
}

int udp_bound(struct bpf_sock *sk)
{
	return bound(sk);
}

int udp_bound6(struct bpf_sock *sk)
{
	return bound(sk);
}

/* A socket is gone: the count of its flows goes with the last of them. Returns whether it has any. */
static __always_inline int count_close(u64 cookie)
{
	struct udp_flow_count *count = udp_sockets.lookup(&cookie);
	if (!count)
		return 0;
	count->closed = 1;
	if (count->flows)
		return 1;
	udp_sockets.delete(&cookie);
	return 0;
}

/* The last descriptor of a socket is closed. Its flows beside an only one are ended by the sweep. */
int udp_released(struct bpf_sock *sk)
{
	if (sk->protocol != IPPROTO_UDP)
		return PASS;
	struct udp_socket *socket = udp_storage.sk_storage_get(sk, 0, 0);
	u64 address = (u64)sk;
	udp_adopted.delete(&address);
	if (!socket || (socket->many && count_close(socket_cookie(sk))))
		return PASS;
	struct udp_cell *cell = socket->many ? 0 : cell_in(socket->first);
	if (cell && flow_claim(cell))
		flow_tell(cell, socket->first, UDP_CLOSED);
	if (socket->awaited)
		readers_forget(socket_cookie(sk));
	return PASS;
}
