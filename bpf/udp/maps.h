/* The maps of the UDP probe. The loader gives UDP_SLOTS, UDP_PEERS, and seconds as UDP_IDLE_ANSWERED, UDP_IDLE_UNANSWERED
 * and UDP_IDLE_BOTH. */

/* Slots that were given back wait behind so many others before they are used again: a datagram of the old flow may be in
 * the middle of being counted on another processor. */
#define RESTING 128
#define NO_PREALLOCATION 1
#define PLACE_OF(slot, generation) ((u64)(generation) << 32 | (slot))

/* What is kept of a socket, by the kernel in the socket itself. */
struct udp_socket {
	u64 last;  /* generation << 32 | slot: the flow that counted last; 0: none */
	u64 first; /* likewise its only flow, until it has several */
	u8 known;   /* 1: it was looked for among those of before the start */
	u8 many;    /* 1: it has, or had, several flows at once: `udp_sockets` counts them */
	u8 owned;   /* 1: `owner` is known */
	u8 settled; /* 1: by its having sent or received */
	u8 adopted;
	u8 bound;   /* 1: to a port that its program chose */
	u16 reserved;
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
	u64 bound;
};

/* A datagram that finds no room. */
struct udp_refused {
	struct udp_key key; /* without the cookie */
	u64 bytes;
	u64 datagrams; /* 0: none */
};

/* Made with a socket's first datagram or its bind (socket_known), gone with the socket. */
BPF_SK_STORAGE(udp_storage, struct udp_socket);
/* From a tuple to its slot. Inserted when a flow begins, and once more where NAT in its own namespace rewrites it
 * (flow_open); looked up when a socket's last flow was another one; deleted when the flow ends (flow_claim). */
BPF_F_TABLE("hash", struct udp_key, u32, udp_flows, 2 * UDP_SLOTS, NO_PREALLOCATION);
/* Flows by slot. Written by every datagram; user space maps it and reads it once a second. */
BPF_F_TABLE("array", u32, struct udp_cell, udp_cells, UDP_SLOTS, BPF_F_MMAPABLE);
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
/* The datagram that a processor is about to drop. Written and read by the two hooks that tell of it. */
BPF_PERCPU_ARRAY(udp_refusals, struct udp_refused, 1);
/* Counted up by the programs, never cleared; read by user space (enum udp_tally). */
BPF_PERCPU_ARRAY(udp_tallies, u64, UDP_TALLIES);

static __always_inline void udp_tally(u32 what, u64 count)
{
	u64 *cell = udp_tallies.lookup(&what);
	if (cell)
		__sync_fetch_and_add(cell, count);
}
