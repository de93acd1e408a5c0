/* Sockets that were open before the probe: BPF iterators over all tasks' files, then over all TCP sockets. The
 * kernel checks their contexts by BTF, and no header has them. */

#ifdef KERNEL_BTF

static __always_inline struct sock *socket_of(struct file *file)
{
	struct inode *inode = 0;
	struct socket *socket = 0;
	struct sock *sk = 0;
	u16 mode = 0;
	READ(inode, file->f_inode);
	READ(mode, inode->i_mode);
	if ((mode & 0170000) != 0140000) /* S_IFSOCK */
		return 0;
	READ(socket, file->private_data);
	READ(sk, socket->sk);
	return sk;
}

/* Of IPv4 or IPv6; others count their protocols anew. */
static __always_inline int is_internet(struct sock *sk)
{
	u16 family = 0;
	READ(family, sk->__sk_common.skc_family);
	return family == AF_INET || family == AF_INET6;
}

/* FINs that were counted before the adoption must not be taken off again at the end: read as if locked. */
static __always_inline void adopt(struct sock *sk, u32 state, struct description *as, u32 unsettled)
{
	u64 key = (u64)sk;
	struct tcp_counters base = {};
	as->flags = FLAG_ADOPTED;
	as->started_ns = bpf_ktime_get_ns();
	as->established_ns = state == TCP_SYN_SENT ? 0 : as->started_ns;
	read_counters(sk, &base, as->role, state, SCRATCH_ADOPT, STILL_LOCKED);
	baselines.update(&key, &base);
	if (socket_enter(key, as, state, unsettled)) {
		baselines.delete(&key);
		return;
	}
	tally(TALLY_ADOPTED, 1);
}

static __always_inline int adoptable(u32 state)
{
	return state == TCP_ESTABLISHED || state == TCP_SYN_SENT || state == TCP_FIN_WAIT1 ||
	       state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

/* Who connects has had its SYN acknowledged, which bytes_acked counts (payload_sent): one more than the payload that was
 * sent for the first time. That is sure while the socket rests: all that was written is acknowledged. */
static __always_inline u32 role_by_bytes(struct sock *sk, u32 state)
{
	u32 user = SCRATCH_ADOPT;
	struct scratch *scratch = scratches.lookup(&user);
	if (!scratch || state == TCP_SYN_SENT)
		return scratch ? ROLE_CLIENT : ROLE_UNKNOWN;
	u32 busy = locked(sk);
	bpf_probe_read_kernel(scratch->hot, sizeof(scratch->hot), (void *)sk + HOT_BEGIN);
	bpf_probe_read_kernel(scratch->retrans, sizeof(scratch->retrans), (void *)sk + RETRANS_BEGIN);
	if (busy || locked(sk) || FIELD(u32, write_seq) != FIELD(u32, snd_una))
		return ROLE_UNKNOWN;
	u64 flags = FIELD(u64, bytes_acked) - (FIELD(u64, bytes_sent) - RETRANS(u64, bytes_retrans));
	flags -= state == TCP_FIN_WAIT2;
	return flags == 1 ? ROLE_CLIENT : flags == 0 ? ROLE_SERVER : ROLE_UNKNOWN;
}

/* One that holds a port on which somebody listens was accepted there. Where neither tells, the other end may. */
static __always_inline struct description *fill_adopted(struct sock *sk, u32 state)
{
	u32 zero = 0, several = 0;
	struct description *as = adopting.lookup(&zero);
	if (!as)
		return 0;
	__builtin_memset(as, 0, sizeof(*as));
	fill_last_tuple(as, sk);
	fill_listener(as, &several);
	as->role = role_by_bytes(sk, state);
	if (as->role == ROLE_UNKNOWN && as->evidence)
		as->role = ROLE_SERVER;
	return as;
}

/* The first who holds a listener owns it, until that process exits: to give it to one that exits already would last. */
static __always_inline void adopt_listener(struct sock *sk, struct task_struct *task)
{
	u32 zero = 0;
	u64 key = (u64)sk;
	struct listening_socket listener = {};
	struct listening_socket *known = listeners.lookup(&key);
	if ((known && listener_owners.lookup(&known->owner.tgid)) || is_exiting(task))
		return;
	struct description *as = adopting.lookup(&zero);
	fill_owner(&listener.owner, task);
	if (!known) {
		if (as)
			listener_enter(sk, &listener, as, 1);
		return;
	}
	known->owner = listener.owner;
	listener_cell_give(key, &known->owner);
	note_owner(&known->owner);
}

/* One that no task holds: the kernel itself serves there (NFS). */
static __always_inline void adopt_kernel_listener(struct sock *sk)
{
	u32 zero = 0;
	u64 key = (u64)sk;
	struct listening_socket listener = {};
	struct description *as = adopting.lookup(&zero);
	if (as && !listeners.lookup(&key))
		listener_enter(sk, &listener, as, 1);
}

/* A connection that nobody has used, at a listener whose owner is gone: whoever holds it has accepted it. */
static __always_inline void hold(u64 key, struct entry *entry, struct task_struct *task)
{
	struct description *as = describe(key, entry->slot);
	if (!as || as->evidence != EVIDENCE_LISTENER || listener_owners.lookup(&as->owner.tgid) || is_exiting(task))
		return;
	turn_version(entry->slot);
	fill_owner(&as->owner, task);
	as->evidence = EVIDENCE_ACCEPTED;
	turn_version(entry->slot);
}

/* A TCP socket that a task holds, in one of the passes (enum adoption_pass). */
static __always_inline void visit(struct sock *sk, struct task_struct *task)
{
	u64 key = (u64)sk;
	u8 state = 0;
	READ(state, sk->__sk_common.skc_state);
	if (setting(SETTING_PASS) == PASS_LISTENERS) {
		if (state == TCP_LISTEN)
			adopt_listener(sk, task);
		return;
	}
	struct entry *entry = sockets.lookup(&key);
	if (setting(SETTING_PASS) == PASS_HOLDERS) {
		if (entry && entry->unsettled)
			hold(key, entry, task);
		return;
	}
	if (!adoptable(state) || entry)
		return;
	struct description *as = fill_adopted(sk, state);
	if (!as)
		return;
	fill_owner(&as->owner, task);
	as->evidence = EVIDENCE_ADOPTED;
	adopt(sk, state, as, 0);
}

/* The subflow of a connection that this pass is for (SETTING_SUBFLOW); 0 if it has not so many. Tells whether it has more. */
static __always_inline struct sock *subflow_of(struct sock *connection)
{
#ifdef MPTCP_TYPES
	struct list_head *at = 0;
	u32 index = setting(SETTING_SUBFLOW), more = SETTING_MORE, yes = 1;
	u64 key = 0, next = 0;
#pragma unroll
	for (u32 i = 0; i < SUBFLOWS; i++)
		if (i <= index && !next_subflow(connection, &at, &key))
			return 0;
	if (next_subflow(connection, &at, &next))
		settings.update(&more, &yes);
	return (struct sock *)key;
#else
	return 0;
#endif
}

/* iter/task_file: each file of each task. Of a connection of MPTCP tasks hold no subflow. */
int bpf_iter__task_file(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	if (!file || !task)
		return 0;
	struct sock *sk = socket_of(file);
	if (!sk || !is_internet(sk))
		return 0;
	if (is_connection(sk))
		sk = subflow_of(sk);
	else if (setting(SETTING_SUBFLOW) || !is_tcp(sk))
		return 0;
	if (sk)
		visit(sk, task);
	return 0;
}

/* iter/tcp: each TCP socket of one network namespace; what no task's file led to is waiting to be accepted, or
 * was closed by its process and is still sending. */
int bpf_iter__tcp(struct bpf_iter__tcp *ctx)
{
	u64 key = 0; /* read as a number: the verifier allows no arithmetic on the pointer itself */
	bpf_probe_read_kernel(&key, sizeof(key), &ctx->sk_common);
	if (!key)
		return 0;
	struct sock *sk = (struct sock *)key;
	u8 state = 0;
	READ(state, sk->__sk_common.skc_state);
	if (state == TCP_LISTEN)
		adopt_kernel_listener(sk);
	if (!adoptable(state) || sockets.lookup(&key))
		return 0;
	unsigned long flags = 0;
	READ(flags, sk->__sk_common.skc_flags);
	u32 orphan = (flags & (1UL << SOCK_DEAD)) != 0;
	struct description *as = fill_adopted(sk, state);
	if (as)
		adopt(sk, state, as, !orphan);
	return 0;
}

#endif
