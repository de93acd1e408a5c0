/* Who listens where: by the listening socket, and by its address as the kernel looks for it. */

#define HANDSHAKE_NS 1000000 /* from a handshake's end to the listener's wake-up: the same softirq */
#define IPV6_ONLY 0x20	     /* bit of the byte behind skc_state (include/net/sock.h) */

/* Addresses as two numbers; little-endian machines only, as all that BPF is compiled for here. */
#define UPPER(address) (*(u64 *)(address))
#define LOWER(address) (*(u64 *)((address) + 8))
#define ANY_IPV4 0xffff0000ull /* ::ffff:0.0.0.0 */

#ifndef LISTENER_CELLS /* nobody wants to know how listeners stand (bpf/listeners/cells.h) */
#define listener_cell_enter(...) 0
#define listener_cell_leave(...)
#define listener_cell_give(...)
#define listener_cell_accept(...)
#endif

static __always_inline int is_ipv4(u8 *address)
{
	return !UPPER(address) && (u32)LOWER(address) == ANY_IPV4;
}

/* Whether a connection to `address` may come to this listener: as in the kernel's lookup, but for devices. */
static __always_inline int listens_at(struct listening_socket *listener, u8 *address)
{
	u8 *at = listener->at.address;
	if (UPPER(at) == UPPER(address) && LOWER(at) == LOWER(address))
		return 1;
	if (UPPER(at))
		return 0;
	if (LOWER(at))
		return LOWER(at) == ANY_IPV4 && is_ipv4(address);
	return !listener->ipv6_only || !is_ipv4(address);
}

/* The first of those that share the address in `key`. */
static __always_inline struct listening_socket *listener_at(struct listener_key *key, u8 *address)
{
#pragma unroll
	for (int place = 0; place < LISTENER_PLACES; place++) {
		key->place = place;
		u64 *socket = listening.lookup(key);
		struct listening_socket *found = socket ? listeners.lookup(socket) : 0;
		if (found && listens_at(found, address))
			return found;
	}
	return 0;
}

/* The most specific one: the address itself, all of IPv4, all of IPv6. */
static __always_inline struct listening_socket *most_specific(struct description *as)
{
	struct listener_key key = {.netns = as->netns, .port = as->local_port};
	UPPER(key.address) = UPPER(as->local_address);
	LOWER(key.address) = LOWER(as->local_address);
	struct listening_socket *found = listener_at(&key, as->local_address);
	if (!found && is_ipv4(as->local_address)) {
		LOWER(key.address) = ANY_IPV4;
		found = listener_at(&key, as->local_address);
	}
	if (!found) {
		UPPER(key.address) = LOWER(key.address) = 0;
		found = listener_at(&key, as->local_address);
	}
	return found;
}

/* Whoever listens where a connection came in; `several` says whether it could be somebody else. */
static __always_inline struct listening_socket *listener_of(struct description *as, u32 *several)
{
	struct port_key port = {.netns = as->netns, .port = as->local_port};
	struct port_listeners *there = ports.lookup(&port);
	if (!there || !there->count)
		return 0;
	*several = there->count > 1;
	u64 socket = there->socket;
	struct listening_socket *found = *several || !socket ? 0 : listeners.lookup(&socket);
	if (found)
		return listens_at(found, as->local_address) ? found : 0;
	return most_specific(as);
}

static __always_inline void note_owner(struct owner *owner)
{
	u8 lives = 1;
	listener_owners.update(&owner->tgid, &lives);
}

/* The owner of a connection until somebody uses it. */
static __always_inline struct listening_socket *fill_listener(struct description *as, u32 *several)
{
	struct listening_socket *listener = listener_of(as, several);
	as->evidence = listener ? EVIDENCE_LISTENER : EVIDENCE_NONE;
	if (listener)
		as->owner = listener->owner;
	return listener;
}

/* This socket listens no more. */
static __always_inline void listener_leave(u64 key)
{
	struct listening_socket *listener = listeners.lookup(&key);
	if (!listener)
		return;
	struct listener_key at = listener->at;
	struct port_key port = {.netns = at.netns, .port = at.port};
	struct port_listeners *there = ports.lookup(&port);
	if (there && there->count)
		__sync_fetch_and_add(&there->count, -1);
	if (there && there->socket == key)
		there->socket = 0;
	if (at.place < LISTENER_PLACES)
		listening.delete(&at);
	listeners.delete(&key);
}

/* Takes the first place that is free; of more than LISTENER_PLACES at one address the others are known by their socket. */
static __always_inline void take_place(struct listener_key *at, u64 key)
{
#pragma unroll
	for (int place = 0; place < LISTENER_PLACES; place++) {
		at->place = place;
		if (!listening.insert(at, &key))
			return;
	}
	at->place = LISTENER_PLACES;
}

/* This socket listens from now on; `listener` has its owner. `as` is room for its description.
 * adopted: it did so before the start. */
static __always_inline void listener_enter(struct sock *sk, struct listening_socket *listener, struct description *as,
					   u8 adopted)
{
	u64 key = (u64)sk;
	u8 bits = 0;
	listener_leave(key); /* another socket at this address, whose end was missed */
	fill_tuple(as, sk);
	bpf_probe_read_kernel(&bits, 1, (void *)sk + TUPLE_AT(skc_state) + 1);
	listener->ipv6_only = bits & IPV6_ONLY;
	listener->mptcp = is_subflow(sk);
	UPPER(listener->at.address) = UPPER(as->local_address);
	LOWER(listener->at.address) = LOWER(as->local_address);
	listener->at.netns = as->netns;
	listener->at.port = as->local_port;
	take_place(&listener->at, key);
	listener->cell = listener_cell_enter(sk, &listener->owner, as->local_address, as->netns, as->local_port, adopted);
	note_owner(&listener->owner);
	listeners.update(&key, listener);
	struct port_key port = {.netns = as->netns, .port = as->local_port};
	struct port_listeners none = {};
	struct port_listeners *there = ports.lookup_or_try_init(&port, &none);
	if (!there)
		return;
	there->socket = key;
	__sync_fetch_and_add(&there->count, 1);
}
