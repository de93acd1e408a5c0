/* Subflows: TCP sockets that belong to a connection of MPTCP, which is a socket, too (struct mptcp_sock), and the one that
 * the application has. A kernel without the types has no MPTCP, and no socket is a subflow there. */

#ifdef MPTCP_TYPES

#define SUBFLOWS 8 /* of one connection at most (kernel: net/mptcp/protocol.h, MPTCP_SUBFLOWS_MAX) */

/* What of a subflow's context is read at once: its token, and behind that the bits. */
#define CONTEXT_AT(field) __builtin_offsetof(struct mptcp_subflow_context, field)
#define CONTEXT_BEGIN CONTEXT_AT(token)
#define CONTEXT_END CONTEXT_AT(remote_nonce)

static __always_inline int is_subflow(struct sock *sk)
{
	u8 subflow = 0;
	READ(subflow, ((struct tcp_sock *)sk)->is_mptcp);
	return subflow;
}

static __always_inline int is_connection(struct sock *sk)
{
	u16 protocol = 0;
	READ(protocol, sk->sk_protocol);
	return protocol == IPPROTO_MPTCP;
}

static __always_inline struct mptcp_subflow_context *context_of(struct sock *sk)
{
	void *context = 0;
	READ(context, ((struct inet_connection_sock *)sk)->icsk_ulp_data);
	return context;
}

static __always_inline struct sock *connection_of(struct sock *sk)
{
	struct mptcp_subflow_context *context = context_of(sk);
	struct sock *connection = 0;
	if (context)
		READ(connection, context->conn);
	return connection;
}

/* By which number this kernel knows the connection of a subflow; 0 while the peer has not agreed to MPTCP. */
static __always_inline u32 token_of(struct sock *sk, u32 *joins)
{
	struct mptcp_subflow_context *context = context_of(sk);
	u8 part[CONTEXT_END - CONTEXT_BEGIN] __attribute__((aligned(8))) = {};
	struct mptcp_subflow_context *read = (void *)part - CONTEXT_BEGIN;
	u32 token = 0;
	if (!context)
		return 0;
	bpf_probe_read_kernel(part, sizeof(part), (void *)context + CONTEXT_BEGIN);
	*joins = read->request_join || read->mp_join;
	if (!read->mp_capable && !*joins)
		return 0;
	token = read->token;
	if (!token) { /* of a subflow that this end adds */
		struct mptcp_sock *connection = (struct mptcp_sock *)connection_of(sk);
		READ(token, connection->token);
	}
	return token;
}

/* The subflows of a connection, one a call: returns 0 behind the last one, a key of no socket where there is none now. */
static __always_inline int next_subflow(struct sock *connection, struct list_head **at, u64 *key)
{
	struct list_head *head = &((struct mptcp_sock *)connection)->conn_list;
	struct mptcp_subflow_context *context;
	READ(*at, (*at ? *at : head)->next);
	if (!*at || *at == head)
		return 0;
	context = (void *)*at - CONTEXT_AT(node);
	*key = 0;
	READ(*key, context->tcp_sock);
	return 1;
}

/* A subflow that is new. One that joins has its owner from those that are there: whoever is at work may be a thread of the
 * kernel, and no listener has it. Returns whether its owner is still to be learnt. */
static __always_inline u32 enter_connection(struct description *as, struct sock *sk, u32 unsettled)
{
	struct sock *connection = connection_of(sk);
	struct list_head *at = 0;
	u32 joins = 0;
	u64 key = 0;
	if (!connection)
		return unsettled;
	tally(TALLY_SUBFLOWS, 1);
	as->mptcp_token = token_of(sk, &joins);
	forget_user((u64)connection); /* its next use settles this subflow, too */
#pragma nounroll
	for (int i = 0; joins && i < SUBFLOWS && next_subflow(connection, &at, &key); i++) {
		struct entry *entry = key == (u64)sk ? 0 : sockets.lookup(&key);
		struct description *other = entry ? describe(key, entry->slot) : 0;
		if (!other)
			continue;
		as->owner = other->owner;
		as->evidence = other->evidence;
		return entry->unsettled;
	}
	return unsettled;
}

/* The token of a socket whose counters `user` has read just now. */
static __always_inline u32 token_read(struct sock *sk, u32 user)
{
	struct scratch *scratch = scratches.lookup(&user);
	u32 joins = 0;
	return scratch && RETRANS(u8, is_mptcp) ? token_of(sk, &joins) : 0;
}

#else

static __always_inline u32 token_read(struct sock *sk, u32 user)
{
	return 0;
}

static __always_inline int is_subflow(struct sock *sk)
{
	return 0;
}

static __always_inline int is_connection(struct sock *sk)
{
	return 0;
}

static __always_inline u32 enter_connection(struct description *as, struct sock *sk, u32 unsettled)
{
	return unsettled;
}

#endif
