/* The maps of the UDP probe. The loader gives UDP_SLOTS, UDP_PEERS, and seconds as UDP_IDLE_ANSWERED, UDP_IDLE_UNANSWERED
 * and UDP_IDLE_BOTH. */

/* Slots that were given back wait behind so many others before they are used again: a datagram of the old flow may be in
 * the middle of being counted on another processor. */
#define RESTING 128
#define NO_PREALLOCATION 1
#define SECOND_NS 1000000000ull
#define UDP_GATES 32768
#define PLACE_OF(slot, generation) ((u64)(generation) << 32 | (slot))

/* bcc declares that it returns 32 bits; there are 64. Takes a packet or a socket. */
static u64 (*socket_cookie)(void *of) = (void *)BPF_FUNC_get_socket_cookie;

/* What is kept of a socket, by the kernel in the socket itself. */
struct udp_socket {
	u64 first; /* generation << 32 | slot: its only flow, until it has several; 0: none */
	u8 known;   /* 1: it was looked for among those of before the start */
	u8 many;    /* 1: it has, or had, several flows at once: `udp_sockets` counts them */
	u8 owned;   /* 1: `owner` is known */
	u8 settled; /* 1: by its having sent or received */
	u8 bound;   /* 1: to a port that its program chose */
	u8 awaited; /* 1: who receives from it is, or was, to be found: it is in `udp_readers` */
	u8 reserved[2];
	u64 adopted_ns; /* when it was found among those of before the start; 0: it was not */
	struct owner owner;
};

/* Flows of a socket that has several. */
struct udp_flow_count {
	u32 flows;  /* that are open */
	u32 closed; /* 1: the socket is gone */
};

/* A socket that was open before the start. */
struct udp_adopted {
	struct owner owner;
	u64 at_ns;
	u64 bound;
};

/* A socket that only gets datagrams, and whether it is of who has received some: `owner` is that one. */
struct udp_reader_key {
	u64 cookie;
	u64 known; /* 0: it waits for one; 1: it is this one */
};

/* A datagram that finds no room. */
struct udp_refused {
	struct udp_key key; /* without the cookie */
	u64 bytes;
	u64 datagrams;
};

/* Made with a socket's first datagram or its bind (socket_known), gone with the socket. */
BPF_SK_STORAGE(udp_storage, struct udp_socket);
/* From a tuple to its slot. Inserted when a flow begins, and once more where NAT in its own namespace rewrites it
 * (flow_open); looked up when a gate leads to another flow; deleted when the flow ends (flow_claim). */
BPF_F_TABLE("hash", struct udp_key, u32, udp_flows, 2 * UDP_SLOTS, NO_PREALLOCATION);
/* Flows by slot. Written by every datagram; user space maps it and reads it once a second. */
BPF_F_TABLE("array", u32, struct udp_cell, udp_cells, UDP_SLOTS, BPF_F_MMAPABLE);
/* Slots by a hash of socket and peer: where a flow was found last. Written when it was found by its tuple; read by every
 * datagram, which looks whether its flow is there. Never deleted: an array needs no call, and is right or tried in vain. */
BPF_F_TABLE("array", u32, u32, udp_gates, UDP_GATES, 0);
/* Free slots. Filled by user space before anything is attached, popped when a flow begins, pushed when one has ended and
 * rested; last in first out keeps used slots dense. */
BPF_STACK(udp_free, u32, UDP_SLOTS);
/* Slots that were given back last, oldest first. Pushed when a flow has ended (slot_give); popped when it is full, or when
 * no other slot is free. */
BPF_QUEUE(udp_resting, u32, RESTING);
/* Sockets with several flows, by cookie. Inserted with the second flow; looked up when flows begin and end; deleted when
 * the socket is gone and its last flow has ended. */
BPF_F_TABLE("hash", u64, struct udp_flow_count, udp_sockets, UDP_SLOTS, NO_PREALLOCATION);
/* Sockets of before the start, by address. Inserted by the iterator, moved to the socket's own storage with its first
 * datagram (socket_known), deleted when it is closed. */
BPF_F_TABLE("hash", u64, struct udp_adopted, udp_adopted, UDP_SLOTS, NO_PREALLOCATION);
/* Sockets that only get datagrams: who receives them is seen by another hook, which is attached while such sockets are at
 * work. Inserted when a flow of one begins, and by that hook; looked up by both, and by the sweep; deleted when the socket
 * is gone and its last flow has ended. */
BPF_F_TABLE("hash", struct udp_reader_key, struct owner, udp_readers, 4096, NO_PREALLOCATION);
/* Counted up by the programs, never cleared; read by user space (enum udp_tally). */
BPF_PERCPU_ARRAY(udp_tallies, u64, UDP_TALLIES);

static __always_inline void udp_tally(u32 what, u64 count)
{
	u64 *cell = udp_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, count);
}
