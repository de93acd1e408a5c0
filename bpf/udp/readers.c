/* Who receives from sockets that send nothing: attached only while such sockets get datagrams. */

static __always_inline void read_by_current(u64 cookie)
{
	struct udp_reader_key key = {.cookie = cookie};
	struct owner owner = {};
	if (!udp_readers.lookup(&key))
		return;
	key.known = 1;
	if (udp_readers.lookup(&key))
		return;
	fill_owner(&owner, (struct task_struct *)CURRENT_TASK());
	if (!udp_readers.insert(&key, &owner))
		udp_tally(UDP_READERS, 1);
}

/* raw tracepoint sock_recv_length(sk, length, flags), from Linux 6.3 on: every receive of every protocol. */
int udp_received(struct bpf_raw_tracepoint_args *ctx)
{
	struct sock *sk = (struct sock *)ctx->args[0];
	u16 protocol = 0;
	READ(protocol, sk->sk_protocol);
	if (protocol == IPPROTO_UDP)
		read_by_current(cookie_of(sk));
	return 0;
}

/* cgroup/recvmsg4 and 6: those that ask who sent. */
int udp_asked(struct bpf_sock_addr *ctx)
{
	read_by_current(socket_cookie(ctx));
	return PASS;
}

int udp_asked6(struct bpf_sock_addr *ctx)
{
	read_by_current(socket_cookie(ctx));
	return PASS;
}
