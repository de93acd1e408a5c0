/* Every packet that a socket sends or gets passes here (cgroup_skb at the root of the hierarchy, for the whole machine):
 * what is neither UDP nor wanted leaves after its protocol was read. The verdict is always to let it pass. */

#define PASS 1

/* Datagrams in one packet: the kernel cuts a large one later (UDP_SEGMENT), or has put several together (UDP_GRO). */
static __always_inline u32 datagrams_in(struct __sk_buff *skb, u32 bytes)
{
	if (skb->gso_segs > 1)
		return skb->gso_segs;
	return skb->gso_size ? (bytes + skb->gso_size - 1) / skb->gso_size : 1;
}

static __always_inline u64 now_coarse(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
	return bpf_ktime_get_coarse_ns();
#else
	return bpf_ktime_get_ns();
#endif
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
	counters->last_ns = now_coarse();
}

/* What is done once or twice in a flow's life. */
static __always_inline void cell_learn(struct __sk_buff *skb, struct packet *packet, struct udp_socket *socket,
				       struct udp_cell *cell)
{
	if (packet->out && !cell->settled)
		cell_settle(cell, socket);
	if (cell->looked || packet->out == cell->began_out)
		return;
	cell->looked = 1;
	if (cell->began_out && !(cell->event.socket.flags & FLAG_ADOPTED))
		cell->event.counters.first_reply_ns = bpf_ktime_get_ns();
	cell_look(skb, packet, cell);
}

static __always_inline void datagram(struct __sk_buff *skb, struct bpf_sock *sk, struct packet *packet)
{
	struct udp_socket *socket = udp_storage.sk_storage_get(sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!socket)
		return;
	u32 slot = socket->last;
	struct udp_cell *cell = cell_in(socket->last);
	if (!cell || !is_of(cell, packet)) {
		cell = flow_find(skb, packet, socket, &slot);
		if (!cell) {
			udp_tally(UDP_NO_SLOT, datagrams_in(skb, packet->bytes));
			udp_tally(UDP_NO_SLOT_BYTES, packet->bytes);
			return;
		}
		socket->last = PLACE_OF(slot, cell->generation);
	}
	udp_cell_count(skb, packet, cell);
	if (!cell->looked || (packet->out && !cell->settled))
		cell_learn(skb, packet, socket, cell);
#ifdef DNS_PROBE
	if (cell->event.application == APPLICATION_DNS) {
		struct dns_seen seen = {.socket = &cell->event.socket, .slot = SLOTS + slot,
					.generation = cell->generation, .begin = packet->offset,
					.length = packet->bytes, .local_port = packet->local_port,
					.peer_port = packet->peer_port, .out = packet->out,
					.transport = IPPROTO_UDP};
		dns_see(skb, &seen);
	}
#endif
}

static __always_inline int passing(struct __sk_buff *skb, int out)
{
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
	datagram(skb, sk, &packet);
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
	struct udp_socket *socket = udp_storage.sk_storage_get(sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
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

/* The last descriptor of a socket is closed. Its flows beside an only one are ended by the sweep. */
int udp_released(struct bpf_sock *sk)
{
	if (sk->protocol != IPPROTO_UDP)
		return PASS;
	struct udp_socket *socket = udp_storage.sk_storage_get(sk, 0, 0);
	u64 address = (u64)sk;
	udp_adopted.delete(&address);
	if (!socket)
		return PASS;
	if (socket->many) {
		u64 cookie = bpf_get_socket_cookie(sk);
		struct udp_flow_count *count = udp_sockets.lookup(&cookie);
		if (!count)
			return PASS;
		count->closed = 1;
		if (!count->flows)
			udp_sockets.delete(&cookie);
		return PASS;
	}
	struct udp_cell *cell = cell_in(socket->first);
	if (cell && flow_claim(cell))
		flow_tell(cell, socket->first, UDP_CLOSED);
	return PASS;
}
