/* The life of a socket in the table: opened, established, settled, ended. */

static __always_inline int is_tcp(struct sock *sk)
{
	u16 protocol = 0;
	READ(protocol, sk->sk_protocol);
	return protocol == IPPROTO_TCP;
}

/* connect(): runs in the task that connects. */
static __always_inline void opened_active(struct sock *sk)
{
	struct description as = {};
	fill_tuple(&as, sk);
	fill_current(&as.owner);
	as.role = ROLE_CLIENT;
	as.evidence = EVIDENCE_OPENED;
	as.started_ns = bpf_ktime_get_ns();
	u32 unsettled = is_subflow(sk) ? enter_connection(&as, sk, 0) : 0;
	socket_enter((u64)sk, &as, TCP_SYN_SENT, unsettled);
}

/* The last segment of a handshake came in: runs in whatever task was interrupted. */
static __always_inline void opened_passive(struct sock *sk)
{
	struct description as = {};
	u32 several = 0, unsettled = 1;
	fill_tuple(&as, sk);
	struct listening_socket *listener = fill_listener(&as, &several);
	as.role = ROLE_SERVER;
	as.started_ns = as.established_ns = bpf_ktime_get_ns();
	if ((!listener || listener->mptcp) && is_subflow(sk))
		unsettled = enter_connection(&as, sk, unsettled);
	socket_enter((u64)sk, &as, TCP_ESTABLISHED, unsettled);
	u32 zero = 0;
	struct handshake *last = several ? handshakes.lookup(&zero) : 0;
	if (last) {
		last->socket = (u64)sk;
		last->at_ns = as.started_ns;
	} else if (listener) { /* of several: when it is known which */
		listener_cell_accept(listener->cell);
	}
}

/* The peer answered our SYN: now the local address and port are known. Returns whether it was news. */
static __always_inline int established(struct sock *sk, u64 key, struct entry *entry)
{
	u32 slot = entry->slot;
	struct description *as = describe(key, slot);
	if (!as || as->established_ns)
		return 0;
	turn_version(slot);
	fill_ends(as, sk);
	as->established_ns = bpf_ktime_get_ns();
	turn_version(slot);
	struct cell *cell = slot == NO_SLOT ? 0 : cells.lookup(&slot);
	if (cell)
		cell->state = TCP_ESTABLISHED;
	return 1;
}

/* What the task at work does with a socket. */
enum deed {
	DEED_USE,   /* reads or writes */
	DEED_SENT,  /* has written: nobody holds the socket any more */
	DEED_CLOSE, /* closes, or shuts down */
};

/* A number of a socket and of the program at work: of other ones it is another. */
static __always_inline u64 user_number(u64 key)
{
#ifdef DIRECT
	return key + program_of(CURRENT_TASK()) * 0x9e3779b97f4a7c15ull;
#else
	return key + (bpf_get_current_pid_tgid() >> 32) * 0x9e3779b97f4a7c15ull;
#endif
}

/* Whether a task holds the socket: the kernel works on it in the middle of whatever task only while none does. */
static __always_inline int held_by_task(struct sock *sk)
{
	int owned = 0;
	READ(owned, sk->sk_lock.owned);
	return owned;
}

static __always_inline void give(struct entry *entry, struct description *as, struct owner *owner)
{
	turn_version(entry->slot);
	as->owner = *owner;
	as->evidence = entry->unsettled ? EVIDENCE_ACCEPTED : EVIDENCE_USED;
	turn_version(entry->slot);
	tally(entry->unsettled ? TALLY_SETTLED : TALLY_TAKEN_OVER, 1);
	entry->unsettled = 0;
}

/* The current task is the owner of a socket that it reads, writes, or is the first to do something with. Returns 0 if no
 * such socket is known. */
static __always_inline int settle(struct sock *sk, enum deed deed)
{
	u64 key = (u64)sk, number = user_number(key);
	u64 *last = user_of(key);
	if (!last || *last == number)
		return 1;
	struct entry *entry = sockets.lookup(&key);
	struct task_struct *task = CURRENT_TASK();
	if (!entry)
		return 0;
	if ((deed == DEED_CLOSE && !entry->unsettled) || is_kernel_thread(task) ||
	    (deed != DEED_SENT && !held_by_task(sk)))
		return 1;
	struct description *as = describe(key, entry->slot);
	if (!as)
		return 1;
	if (entry->unsettled || as->owner.program != program_of(task) ||
	    as->owner.tgid != bpf_get_current_pid_tgid() >> 32) {
		struct owner owner = {};
		fill_current(&owner);
		give(entry, as, &owner);
	}
	*last = number;
	return 1;
}

#ifdef MPTCP_TYPES
/* The same for all subflows of a connection. */
static __always_inline void settle_connection(struct sock *connection, enum deed deed)
{
	u64 number = user_number((u64)connection);
	u64 *last = user_of((u64)connection);
	if (!last || *last == number || is_kernel_thread(CURRENT_TASK()) ||
	    (deed == DEED_CLOSE && !held_by_task(connection)))
		return;
	struct list_head *at = 0;
	struct owner owner = {};
	u64 key = 0;
	fill_current(&owner);
#pragma nounroll
	for (int i = 0; i < SUBFLOWS && next_subflow(connection, &at, &key); i++) {
		struct entry *entry = sockets.lookup(&key);
		struct description *as = entry ? describe(key, entry->slot) : 0;
		if (as && (entry->unsettled || (deed != DEED_CLOSE && (as->owner.program != owner.program ||
								       as->owner.tgid != owner.tgid))))
			give(entry, as, &owner);
	}
	if (deed != DEED_CLOSE)
		*last = number;
}
#else
static __always_inline void settle_connection(struct sock *connection, enum deed deed)
{
}
#endif

/* A failed connect's error: sk_err; without one the application gave up, and what the network had answered is
 * the cause if it did (the application may have asked for that error and so cleared it). A connect for which no
 * port was free never had a port. */
static __always_inline u16 connect_error(struct sock *sk, struct entry *entry, u16 local_port)
{
	int error = 0;
	READ(error, sk->sk_err);
	if (!error)
		READ(error, sk->sk_err_soft);
	if (!error && entry)
		error = entry->error;
	if (error)
		return error;
	return local_port ? ECANCELED : EADDRNOTAVAIL;
}

/* The newest error that the network sent for this socket (an ICMP message on its error queue). */
static __always_inline u32 queued_error(struct sock *sk)
{
	struct sk_buff *newest = 0;
	struct sock_exterr_skb *error = 0;
	u32 code = 0;
	READ(newest, sk->sk_error_queue.prev);
	if (!newest || (void *)newest == (void *)&sk->sk_error_queue)
		return 0;
	error = (struct sock_exterr_skb *)&newest->cb;
	READ(code, error->ee.ee_errno);
	return code;
}

static __always_inline void fill_unknown(struct description *as, struct sock *sk)
{
	u32 several = 0;
	__builtin_memset(as, 0, sizeof(*as));
	fill_last_tuple(as, sk);
	fill_listener(as, &several);
	as->role = as->evidence ? ROLE_SERVER : ROLE_UNKNOWN;
	as->flags = FLAG_UNTRACKED;
	as->generation = slotless_generation();
}

static __always_inline void fill_final(struct socket_event *event, struct sock *sk, u32 old, u32 user)
{
	u64 key = (u64)sk;
	u32 role = event->socket.role;
	/* Who is unknown here was never seen to connect; a port of its own that nobody listens on is a client's. */
	if (role == ROLE_UNKNOWN)
		role = ROLE_CLIENT;
	__builtin_memset(&event->counters, 0, sizeof(event->counters));
	if (event->header.kind == KIND_CLOSE) {
		struct scratch *scratch = scratches.lookup(&user);
		struct tcp_counters *base = 0;
		read_counters(sk, &event->counters, role, old, user, STILL_LOCKED);
		if (scratch)
			event->header.error = COMMON(int, sk_err);
		if (!event->socket.mptcp_token)
			event->socket.mptcp_token = token_read(sk, user);
		if (event->socket.flags & FLAG_ADOPTED)
			base = baselines.lookup(&key);
		if (base)
			subtract(&event->counters, base);
	}
}

/* Sends the end of a socket with its final counters, and takes it out of the table. */
static __always_inline void ended(struct sock *sk, u32 old, u32 flags, u32 user)
{
	u64 key = (u64)sk;
	struct entry *entry = sockets.lookup(&key);
	if (!entry && !is_tcp(sk))
		return;
	if (!entry && !setting(SETTING_ADOPTED)) {
		tally(TALLY_IGNORED, 1);
		return;
	}
	struct description *as = entry ? describe(key, entry->slot) : 0;
	struct socket_event *event = event_reserve();
	if (event) {
		__builtin_memset(&event->header, 0, sizeof(event->header));
		__builtin_memset(event->reserved, 0, sizeof(event->reserved));
		if (as)
			event->socket = *as;
		else
			fill_unknown(&event->socket, sk);
		event->socket.flags |= flags;
		event->header.at_ns = bpf_ktime_get_ns();
		event->header.slot = entry ? entry->slot : NO_SLOT;
		event->header.generation = event->socket.generation;
		event->header.kind = old == TCP_SYN_SENT || old == TCP_SYN_RECV ? KIND_FAIL : KIND_CLOSE;
		event->header.old_state = old;
		if (event->header.kind == KIND_FAIL) {
			fill_last_tuple(&event->socket, sk);
			event->header.error = connect_error(sk, entry, event->socket.local_port);
		}
		fill_final(event, sk, old, user);
		ring.ringbuf_submit(event, wakeup());
	}
	if (entry)
		entry_drop(key, entry);
	else
		tally(TALLY_UNTRACKED, 1);
}
