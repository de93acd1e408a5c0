/* The same hooks where the kernel has no tracepoints behind reads and writes (before Linux 6.3): at the end of TCP's own
 * functions. The kernel has no jumps from one function's programs to another's either: what they go on with is there for
 * each of the two. */
#if defined(HTTP_PROGRAMS) && defined(HTTP_EXITS)

static __always_inline int moved_by(unsigned long long *ctx, u32 runner, int length, u32 sent)
{
	u64 socket = ctx[0], key = 0;
	/* as a plain number: the verifier allows no arithmetic with a pointer that it knows */
	bpf_probe_read_kernel(&key, sizeof(key), &socket);
	if (length > 0)
		http_plain(ctx, runner, key, 0, length, sent);
	return 0;
}

/* Where the flags are among what tcp_recvmsg is called with; the result is two behind them. */
#define READ_FLAGS (LINUX_VERSION_CODE < KERNEL_VERSION(5, 19, 0) ? 4 : 3)

/* fexit tcp_recvmsg(sk, msg, len, flags, addr_len); before Linux 5.19 with a parameter more before the flags. */
int fexit__tcp_recvmsg(unsigned long long *ctx)
{
	return ctx[READ_FLAGS] & MSG_PEEK_FLAG ? 0 : moved_by(ctx, BY_READ_EXIT, ctx[READ_FLAGS + 2], 0);
}

/* fexit tcp_sendmsg(sk, msg, size) */
int fexit__tcp_sendmsg(unsigned long long *ctx)
{
	return moved_by(ctx, BY_WRITE_EXIT, ctx[3], 1);
}

int fexit__tcp_recvmsg__call(unsigned long long *ctx)
{
	return call(ctx, BY_READ_EXIT);
}

int fexit__tcp_sendmsg__call(unsigned long long *ctx)
{
	return call(ctx, BY_WRITE_EXIT);
}

int fexit__tcp_recvmsg__learn(unsigned long long *ctx)
{
	return learn(ctx, BY_READ_EXIT);
}

int fexit__tcp_recvmsg__more(unsigned long long *ctx)
{
	return more(ctx, BY_READ_EXIT);
}

int fexit__tcp_sendmsg__learn(unsigned long long *ctx)
{
	return learn(ctx, BY_WRITE_EXIT);
}

int fexit__tcp_sendmsg__more(unsigned long long *ctx)
{
	return more(ctx, BY_WRITE_EXIT);
}
#endif
