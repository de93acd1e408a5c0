/* Go's crypto/tls: (*Conn).Read and Write, by the register ABI (Go 1.17, amd64): the connection in rax, the buffer in rbx,
 * its length in rcx; the result in rax; the goroutine in r14. A goroutine may go on in another thread, and its stack may
 * move: calls are known by the goroutine, and their returns are seen at the instructions that return. */
#if defined(HTTP_PROBES) && defined(TLS_SESSIONS)

/* Calls under way at once; the oldest make room. */
#define GO_CALLS 8192

/* A goroutine of a process. */
struct go_key {
	u64 goroutine;
	u64 call; /* of the process, and whether it writes */
};

struct go_call {
	u64 connection;
	u64 buffer;
	u64 bytes;
};

/* Inserted when a call begins, deleted when it returns. */
BPF_TABLE("lru_hash", struct go_key, struct go_call, go_calls, GO_CALLS);

#if defined(bpf_target_x86)

/* Offsets that hold since Go 1.17: tls.Conn begins with its net.Conn, an interface: type, value; net.TCPConn is a pointer
 * to its netFD, which begins with poll.FD: a mutex of 16 bytes, then the descriptor, in all 56 bytes; the address family
 * and the type of the socket follow. */
#define GO_DESCRIPTOR 16
#define GO_FAMILY 56

static __always_inline u64 go_word(u64 at)
{
	u64 word = 0;
	bpf_probe_read_user(&word, sizeof(word), (void *)at);
	return word;
}

/* The descriptor of a connection; -1 where what it stands on is no TCP connection of package net. */
static __always_inline u64 go_descriptor(u64 connection)
{
	u64 netfd = go_word(go_word(connection + 8));
	u64 socket[2] = {};
	if (!netfd || bpf_probe_read_user(socket, sizeof(socket), (void *)(netfd + GO_FAMILY)))
		return ~0ull;
	if ((socket[0] != 2 && socket[0] != 10) || socket[1] != 1) /* AF_INET, AF_INET6; SOCK_STREAM */
		return ~0ull;
	return go_word(netfd + GO_DESCRIPTOR);
}

/* The address of the socket behind a descriptor of this process; 0: none that is known. */
static __always_inline u64 go_socket(u64 descriptor)
{
	struct files_struct *files = 0;
	struct fdtable *table = 0;
	struct file **open = 0, *file = 0;
	struct socket *socket = 0;
	struct sock *sk = 0;
	u32 limit = 0;
	bpf_probe_read_kernel(&files, sizeof(files), &((struct task_struct *)bpf_get_current_task())->files);
	bpf_probe_read_kernel(&table, sizeof(table), &files->fdt);
	bpf_probe_read_kernel(&limit, sizeof(limit), &table->max_fds);
	if (descriptor >= limit)
		return 0;
	bpf_probe_read_kernel(&open, sizeof(open), &table->fd);
	bpf_probe_read_kernel(&file, sizeof(file), open + descriptor);
	bpf_probe_read_kernel(&socket, sizeof(socket), &file->private_data);
	bpf_probe_read_kernel(&sk, sizeof(sk), &socket->sk);
	u64 key = (u64)sk;
	return key && sockets.lookup(&key) ? key : 0;
}

static __always_inline void go_text(struct pt_regs *ctx, struct go_call *call, u64 bytes, u32 sent)
{
	u64 key = 0, descriptor = go_descriptor(call->connection);
	if (descriptor != ~0ull)
		key = go_socket(descriptor);
	if (!key) {
		tls_tally(TLS_UNMAPPED);
		return;
	}
	tls_tally(TLS_TEXTS);
	http_plain(ctx, BY_PROBE, key, call->buffer, bytes, sent);
}

static __always_inline struct go_key go_key_of(struct pt_regs *ctx, u32 writes)
{
	struct go_key key = {.goroutine = ctx->r14, .call = bpf_get_current_pid_tgid() >> 32 | (u64)writes << 32};
	return key;
}

/* (*Conn).Write(buffer), which begins anew if its stack must grow: the text is taken once. */
int tls_go_write(struct pt_regs *ctx)
{
	struct go_key key = go_key_of(ctx, 1);
	struct go_call call = {.connection = ctx->ax, .buffer = ctx->bx, .bytes = ctx->cx};
	struct go_call *before = go_calls.lookup(&key);
	if (before && before->connection == call.connection && before->buffer == call.buffer && before->bytes == call.bytes)
		return 0;
	go_calls.update(&key, &call);
	if (call.bytes && call.bytes <= 0x7fffffff)
		go_text(ctx, &call, call.bytes, 1);
	return 0;
}

/* It returns. */
int tls_go_written(struct pt_regs *ctx)
{
	struct go_key key = go_key_of(ctx, 1);
	go_calls.delete(&key);
	return 0;
}

/* (*Conn).Read(buffer) */
int tls_go_read(struct pt_regs *ctx)
{
	struct go_key key = go_key_of(ctx, 0);
	struct go_call call = {.connection = ctx->ax, .buffer = ctx->bx, .bytes = ctx->cx};
	go_calls.update(&key, &call);
	return 0;
}

/* It returns. */
int tls_go_done(struct pt_regs *ctx)
{
	struct go_key key = go_key_of(ctx, 0);
	struct go_call *found = go_calls.lookup(&key), call = {};
	u64 bytes = ctx->ax;
	if (!found)
		return 0;
	call = *found;
	go_calls.delete(&key);
	if (bytes && bytes <= call.bytes && bytes <= 0x7fffffff)
		go_text(ctx, &call, bytes, 0);
	return 0;
}
#else
int tls_go_write(struct pt_regs *ctx) { return 0; }
int tls_go_written(struct pt_regs *ctx) { return 0; }
int tls_go_read(struct pt_regs *ctx) { return 0; }
int tls_go_done(struct pt_regs *ctx) { return 0; }
#endif
#endif
