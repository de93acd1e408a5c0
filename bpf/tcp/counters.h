/* Reading a tcp_sock: whole ranges into scratch memory, then fields by their offset: a read costs as much for 400
 * bytes as for 4. */

#define AT(field) __builtin_offsetof(struct tcp_sock, field)

/* All of the fields below lie in [HOT_BEGIN, HOT_END), whatever the kernel's layout; `cold` ones apart. */
#define HOT_BEGIN                                                                                              \
	(LOW(LOW(LOW(LOW(AT(mss_cache), AT(snd_wnd)), AT(snd_cwnd)), LOW(AT(lost), AT(rtt_min))),                                \
	     LOW(LOW(LOW(AT(segs_out), AT(write_seq)), LOW(AT(snd_una), AT(srtt_us))),                         \
		 LOW(LOW(AT(bytes_received), AT(segs_in)),                                                     \
		     LOW(LOW(AT(bytes_sent), AT(bytes_acked)), LOW(AT(rate_delivered), AT(rate_interval_us)))))) & \
	 ~7)
#define HOT_END                                                                                                \
	((HIGH(HIGH(HIGH(HIGH(AT(mss_cache), AT(snd_wnd)), AT(snd_cwnd)), HIGH(AT(lost), AT(rtt_min))),                           \
	       HIGH(HIGH(HIGH(AT(segs_out), AT(write_seq)), HIGH(AT(snd_una), AT(srtt_us))),                   \
		    HIGH(HIGH(AT(bytes_received), AT(segs_in)),                                                \
			 HIGH(HIGH(AT(bytes_sent), AT(bytes_acked)),                                           \
			      HIGH(AT(rate_delivered), AT(rate_interval_us)))))) +                             \
	  sizeof(struct minmax) + 7) &                                                                         \
	 ~7)
#define FIELD(type, name) (*(type *)(scratch->hot + AT(name) - HOT_BEGIN))

/* What of struct sock is read: state, flags, drops, error. */
#define SOCK_AT(field) __builtin_offsetof(struct sock, field)
#define COMMON_BEGIN                                                                                           \
	(LOW(LOW(SOCK_AT(__sk_common.skc_state), SOCK_AT(__sk_common.skc_flags)),                              \
	     LOW(SOCK_AT(sk_drops), SOCK_AT(sk_err))) &                                                        \
	 ~7)
#define COMMON_END                                                                                             \
	((HIGH(HIGH(SOCK_AT(__sk_common.skc_state), SOCK_AT(__sk_common.skc_flags)),                           \
	       HIGH(SOCK_AT(sk_drops), SOCK_AT(sk_err))) +                                                     \
	  15) &                                                                                                \
	 ~7)
#define COMMON(type, name) (*(type *)(scratch->common + SOCK_AT(name) - COMMON_BEGIN))

#define RETRANS_BEGIN LOW(AT(bytes_retrans), AT(total_retrans))
#ifdef MPTCP_TYPES
#define RETRANS_END (HIGH(HIGH(AT(bytes_retrans), AT(total_retrans)), AT(is_mptcp)) + 8)
#else
#define RETRANS_END (HIGH(AT(bytes_retrans), AT(total_retrans)) + 8)
#endif
#define RETRANS(type, name) (*(type *)(scratch->retrans + AT(name) - RETRANS_BEGIN))

struct scratch {
	u8 hot[HOT_END - HOT_BEGIN];
	u8 common[COMMON_END - COMMON_BEGIN];
	u8 retrans[(RETRANS_END - RETRANS_BEGIN + 7) & ~7];
};

/* By user (enum scratch_user): written and read while one socket is read. */
BPF_PERCPU_ARRAY(scratches, struct scratch, SCRATCH_USERS);

/* How sure the reader can be that the socket stands still. */
enum stillness {
	STILL_LOCKED, /* read under the socket's lock */
	STILL_OPEN,   /* the same, and no FIN has gone either way */
	STILL_NO,     /* read from outside: never more than the truth, and the truth once the socket rests */
};

/* Payload from bytes_acked, which also counts our SYN (active opens) and our FIN. `state` is the one that the
 * socket is in, or, at its end, came from. A FIN is acknowledged when all that was written is. Of a socket that is
 * closed nobody saw whether it sent one: then more was acknowledged than the payload sent for the first time. */
static __always_inline u64 payload_sent(struct scratch *scratch, u32 state, u32 role, u32 still)
{
	u64 sent = FIELD(u64, bytes_acked);
	u64 flags = role == ROLE_CLIENT;
	if (state == TCP_FIN_WAIT2 || state == TCP_TIME_WAIT)
		flags++;
	else if (state == TCP_FIN_WAIT1 || state == TCP_LAST_ACK || state == TCP_CLOSING)
		flags += still == STILL_NO || FIELD(u32, write_seq) == FIELD(u32, snd_una);
	else if (state == TCP_CLOSE)
		flags += sent - flags > FIELD(u64, bytes_sent) - RETRANS(u64, bytes_retrans);
	return sent > flags ? sent - flags : 0;
}

/* Payload from bytes_received, which also counts the peer's FIN: SOCK_DONE is set just after it was counted. */
static __always_inline u64 payload_received(struct scratch *scratch, u32 busy, u32 still)
{
	u64 received = FIELD(u64, bytes_received);
	u64 fin = busy;
	if (still != STILL_OPEN && COMMON(unsigned long, __sk_common.skc_flags) & (1UL << SOCK_DONE))
		fin = 1;
	return received > fin ? received - fin : 0;
}

static __always_inline u32 locked(struct sock *sk)
{
	struct {
		u32 slock;
		int owned;
	} lock = {};
	if (__builtin_offsetof(socket_lock_t, owned) != sizeof(u32)) /* a debugging kernel: then never sure */
		return 1;
	bpf_probe_read_kernel(&lock, sizeof(lock), &sk->sk_lock);
	return lock.slock || lock.owned;
}

static __always_inline void fill_gauges(struct tcp_counters *to, struct scratch *scratch)
{
	struct minmax *rtt_min = (struct minmax *)(scratch->hot + AT(rtt_min) - HOT_BEGIN);
	to->cwnd_segments = FIELD(u32, snd_cwnd);
	to->rtt_us = FIELD(u32, srtt_us) >> 3;
	to->rtt_min_us = rtt_min->s[0].v;
	to->mss_bytes = FIELD(u32, mss_cache);
	to->rate_segments = FIELD(u32, rate_delivered);
	to->rate_interval_us = FIELD(u32, rate_interval_us);
	to->zero_window = !FIELD(u32, snd_wnd) && FIELD(u32, write_seq) != FIELD(u32, snd_una);
}

/* Counters of a socket since its birth. The order matters when nobody holds the lock: what counts flags first,
 * then the lock, then state and flags (see payload_*). Returns the state; `old` stands for it if not 0. */
static __always_inline u32 read_counters(struct sock *sk, struct tcp_counters *to, u32 role, u32 old, u32 user,
					 u32 still)
{
	struct scratch *scratch = scratches.lookup(&user);
	if (!scratch)
		return 0;
	bpf_probe_read_kernel(scratch->hot, sizeof(scratch->hot), (void *)sk + HOT_BEGIN);
	u32 busy = still == STILL_NO && locked(sk);
	if (still != STILL_OPEN)
		bpf_probe_read_kernel(scratch->common, sizeof(scratch->common), (void *)sk + COMMON_BEGIN);
	bpf_probe_read_kernel(scratch->retrans, sizeof(scratch->retrans), (void *)sk + RETRANS_BEGIN);
	u8 state = old ? old : COMMON(u8, __sk_common.skc_state);
	to->tx_bytes = payload_sent(scratch, state, role, still);
	to->rx_bytes = payload_received(scratch, busy, still);
	to->tx_segments = FIELD(u32, segs_out);
	to->rx_segments = FIELD(u32, segs_in);
	to->lost_segments = FIELD(u32, lost);
	to->retransmitted_bytes = RETRANS(u64, bytes_retrans);
	to->retransmitted_segments = RETRANS(u32, total_retrans);
	if (still != STILL_OPEN) /* at every segment that one more read would cost too much */
		to->drops = COMMON(u32, sk_drops);
	fill_gauges(to, scratch);
	return state;
}

/* What happened since adoption. */
static __always_inline void subtract(struct tcp_counters *from, struct tcp_counters *base)
{
	from->tx_bytes = from->tx_bytes > base->tx_bytes ? from->tx_bytes - base->tx_bytes : 0;
	from->rx_bytes = from->rx_bytes > base->rx_bytes ? from->rx_bytes - base->rx_bytes : 0;
	from->retransmitted_bytes -= base->retransmitted_bytes;
	from->tx_segments -= base->tx_segments;
	from->rx_segments -= base->rx_segments;
	from->retransmitted_segments -= base->retransmitted_segments;
	from->lost_segments -= base->lost_segments;
	from->drops -= base->drops;
}
