/* Hooks of the TCP probe. Each leaves at once when it has nothing to do. */

static __always_inline void became_established(struct sock *sk, u32 old)
{
	u64 key = (u64)sk;
	struct entry *entry = sockets.lookup(&key);
	if (entry && established(sk, key, entry))
		return;
	/* An entry that was established before is of another socket at this address, whose end was missed. */
	if (old == TCP_SYN_RECV && is_tcp(sk))
		opened_passive(sk);
}

/* Whether it is the application that closes, or shuts down. Nothing else leads to FIN_WAIT1 and LAST_ACK, and only its close
 * or disconnect ends an established socket while a task holds it, unless there was an error: a reset that came in, or an
 * administrator's (tcp_abort). */
static __always_inline int closes(struct sock *sk, u32 old, u32 new)
{
	int error = 0;
	if (new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK)
		return 1;
	if (new != TCP_CLOSE || (old != TCP_ESTABLISHED && old != TCP_CLOSE_WAIT))
		return 0;
	READ(error, sk->sk_err);
	return !error;
}

static __always_inline void became_closed(struct sock *sk, u32 old)
{
	if (old == TCP_LISTEN) {
		listener_leave((u64)sk);
		listener_cell_leave(sk);
	}
	if (old == TCP_LISTEN || old == TCP_CLOSE || old == TCP_NEW_SYN_RECV)
		return;
	if (old == TCP_SYN_RECV) { /* only a simultaneous open was seen to begin */
		u64 key = (u64)sk;
		if (!sockets.lookup(&key))
			return;
	}
	ended(sk, old, 0, SCRATCH_STATE);
}

static __always_inline void began_to_listen(struct sock *sk)
{
	struct listening_socket listener = {};
	struct description as = {};
	fill_current(&listener.owner);
	listener_enter(sk, &listener, &as, 0);
}

/* raw_tracepoint inet_sock_set_state(sk, old, new): the state has not been stored yet. Other protocols have it,
 * too; whose socket has an entry is TCP's. */
int state_changed(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u32 old = ctx->args[1], new = ctx->args[2];
	if (new != TCP_SYN_SENT && new != TCP_ESTABLISHED && new != TCP_CLOSE && new != TCP_LISTEN &&
	    new != TCP_FIN_WAIT1 && new != TCP_LAST_ACK)
		return 0;
	if (closes(sk, old, new) && !settle(sk, DEED_CLOSE) && is_connection(sk))
		settle_connection(sk, DEED_CLOSE);
	if (new == TCP_ESTABLISHED)
		became_established(sk, old);
	else if (new == TCP_CLOSE)
		became_closed(sk, old);
	else if ((new == TCP_SYN_SENT || new == TCP_LISTEN) && is_tcp(sk))
		new == TCP_SYN_SENT ? opened_active(sk) : began_to_listen(sk);
	return 0;
}

/* The same tracepoint, after state_changed: sees what happens within another state change. The kernel skips a program
 * that interrupts itself on the same processor, as it would where packets come in the middle of an application's
 * connect or close. Other changes are not made by packets. What the first program has done is found done. */
int state_changed_within(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u32 old = ctx->args[1], new = ctx->args[2];
	if ((new != TCP_ESTABLISHED && new != TCP_CLOSE) || old == TCP_LISTEN || old == TCP_CLOSE)
		return 0;
	u64 key = (u64)sk;
	struct entry *entry = sockets.lookup(&key);
	if (new == TCP_CLOSE) {
		if (!entry)
			return 0;
		ended(sk, old, 0, SCRATCH_WITHIN);
	} else if (entry) {
		if (!established(sk, key, entry))
			return 0;
	} else {
		if (old != TCP_SYN_RECV || !is_tcp(sk))
			return 0;
		opened_passive(sk);
	}
	tally(TALLY_WITHIN, 1);
	return 0;
}

/* raw_tracepoint tcp_destroy_sock(sk): heals an end whose state change was missed. */
int destroyed(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u64 key = (u64)sk;
	struct entry *entry = sockets.lookup(&key);
	if (!entry)
		return 0;
	struct description *as = describe(key, entry->slot);
	u64 acked = 0;
	READ(acked, ((struct tcp_sock *)sk)->bytes_acked);
	ended(sk, as && as->role == ROLE_CLIENT && !acked ? TCP_SYN_SENT : TCP_CLOSE, FLAG_HEALED,
	      SCRATCH_DESTROY);
	tally(TALLY_HEALED, 1);
	return 0;
}

/* raw_tracepoint inet_sk_error_report(sk): the application is told of an error; of a connect under way it is kept,
 * because an ICMP error alone does not end one. */
int error_reported(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u64 key = (u64)sk;
	u8 state = 0;
	READ(state, sk->__sk_common.skc_state);
	struct entry *entry = state == TCP_SYN_SENT ? sockets.lookup(&key) : 0;
	if (entry)
		entry->error = queued_error(sk);
	return 0;
}

/* raw_tracepoint tcp_rcv_space_adjust(sk), tcp_sendmsg_locked(sk, ...): the task at work has read from or writes to the
 * socket. */
int used(struct bpf_raw_tracepoint_args *ctx)
{
	settle((struct sock *)ctx->args[0], DEED_USE);
	return 0;
}

/* raw_tracepoint sock_send_length(sk, ...): the same behind the call. */
int sent(struct bpf_raw_tracepoint_args *ctx)
{
	settle((struct sock *)ctx->args[0], DEED_SENT);
	return 0;
}

#ifdef MPTCP_TYPES
/* kprobe mptcp_recvmsg(sk, ...), mptcp_sendmsg(sk, ...): the task at work reads or writes a connection of MPTCP. */
int connection_used(struct pt_regs *ctx)
{
	settle_connection((struct sock *)PT_REGS_PARM1(ctx), DEED_SENT);
	return 0;
}

/* raw_tracepoint sock_recv_length(sk, length, ...), sock_send_length: the same, among the sockets of all protocols. */
int message_passed(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u64 *last = user_of((u64)sk);
	if (last && *last != user_number((u64)sk) && (int)ctx->args[1] > 0 && is_connection(sk))
		settle_connection(sk, DEED_SENT);
	return 0;
}
#endif

/* raw_tracepoint sk_data_ready(sk): of a listener, right behind the end of a handshake on the same processor, it tells
 * which one the kernel chose (tcp_child_process). */
int accept_ready(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u64 key = ctx->args[0];
	struct handshake *last = handshakes.lookup(&zero);
	if (!last || !last->socket || last->socket == key)
		return 0;
	struct listening_socket *listener = listeners.lookup(&key);
	u64 child = last->socket;
	if (!listener)
		return 0;
	last->socket = 0;
	struct entry *entry = sockets.lookup(&child);
	struct description *as = entry && entry->unsettled ? describe(child, entry->slot) : 0;
	if (!as || as->local_port != listener->at.port || as->netns != listener->at.netns ||
	    bpf_ktime_get_ns() - last->at_ns > HANDSHAKE_NS)
		return 0;
	turn_version(entry->slot);
	as->owner = listener->owner;
	as->evidence = EVIDENCE_LISTENER;
	turn_version(entry->slot);
	listener_cell_accept(listener->cell);
	return 0;
}

/* raw_tracepoint sched_process_exit(task): of a process that owns a listener, its last thread. User space then looks for
 * who else holds the listener. */
int exited(struct bpf_raw_tracepoint_args *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	if (!listener_owners.lookup(&tgid) || !is_exiting(CURRENT_TASK()))
		return 0;
	listener_owners.delete(&tgid);
	tally(TALLY_OWNERS_GONE, 1);
	return 0;
}

/* raw_tracepoint tcp_probe(sk, skb), where the sweep is not to be had: counters as of the segment before. */
int segment_received(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u64 key = (u64)sk;
	struct entry *entry = sockets.lookup(&key);
	if (entry && entry->slot != NO_SLOT)
		refresh(sk, entry->slot, entry->generation, TCP_ESTABLISHED, SCRATCH_PROBE,
			STILL_OPEN);
	return 0;
}
