/* Where the data of a read or write is in the application's memory: in the registers that its system call came with. */
#ifdef DIRECT

#if defined(bpf_target_x86)
#define CALL_NUMBER(regs, to) LOAD(to, (regs)->orig_ax)
#define CALL_BUFFER(regs, to) LOAD(to, (regs)->si)
#define CALL_LENGTH(regs, to) LOAD(to, (regs)->dx)
#define CALL_STACK(regs, to) LOAD(to, (regs)->sp)
#define CALLED_PLAIN(call) ((call) == 0 || (call) == 1 || (call) == 44 || (call) == 45) /* read, write, sendto, recvfrom */
#define CALLED_VECTOR(call) ((call) == 19 || (call) == 20)                             /* readv, writev */
#define CALLED_MESSAGE(call) ((call) == 46 || (call) == 47)                            /* sendmsg, recvmsg */
#define CALLED_FILE(call) ((call) == 40 || (call) == 275)                              /* sendfile, splice */
#elif defined(bpf_target_arm64)
#define CALL_NUMBER(regs, to)                                                                                  \
	do {                                                                                                   \
		u32 called = 0;                                                                                \
		LOAD(called, (regs)->syscallno);                                                               \
		(to) = called;                                                                                 \
	} while (0)
#define CALL_BUFFER(regs, to) LOAD(to, (regs)->regs[1])
#define CALL_LENGTH(regs, to) LOAD(to, (regs)->regs[2])
#define CALL_STACK(regs, to) LOAD(to, (regs)->sp)
#define CALLED_PLAIN(call) ((call) == 63 || (call) == 64 || (call) == 206 || (call) == 207)
#define CALLED_VECTOR(call) ((call) == 65 || (call) == 66)
#define CALLED_MESSAGE(call) ((call) == 211 || (call) == 212)
#define CALLED_FILE(call) ((call) == 71 || (call) == 76)
#endif

#ifdef CALLED_PLAIN
#define HTTP_PROGRAMS 1

struct iovec_pair {
	u64 base, length, next_base, next_length;
};

/* The buffer's address, and in `*room` how much lies there in one piece; 0 if there is none. Where the data is in more
 * pieces than one, it is the first that is not empty. */
static __always_inline u64 user_buffer(u64 *room)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(CURRENT_TASK());
	u64 call = 0, at = 0;
	CALL_NUMBER(regs, call);
	CALL_BUFFER(regs, at);
	if (CALLED_PLAIN(call))
		return at;
	struct iovec_pair pieces = {};
	if (CALLED_MESSAGE(call)) {
		if (bpf_probe_read_user(&at, sizeof(at), (void *)at + __builtin_offsetof(struct user_msghdr, msg_iov)))
			return 0;
	} else if (!CALLED_VECTOR(call)) {
		if (!CALLED_FILE(call))
			http_tally(HTTP_UNREADABLE);
		return 0;
	}
	/* a vector of one piece may end where memory does */
	if (bpf_probe_read_user(&pieces, sizeof(pieces), (void *)at) &&
	    bpf_probe_read_user(&pieces, sizeof(pieces) / 2, (void *)at))
		return 0;
	u64 length = pieces.length ? pieces.length : pieces.next_length;
	if (length < *room)
		*room = length;
	return pieces.length ? pieces.base : pieces.next_base;
}

/* The vector of pieces that the data is in, and their number; 0 if it is in one. */
static __always_inline u64 user_vector(u64 *pieces)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(CURRENT_TASK());
	u64 call = 0, at = 0, message[2] = {};
	*pieces = 0;
	CALL_NUMBER(regs, call);
	CALL_BUFFER(regs, at);
	if (CALLED_VECTOR(call)) {
		CALL_LENGTH(regs, *pieces);
		return at;
	}
	if (!CALLED_MESSAGE(call) ||
	    bpf_probe_read_user(message, sizeof(message), (void *)at + __builtin_offsetof(struct user_msghdr, msg_iov)))
		return 0;
	*pieces = message[1]; /* msg_iovlen stands behind msg_iov */
	return message[0];
}
#endif
#endif
