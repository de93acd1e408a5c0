/* Sockets: what the TCP probe shares with Python (bpf/kernel/events.h says how). */

enum tcp_event {
	KIND_CLOSE = 1, /* struct socket_event: an established connection ended */
	KIND_FAIL = 2,  /* struct socket_event: a connect failed */
};

/* What the programs count, one 64-bit cell per processor each (map `tallies`). */
enum tally {
	TALLY_OPENED = 0,    /* sockets that entered the table */
	TALLY_CLOSED = 1,    /* sockets that left it */
	TALLY_SLOTLESS = 2,  /* sockets that found no free slot: only their end is reported */
	TALLY_UNTRACKED = 3, /* sockets that ended without ever having been in the table */
	TALLY_IGNORED = 4,   /* the same while the sockets of before the start were not yet adopted */
	TALLY_ADOPTED = 5,   /* sockets that were open before the start */
	TALLY_HEALED = 6,    /* ends whose state change was missed */
	TALLY_STALE = 7,     /* table entries found at the address of a new socket */
	TALLY_SETTLED = 8,   /* accepted sockets whose owner was learnt */
	TALLY_WITHIN = 9,    /* state changes in the middle of another one */
	TALLY_OWNERS_GONE = 10, /* processes that owned a listener and have exited */
	TALLY_TAKEN_OVER = 11, /* sockets that another program than the owner's used */
	TALLY_SUBFLOWS = 12, /* of MPTCP, that entered the table */
	TALLY_COUNT = 13,
};

/* Slots that one run of the sweep reads: the verifier walks every turn of the loop when the program is loaded. */
enum sweep_size {
	SWEEP_SLOTS = 128,
};

/* Indices of the map `settings`. */
enum setting {
	SETTING_ADOPTED = 0, /* 1: every open socket is in the table, so an unknown one may be believed */
	SETTING_PASS = 1,    /* what the iterators do: enum adoption_pass */
	SETTING_SUBFLOW = 2, /* which of a connection of MPTCP they come to, from 0 */
	SETTING_MORE = 3,    /* written by them: 1 if a connection has one more */
	SETTING_COUNT = 4,
};

enum adoption_pass {
	PASS_LISTENERS = 0,
	PASS_SOCKETS = 1,
	PASS_HOLDERS = 2, /* of sockets that are in the table already */
};

/* Cumulative since the socket was opened, or adopted; 32-bit ones wrap. From cwnd_segments on: gauges. The
 * delivery rate is rate_segments * mss_bytes in rate_interval_us. */
struct tcp_counters {
	__u64 tx_bytes; /* payload acknowledged by the peer */
	__u64 rx_bytes; /* payload received in order */
	__u64 retransmitted_bytes;
	__u32 tx_segments;
	__u32 rx_segments;
	__u32 retransmitted_segments;
	__u32 lost_segments;
	__u32 drops;
	__u32 cwnd_segments;
	__u32 rtt_us;
	__u32 rtt_min_us;
	__u32 mss_bytes;
	__u32 rate_segments;
	__u32 rate_interval_us;
	__u32 zero_window; /* 1: something waits to be sent, and the peer takes nothing more */
};

/* One slot of the counter array. */
struct cell {
	__u64 socket;          /* the socket's address in the kernel; 0: the slot is free */
	__u32 generation;      /* of the socket that holds the slot, or held it last */
	__u32 read_generation; /* of the socket from which the counters were read */
	__u32 version;         /* of the description; odd while it is being written */
	__u32 state;           /* TCP state when the counters were read */
	struct tcp_counters counters;
};

struct socket_event {
	struct event_header header;
	struct description socket;
	struct tcp_counters counters;
	__u8 reserved[32];
};
