/* Sockets that were open before the start: an iterator over all tasks' files. */

#ifdef KERNEL_BTF

/* SOCK_BINDPORT_LOCK of sk_userlocks: the program chose the port. Before Linux 6.9 those are the upper four bits of the byte
 * in front of sk_pacing_shift (include/net/sock.h), and bits have no address. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#define USER_LOCKS(sk) ((void *)&(sk)->sk_userlocks)
#define PORT_BOUND 8
#else
#define USER_LOCKS(sk) ((void *)&(sk)->sk_pacing_shift - 1)
#define PORT_BOUND 0x80
#endif

/* iter/task_file: each file of each task. The first task that holds a socket owns it until another sends. */
int bpf_iter__task_file__udp(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct task_struct *task = ctx->task;
	if (!file || !task)
		return 0;
	struct sock *sk = socket_of(file);
	u16 protocol = 0;
	if (!sk || !is_internet(sk))
		return 0;
	READ(protocol, sk->sk_protocol);
	u64 address = (u64)sk;
	if (protocol != IPPROTO_UDP || udp_adopted.lookup(&address) || is_exiting(task))
		return 0;
	struct udp_adopted adopted = {};
	u8 locks = 0;
	bpf_probe_read_kernel(&locks, sizeof(locks), USER_LOCKS(sk));
	fill_owner(&adopted.owner, task);
	adopted.at_ns = bpf_ktime_get_ns();
	adopted.bound = (locks & PORT_BOUND) != 0;
	udp_adopted.update(&address, &adopted);
	udp_tally(UDP_ADOPTED, 1);
	return 0;
}

#endif
