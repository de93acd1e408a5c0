/* The table of flows: from a tuple to its slot and its cell; how flows begin and end. */

/* A description is written between two calls: `version` is odd in between, so that user space can tell. */
static __always_inline void turn_cell(struct udp_cell *cell)
{
	__sync_fetch_and_add(&cell->version, 1);
}

static __always_inline struct udp_cell *cell_at(u32 slot)
{
	return udp_cells.lookup(&slot);
}

#ifdef DNS_PROBE
static __always_inline struct description *udp_description(u32 slot)
{
	struct udp_cell *cell = cell_at(slot);
	return cell ? &cell->event.socket : 0;
}
#endif

/* The flow that was at a place, if it is open. */
static __always_inline struct udp_cell *cell_in(u64 place)
{
	struct udp_cell *cell = place ? cell_at((u32)place) : 0;
	return cell && cell->generation == (u32)(place >> 32) && cell->open ? cell : 0;
}

static __always_inline int is_of(struct udp_key *key, struct packet *packet)
{
	return key->peer_port == packet->peer_port && key->local_port == packet->local_port &&
	       key->peer_address[1] == packet->peer_address[1] && key->peer_address[0] == packet->peer_address[0] &&
	       key->local_address[1] == packet->local_address[1] && key->local_address[0] == packet->local_address[0];
}

/* The same by the tuple that the socket has, or by what NAT in its own namespace makes of it. */
static __always_inline int is_at(struct udp_cell *cell, struct packet *packet)
{
	return is_of(&cell->key, packet) || (cell->wire.cookie && is_of(&cell->wire, packet));
}

/* The gate of a socket and a peer. Neighbours by port, by the end of the address or by the socket's number have neighbouring
 * gates, which share cache lines; a better mix would cost more than the few flows that meet in one gate. */
static __always_inline u32 udp_gate_of(struct packet *packet, u64 cookie)
{
	return (cookie ^ packet->peer_port ^ packet->peer_address[1] >> 48) & (UDP_GATES - 1);
}

static __always_inline void fill_key(struct udp_key *key, struct packet *packet, u64 cookie)
{
	key->cookie = cookie;
	key->local_address[0] = packet->local_address[0];
	key->local_address[1] = packet->local_address[1];
	key->peer_address[0] = packet->peer_address[0];
	key->peer_address[1] = packet->peer_address[1];
	key->local_port = packet->local_port;
	key->peer_port = packet->peer_port;
	key->reserved = 0;
}

static __always_inline struct udp_cell *flow_of(struct udp_key *key, u32 *slot)
{
	u32 *found = udp_flows.lookup(key);
	struct udp_cell *cell = found ? cell_at(*found) : 0;
	if (!cell || !cell->open)
		return 0;
	*slot = *found;
	return cell;
}

/* A free slot, lowest first; 0 if there is one. */
static __always_inline int udp_slot_take(u32 *slot)
{
	return udp_free.pop(slot) && udp_resting.pop(slot);
}

static __always_inline void udp_slot_rest(u32 slot)
{
	u32 oldest = 0;
	if (!udp_resting.push(&slot, 0))
		return;
	if (!udp_resting.pop(&oldest))
		udp_free.push(&oldest, 0);
	if (udp_resting.push(&slot, 0))
		udp_free.push(&slot, 0);
}

/* Nobody waits any more for who receives from a socket. */
static __always_inline void readers_forget(u64 cookie)
{
	struct udp_reader_key key = {.cookie = cookie};
	udp_readers.delete(&key);
	key.known = 1;
	udp_readers.delete(&key);
}

/* A flow of a socket from which somebody has received is theirs. */
static __always_inline void cell_read(struct udp_cell *cell)
{
	struct udp_reader_key key = {.cookie = cell->key.cookie, .known = 1};
	struct owner *reader = udp_readers.lookup(&key);
	if (!reader)
		return;
	turn_cell(cell);
	cell->event.socket.owner = *reader;
	cell->event.socket.evidence = EVIDENCE_USED;
	cell->settled = 1;
	turn_cell(cell);
}

/* One flow less of its socket; the last one of a socket that is gone takes the count with it. */
static __always_inline void leave_socket(u64 cookie)
{
	struct udp_flow_count *count = udp_sockets.lookup(&cookie);
	if (!count)
		return;
	__sync_fetch_and_add(&count->flows, -1);
	if (!count->closed || count->flows)
		return;
	udp_sockets.delete(&cookie);
	readers_forget(cookie);
}

/* Ends a flow: nothing new is counted in it. Of several who want to, one gets it: who deletes its key. Returns whether that
 * was here; then it is to be told (flow_tell), at once or, where `ending` says why, by the sweep. A slot that changed hands
 * at this moment ends its new flow: that one goes on in another slot. */
static __always_inline int flow_claim(struct udp_cell *cell)
{
	struct udp_key key = cell->key;
	if (!cell->open || udp_flows.delete(&key))
		return 0;
	cell->open = 0;
	if (!cell->settled && cell->event.counters.rx_datagrams)
		cell_read(cell);
	if (cell->wire.cookie) {
		key = cell->wire;
		udp_flows.delete(&key);
	}
	if (cell->many)
		leave_socket(cell->key.cookie);
	return 1;
}

/* Tells the end of a flow that was claimed, and gives its slot back; where the ring is full the sweep does it later. */
static __always_inline void flow_tell(struct udp_cell *cell, u32 slot, u8 why)
{
	struct datagram_event *event = ring.ringbuf_reserve(sizeof(struct ring_event));
	if (!event) {
		cell->ending = why;
		return;
	}
	event_made(0, event);
	*event = cell->event;
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.slot = slot;
	event->header.generation = cell->generation;
	event->header.kind = KIND_DATAGRAMS;
	event->header.error = event->counters.error;
	event->end = why;
	ring.ringbuf_submit(event, wakeup());
	cell->ending = UDP_OPEN;
	udp_tally(UDP_ENDED, 1);
	udp_slot_rest(slot);
}

/* The first flow of a socket that now has several is counted, too. */
static __always_inline void count_first(struct udp_socket *socket, struct udp_flow_count *count)
{
	struct udp_cell *first = cell_in(socket->first);
	if (!first)
		return;
	first->many = 1;
	count->flows = 1;
}

/* The count of a socket's flows, made with its second one; 0 while it has one, and where there is no room. */
static __always_inline struct udp_flow_count *flows_of(struct udp_socket *socket, u64 cookie)
{
	if (socket->many)
		return udp_sockets.lookup(&cookie);
	if (!cell_in(socket->first))
		return 0;
	struct udp_flow_count none = {};
	count_first(socket, &none);
	if (udp_sockets.insert(&cookie, &none)) {
		udp_tally(UDP_UNNUMBERED, 1);
		return 0;
	}
	socket->many = 1;
	return udp_sockets.lookup(&cookie);
}

static __always_inline void fill_ends_of(struct description *to, struct udp_key *key)
{
	__builtin_memcpy(to->local_address, key->local_address, 16);
	__builtin_memcpy(to->peer_address, key->peer_address, 16);
	to->local_port = key->local_port;
	to->peer_port = key->peer_port;
}

/* Takes a slot for a flow and writes what is known of it but for its owner; its key is not in the table yet. */
static __always_inline struct udp_cell *udp_cell_take(struct udp_key *key, struct packet *packet, u32 *slot)
{
	struct udp_cell *cell = udp_slot_take(slot) ? 0 : cell_at(*slot);
	if (!cell)
		return 0;
	turn_cell(cell);
	__builtin_memset(&cell->event, 0, sizeof(cell->event));
	__builtin_memset(&cell->wire, 0, sizeof(cell->wire));
	cell->key = *key;
	cell->answer = 0;
	cell->ending = cell->many = cell->settled = cell->looked = cell->initials = cell->answers = 0;
	cell->began_out = packet->out;
	cell->generation++;
	struct description *as = &cell->event.socket;
	fill_ends_of(as, key);
	as->generation = cell->generation;
	as->family = packet->family;
	as->role = packet->out ? ROLE_CLIENT : ROLE_SERVER;
	as->started_ns = as->established_ns = bpf_ktime_get_ns();
	cell->event.counters.last_ns = as->started_ns;
	cell->counted = 0;
	__builtin_memcpy(cell->event.wire_address, as->peer_address, 16);
	cell->event.wire_port = as->peer_port;
	return cell;
}

/* Puts a flow into the table; where another processor has just done so, that one's is taken. */
static __always_inline struct udp_cell *cell_enter(struct udp_cell *cell, u32 *slot)
{
	struct udp_key key = cell->key;
	u32 mine = *slot;
	turn_cell(cell);
	cell->open = 1;
	if (!udp_flows.insert(&key, &mine)) {
		udp_tally(UDP_OPENED, 1);
		return cell;
	}
	cell->open = 0;
	udp_slot_rest(mine);
	return flow_of(&key, slot);
}
