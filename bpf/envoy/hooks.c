/* Envoy: which connection a thread handles, and to which it writes meanwhile. Uprobes at three functions of
 * Network::ConnectionImpl, whose first argument is the connection (probes/envoy/functions.py finds them). Nothing in Envoy's
 * memory is read: which socket a connection has is learnt from the reads and writes that it makes (http/links.h). */
#if defined(HTTP_PROBES) && defined(PROXY_SOCKETS)

static __always_inline int envoy_turn(u64 connection, u32 reading)
{
	u64 thread = bpf_get_current_pid_tgid();
	u32 only = 0;
	u64 *seen = proxy_seen.lookup(&only);
	if (seen && !*seen)
		*seen = 1;
	struct proxy_turn turn = {.connection = connection, .at_ns = bpf_ktime_get_ns(), .reading = reading};
	proxy_turns.update(&thread, &turn);
	return 0;
}

/* onReadReady(this): there is data to read. */
int envoy_read_ready(struct pt_regs *ctx)
{
	return envoy_turn(PT_REGS_PARM1(ctx), 1);
}

/* onWriteReady(this): what was given to write() can be sent. */
int envoy_write_ready(struct pt_regs *ctx)
{
	return envoy_turn(PT_REGS_PARM1(ctx), 0);
}

/* The call of onReadReady is over: what happens until the next one is no part of it. */
int envoy_read_over(struct pt_regs *ctx)
{
	u64 thread = bpf_get_current_pid_tgid();
	struct proxy_turn *turn = proxy_turns.lookup(&thread);
	if (turn) {
		turn->reading = 0;
		turn->touched = 1;
	}
	return 0;
}

/* While the answer of `from` was read, `to` was given data: if a request waits there, this is its answer. */
static __always_inline void link_passed(struct proxy_socket *from, struct proxy_socket *to, u64 process,
					struct proxy_turn *turn)
{
	u32 slot = to->slot;
	struct http_state *down = http_states.lookup(&slot);
	if (!down || down->generation != to->generation || down->role != ROLE_SERVER)
		return;
	struct http_waiting_key key = {.slot = slot, .number = down->answered};
	struct http_ask *ask = &down->ask;
	if (key.number == down->asked)
		return;
	if (ask->number != key.number)
		ask = http_waiting.lookup(&key);
	if (!ask || ask->generation != to->generation || !ask->at_ns || (to->request_ns == ask->at_ns && to->final))
		return;
	struct proxy_source source = source_of(from, process, turn);
	u64 waits = ask->at_ns;
	if (source.failed == LINK_OWN)
		return;
	/* a request upstream began behind the one downstream, and answers one */
	if (source.failed || source.began_ns < waits || (source.taken && to->request_ns != waits)) {
		link_tally(LINK_DOUBTFUL);
		return;
	}
	source_taken(from, &source, process);
	to->request_ns = waits;
	to->upstream = (u64)from->slot << 32 | from->generation;
	to->upstream_ns = source.began_ns;
	to->answer_ns = source.answer_ns;
	to->final = source.final;
}

/* Somebody gives data to a connection, in the middle of the turn of another. */
static __always_inline int envoy_given(u64 connection)
{
	struct proxy_key to = {.connection = connection}, from = {};
	struct proxy_turn *turn = proxy_turn_now(&to.process);
	if (!turn || !turn->reading || turn->connection == connection)
		return 0;
	from.connection = turn->connection;
	from.process = to.process;
	struct proxy_socket *source = proxy_sockets.lookup(&from);
	struct proxy_socket *target = proxy_sockets.lookup(&to);
	if (source && target)
		link_passed(source, target, to.process, turn);
	return 0;
}

/* write(this, data, end_stream): what another connection is to send. */
int envoy_write(struct pt_regs *ctx)
{
	return envoy_given(PT_REGS_PARM1(ctx));
}
#endif
