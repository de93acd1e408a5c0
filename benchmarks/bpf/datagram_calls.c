/* The peers of udp_cost: programs at the root of cgroups that do nothing, and counting by the call, which knows the socket
 * and the length, and the peer of an unconnected one by another hook of cgroups. */
struct peer {
	u32 address, port;
};
struct call_key {
	u64 socket;
	struct peer peer;
};
struct sums {
	u64 bytes, calls;
};
BPF_HASH(peers, u64, struct peer, 65536);
BPF_HASH(flows, struct call_key, struct sums, 65536);

int nothing_out(struct __sk_buff *skb)
{
	return 1;
}

int nothing_in(struct __sk_buff *skb)
{
	return 1;
}

int called(struct bpf_raw_tracepoint_args *ctx)
{
	struct call_key key = {.socket = ctx->args[0]};
	struct sock *sk = (struct sock *)key.socket;
	int length = ctx->args[1];
	u16 protocol = 0, port = 0;
	bpf_probe_read_kernel(&protocol, sizeof(protocol), &sk->sk_protocol);
	if (protocol != IPPROTO_UDP || length < 0)
		return 0;
	bpf_probe_read_kernel(&port, sizeof(port), &sk->__sk_common.skc_dport);
	if (port) {
		key.peer.port = port;
		bpf_probe_read_kernel(&key.peer.address, sizeof(key.peer.address), &sk->__sk_common.skc_daddr);
	} else {
		u64 me = bpf_get_current_pid_tgid();
		struct peer *named = peers.lookup(&me);
		if (named)
			key.peer = *named;
	}
	struct sums none = {}, *sums = flows.lookup_or_try_init(&key, &none);
	if (!sums)
		return 0;
	__sync_fetch_and_add(&sums->bytes, length);
	__sync_fetch_and_add(&sums->calls, 1);
	return 0;
}

int named(struct bpf_sock_addr *ctx)
{
	u64 me = bpf_get_current_pid_tgid();
	struct peer peer = {ctx->user_ip4, ctx->user_port};
	peers.update(&me, &peer);
	return 1;
}
