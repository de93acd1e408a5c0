/* Calls of TLS libraries: what they read and write is plain text. Each program stands at functions of one form. */
#if defined(HTTP_PROGRAMS) && defined(TLS_SESSIONS)

#ifndef HTTP_PROBES
/* raw_tracepoint sched_process_exec(task, old_pid, bprm): the program may use a library that is looked for. */
int tls_executed(struct bpf_raw_tracepoint_args *ctx)
{
	tls_tell(bpf_get_current_pid_tgid() >> 32);
	return 0;
}
#else

/* Whether what is known of a session is still there: its slot has another socket's generation otherwise. */
static __always_inline struct http_state *tls_state(struct tls_session *session)
{
	u32 slot = session->slot;
	u64 socket = session->socket;
	struct cell *cell = socket ? cells.lookup(&slot) : 0;
	if (!cell || cell->generation != session->generation)
		return 0;
	if (cell->socket != socket && (cell->socket || sockets.lookup(&socket)))
		return 0;
	struct http_state *state = http_states.lookup(&slot);
	return state && state->generation == session->generation ? state : 0;
}

/* What is known of the connection that the thread is in a call of; 0: nothing. A thread that goes on with the connection it
 * had before knows it still. */
static __always_inline struct tls_session *tls_session_of(struct tls_thread *thread, u64 id)
{
	u32 only = 0;
	u64 *changes = tls_changes.lookup(&only);
	struct tls_key key = {.connection = thread->connection, .tgid = id >> 32};
	if (!changes)
		return 0;
	if (thread->known == key.connection && thread->changes == *changes)
		return &thread->session;
	thread->known = 0;
	thread->changes = *changes; /* before the look-up: a change behind it is seen the next time */
	struct tls_session *session = tls_sessions.lookup(&key);
	if (!session)
		return 0;
	thread->session = *session;
	thread->known = key.connection;
	return &thread->session;
}

/* The record that the thread read before this call may be the connection's. A client's hello begins a connection; another
 * message of a handshake is for one that has begun; of data it is seen when the call has read it. */
static __always_inline void tls_claim_read(struct tls_thread *thread, u64 id, int is_new)
{
	struct tls_session session = thread->read;
	struct http_state *state = tls_state(&session);
	u32 is_hello = thread->type == (RECORD_HANDSHAKE | CLIENT_HELLO << 8);
	thread->wants = 0;
	if (!state || state->claimed)
		return;
	if (thread->type == RECORD_DATA) {
		thread->wants = thread->call == TLS_READ;
	} else if ((thread->type & 0xff) == RECORD_HANDSHAKE && (is_hello || !is_new)) {
		tls_tally(TLS_BY_RECORD);
		tls_claim(thread->connection, id, &session, state);
	}
}

static __always_inline int tls_enter(struct pt_regs *ctx, u32 call, u64 out)
{
	u64 id = bpf_get_current_pid_tgid();
	struct tls_thread *thread = tls_threads.lookup(&id), empty = {};
	struct tls_key key = {.connection = PT_REGS_PARM1(ctx), .tgid = id >> 32};
	struct tls_session *session, unknown = {};
	if (!thread) {
		tls_threads.update(&id, &empty);
		thread = tls_threads.lookup(&id);
		if (!thread)
			return 0;
	}
	u64 inside = thread->stack - PT_REGS_SP(ctx);
	if (thread->call == TLS_EARLY && inside && inside < TLS_STACK)
		return 0;
	thread->connection = key.connection;
	thread->buffer = PT_REGS_PARM2(ctx);
	thread->bytes = PT_REGS_PARM3(ctx);
	thread->out = out;
	thread->stack = PT_REGS_SP(ctx);
	thread->call = call;
	thread->wants = 0;
	session = tls_session_of(thread, id);
	if (!session)
		tls_sessions.update(&key, &unknown);
	if (thread->read.socket) {
		if (!session || call == TLS_HANDSHAKE || !tls_state(session)) /* or another is at its address */
			tls_claim_read(thread, id, !session);
		if (!thread->wants)
			thread->read.socket = 0;
	}
	return 0;
}

/* Whether the text is what was in the record: the cipher adds 16 to some 60 bytes. */
static __always_inline int tls_fits(struct tls_thread *thread, u64 bytes)
{
	u64 more = thread->record - bytes;
	return bytes < thread->record && more >= 16 && (more <= 64 || bytes == thread->bytes);
}

static __always_inline struct tls_session *tls_compare(struct tls_thread *thread, u64 id, u64 bytes)
{
	struct tls_session session = thread->read;
	struct http_state *state = tls_state(&session);
	thread->read.socket = 0;
	thread->wants = 0;
	if (!state || state->claimed)
		return 0;
	if (!tls_fits(thread, bytes)) {
		tls_tally(TLS_MISMATCHED);
		return 0;
	}
	tls_tally(TLS_BY_RECORD);
	tls_claim(thread->connection, id, &session, state);
	return tls_session_of(thread, id);
}

/* A call returns. */
int tls_done(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), bytes = 0;
	struct tls_thread *thread = tls_threads.lookup(&id);
	int result = PT_REGS_RC(ctx);
	if (!thread || thread->call == TLS_NO_CALL)
		return 0;
	u32 call = thread->call;
	if (call == TLS_EARLY && PT_REGS_SP(ctx) <= thread->stack) /* what it called returns */
		return 0;
	thread->call = TLS_NO_CALL;
	if (call == TLS_HANDSHAKE || result <= 0)
		return 0;
	if (!thread->out)
		bytes = result;
	else if (bpf_probe_read_user(&bytes, sizeof(bytes), (void *)thread->out))
		return 0;
	if (!bytes || bytes > thread->bytes || bytes > 0x7fffffff)
		return 0;
	struct tls_session *session = thread->wants ? tls_compare(thread, id, bytes) : tls_session_of(thread, id);
	if (!session || !tls_state(session)) {
		tls_tally(TLS_UNMAPPED);
		return 0;
	}
	tls_tally(TLS_TEXTS);
	http_plain(ctx, BY_PROBE, session->socket, thread->buffer, bytes, call != TLS_READ);
	return 0;
}

/* SSL_do_handshake(connection), SSL_connect, SSL_accept */
int tls_handshake(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_HANDSHAKE, 0);
}

/* int SSL_read(connection, buffer, bytes) */
int tls_read(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_READ, 0);
}

/* int SSL_read_ex(connection, buffer, bytes, *read) */
int tls_read_ex(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_READ, PT_REGS_PARM4(ctx));
}

/* int SSL_write(connection, buffer, bytes) */
int tls_write(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE, 0);
}

/* int SSL_write_ex(connection, buffer, bytes, *written) */
int tls_write_ex(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE, PT_REGS_PARM4(ctx));
}

/* int SSL_write_ex2(connection, buffer, bytes, flags, *written) */
int tls_write_ex2(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_WRITE, PT_REGS_PARM5(ctx));
}

/* int SSL_write_early_data(connection, buffer, bytes, *written) */
int tls_write_early(struct pt_regs *ctx)
{
	return tls_enter(ctx, TLS_EARLY, PT_REGS_PARM4(ctx));
}

/* SSL_free(connection): another may have its address. */
int tls_end(struct pt_regs *ctx)
{
	struct tls_key key = {.connection = PT_REGS_PARM1(ctx), .tgid = bpf_get_current_pid_tgid() >> 32};
	struct tls_session *session = key.connection ? tls_sessions.lookup(&key) : 0;
	struct http_state *state = session ? tls_state(session) : 0;
	if (state)
		state->claimed = 0;
	if (session) {
		tls_sessions.delete(&key);
		tls_changed();
	}
	return 0;
}
#endif
#endif
