/* Which socket a TLS connection of a library has: learnt from the records that a thread puts on or takes off a socket in a
 * call of the library, or took off just before it. Included by the hooks of HTTP; the loader gives TLS_SESSIONS where the
 * probe of TLS is wanted. */
#if defined(HTTP_PROGRAMS) && defined(TLS_SESSIONS)

/* Threads in or between calls; the oldest make room. */
#define TLS_THREADS 8192
/* Of a socket that nobody claims so many records are looked at, then one in 16. */
#define TLS_RECORDS 64
/* The stack of a call and what it calls is not larger. */
#define TLS_STACK (1 << 20)

#define RECORD_HANDSHAKE 0x16
#define RECORD_DATA 0x17
#define CLIENT_HELLO 1

enum tls_call_kind {
	TLS_NO_CALL = 0,
	TLS_READ = 1,
	TLS_WRITE = 2,
	TLS_HANDSHAKE = 3,
	TLS_EARLY = 4, /* writes data of 0-RTT: begins the handshake and writes by calls of its own, which do not count */
};

/* A connection of the library, in one process. */
struct tls_key {
	u64 connection;
	u64 tgid;
};

struct tls_session {
	u64 socket; /* 0: not known */
	u32 slot;
	u32 generation;
};

/* A thread: the call it is in, and the record that it last read. */
struct tls_thread {
	u64 connection;
	u64 buffer;
	u64 bytes;
	u64 out;   /* where the call writes how many bytes it moved; 0: it returns that */
	u64 stack; /* of the call */
	u32 call;  /* enum tls_call_kind */
	u32 wants; /* 1: the record is to be compared with what the call reads */
	u64 known;   /* a connection: what is known of it, as long as `tls_changes` has this value */
	u64 changes;
	struct tls_session session;
	struct tls_session read; /* the socket that the record was on, which nobody had claimed */
	u32 type;
	u32 record; /* its bytes */
};

/* Connections of libraries. Inserted at their first call, looked up at each, deleted when they are freed; the oldest make
 * room. */
BPF_TABLE("lru_hash", struct tls_key, struct tls_session, tls_sessions, TLS_SESSIONS);
/* By thread. Inserted at its first call, or when it reads a record; looked up at each; the oldest make room. */
BPF_TABLE("lru_hash", u64, struct tls_thread, tls_threads, TLS_THREADS);
/* How often a connection was given a socket, or freed: what threads know of connections holds while this stands. Counted up
 * by the programs, read at each call. */
BPF_ARRAY(tls_changes, u64, 1);
/* Processes that run another program now, or talk TLS for the first time. Pushed by programs, popped by user space ten times
 * a second. */
BPF_QUEUE(tls_processes, u32, 4096);
/* How many were pushed, ever. Written then, read by user space ten times a second: an empty queue is left alone. */
BPF_F_TABLE("array", u32, u64, tls_come, 1, BPF_F_MMAPABLE);
/* Processes that were told. Inserted with the entry in the queue, looked up at records, never deleted: the oldest make
 * room. */
BPF_TABLE("lru_hash", u64, u8, tls_told, 8192);
/* Counted up by the programs, never cleared; read by user space (enum tls_tally). */
BPF_PERCPU_ARRAY(tls_tallies, u64, TLS_TALLIES);

static __always_inline void tls_tally(u32 what)
{
	u64 *cell = tls_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, 1);
}

static __always_inline void tls_tell(u32 process)
{
	u32 only = 0;
	u64 *come = tls_come.lookup(&only);
	if (tls_processes.push(&process, 0))
		tls_tally(TLS_UNTOLD);
	else if (come)
		__sync_fetch_and_add(come, 1);
}

/* Once for each program that a process runs. */
static __always_inline void tls_tell_once(u64 id)
{
	u64 process = id >> 32 << 32 | (u32)program_of(CURRENT_TASK());
	u8 one = 1;
	if (tls_told.lookup(&process))
		return;
	tls_told.update(&process, &one);
	tls_tell(id >> 32);
}

/* Whether the thread is in the call still: one that was left by a jump has no return. */
static __always_inline int tls_in_call(struct tls_thread *thread)
{
	struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(CURRENT_TASK());
	u64 stack = 0;
	if (thread->call == TLS_NO_CALL)
		return 0;
	CALL_STACK(regs, stack);
	return thread->stack - stack < TLS_STACK;
}

static __always_inline void tls_changed(void)
{
	u32 only = 0;
	u64 *changes = tls_changes.lookup(&only);
	if (changes)
		__sync_fetch_and_add(changes, 1);
}

/* The connection has this socket from now on, and the socket no other. */
static __always_inline void tls_claim(u64 connection, u64 id, struct tls_session *session, struct http_state *state)
{
	struct tls_key key = {.connection = connection, .tgid = id >> 32};
	tls_sessions.update(&key, session);
	tls_changed();
	state->claimed = 1;
}

/* A record, or a part of one, passed a socket that nobody has claimed. */
static __always_inline void tls_record(struct http_gate *gate, struct http_state *state, u32 sent)
{
	u64 id = bpf_get_current_pid_tgid(), room = ~0ull;
	struct tls_thread *thread = tls_threads.lookup(&id), empty = {};
	struct tls_session session = {.socket = gate->socket, .slot = gate->slot, .generation = gate->generation};
	u8 head[6] = {};
	if (state->records >= TLS_RECORDS && ++state->passed & 15)
		return;
	if (thread && tls_in_call(thread)) {
		tls_tally(TLS_BY_CALL);
		tls_claim(thread->connection, id, &session, state);
		return;
	}
	state->records += state->records < TLS_RECORDS;
	tls_tell_once(id);
	u64 buffer = sent ? 0 : user_buffer(&room);
	if (!buffer || (bpf_probe_read_user(head, 6, (void *)buffer) && bpf_probe_read_user(head, 5, (void *)buffer)))
		return;
	if (head[0] < 0x14 || head[0] > RECORD_DATA || head[1] != 3)
		return;
	if (!thread) {
		tls_threads.update(&id, &empty);
		thread = tls_threads.lookup(&id);
		if (!thread)
			return;
	}
	thread->read = session;
	thread->type = head[0] == RECORD_HANDSHAKE ? head[0] | head[5] << 8 : head[0];
	thread->record = (u32)head[3] << 8 | head[4];
}
#define TLS_RECORD(gate, state, sent) tls_record(gate, state, sent)
#else
#define TLS_RECORD(gate, state, sent)
#endif
