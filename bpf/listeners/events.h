/* Listening sockets: what the probe shares with Python (bpf/kernel/events.h says how). */

enum listeners_event {
	KIND_LISTENER = 75, /* struct listener_event: how a listening socket stands */
};

/* What the programs count, one 64-bit cell per processor each (map `listener_tallies`). */
enum listener_tally {
	LISTENERS_TAKEN = 0,   /* sockets that began to listen and got a cell */
	LISTENERS_NO_CELL = 1, /* that found none: nothing is told of them */
	LISTENER_TALLIES = 2,
};

/* Cells that one run of the sweep reads: the verifier walks every turn of the loop when the program is loaded. */
enum listener_sweep_size {
	SWEEP_LISTENERS = 64,
};

/* Counters only grow while the socket listens. */
struct listener_state {
	struct owner owner;
	__u8 address[16];
	__u64 began_ns;  /* it listens since, or was found listening */
	__u64 accepted;  /* handshakes that ended here */
	__u32 netns;
	__u32 overflows; /* sk_drops: SYNs and last segments of handshakes that were dropped here */
	__u32 queue;     /* connections that wait for accept(): sk_ack_backlog */
	__u32 limit;     /* of them: sk_max_ack_backlog */
	__u32 syn_queue; /* handshakes under way */
	__u16 port;
	__u8 adopted; /* 1: it listened before the start */
	__u8 ended;   /* 1: it listens no more, and these are its last counters */
};

struct listener_cell {
	__u64 socket;     /* its address in the kernel; 0: it is not to be read */
	__u32 generation; /* of the socket that has the cell, or had it last; 0: nobody had it */
	__u32 base;       /* sk_drops when it was taken in */
	struct listener_state now;
};

struct listener_event {
	struct event_header header; /* slot: number of the cell */
	struct listener_state listener;
	__u8 reserved[120];
};
