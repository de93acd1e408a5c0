/* Sockets of UDP: what is kept of one, and who owns it. */

static __always_inline struct sock *sock_of(struct __sk_buff *skb)
{
	u64 found = 0;
	bpf_probe_read_kernel(&found, sizeof(found), (void *)skb + __builtin_offsetof(struct sk_buff, sk));
	return (struct sock *)found;
}

/* What is kept of a socket, made if need be; 0 if there is no room. Of processors that make it at the same time the kernel
 * lets one, and gives the others nothing: they find what that one has made. */
static __always_inline struct udp_socket *udp_socket_kept(struct bpf_sock *sk)
{
	struct udp_socket *socket = udp_storage.sk_storage_get(sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	return socket ? socket : udp_storage.sk_storage_get(sk, 0, 0);
}

/* Looks for a socket that was not seen before among those of before the start. */
static __always_inline void socket_known(struct udp_socket *socket, u64 address)
{
	struct udp_adopted *adopted = udp_adopted.lookup(&address);
	socket->known = 1;
	if (!adopted)
		return;
	socket->owner = adopted->owner;
	socket->bound = adopted->bound;
	socket->adopted_ns = adopted->at_ns;
	socket->owned = 1;
	udp_adopted.delete(&address);
}

/* The task at work sends: it owns the socket from now on. */
static __always_inline void socket_settle(struct udp_socket *socket)
{
	fill_owner(&socket->owner, (struct task_struct *)CURRENT_TASK());
	socket->owned = socket->settled = 1;
}

/* It gets a datagram and has sent none: of who received from it, once somebody has. */
static __always_inline void socket_await(struct udp_socket *socket, u64 cookie)
{
	struct udp_reader_key key = {.cookie = cookie, .known = 1};
	struct owner *reader = udp_readers.lookup(&key), nobody = {};
	if (reader) {
		socket->owner = *reader;
		socket->owned = socket->settled = 1;
		return;
	}
	key.known = 0;
	socket->awaited = 1;
	if (!udp_readers.lookup(&key) && udp_readers.insert(&key, &nobody))
		udp_tally(UDP_UNAWAITED, 1);
}

/* What began before the start would have rested for so long by now that it had ended: a flow that begins later is whole. */
#define LONGER_OF(one, other) ((one) > (other) ? (one) : (other))
#define LONGEST_REST (LONGER_OF(LONGER_OF(UDP_IDLE_ANSWERED, UDP_IDLE_UNANSWERED), UDP_IDLE_BOTH) * SECOND_NS)

/* Whose a flow is: of who sends it; of who bound or held the socket, until that is known. */
static __always_inline void cell_own(struct udp_cell *cell, struct udp_socket *socket, int out)
{
	struct description *as = &cell->event.socket;
	if (!socket->owned)
		return;
	as->owner = socket->owner;
	cell->settled = socket->settled;
	as->evidence = socket->settled ? (out ? EVIDENCE_OPENED : EVIDENCE_USED) :
		       socket->adopted_ns ? EVIDENCE_ADOPTED :
					    EVIDENCE_LISTENER;
	if (!socket->adopted_ns || as->started_ns - socket->adopted_ns > LONGEST_REST)
		return;
	/* who sent first was not seen: a port that its program chose is a server's */
	as->flags |= FLAG_ADOPTED;
	as->role = socket->bound ? ROLE_SERVER : ROLE_CLIENT;
}

/* The same for a flow that began before its socket's owner was known. */
static __always_inline void cell_settle(struct udp_cell *cell, struct udp_socket *socket)
{
	if (!socket->settled)
		socket_settle(socket);
	turn_cell(cell);
	cell->event.socket.owner = socket->owner;
	cell->event.socket.evidence = EVIDENCE_USED;
	cell->settled = 1;
	turn_cell(cell);
}
