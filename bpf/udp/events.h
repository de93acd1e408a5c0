/* Datagrams: what the UDP probe shares with Python (bpf/kernel/events.h says how). */

enum udp_event {
	KIND_DATAGRAMS = 50, /* struct datagram_event: what a flow has counted so far, or at its end */
};

/* Whether a flow has ended, and why. */
enum udp_end {
	UDP_OPEN = 0,
	UDP_IDLE = 1,   /* nothing came for as long as its kind of exchange may rest */
	UDP_CLOSED = 2, /* its socket was closed */
	UDP_MOVED = 3,  /* NAT in its own namespace leads to another peer now */
};

/* Whom its datagrams are for. */
enum udp_cast {
	CAST_UNICAST = 0,
	CAST_MULTICAST = 1,
	CAST_BROADCAST = 2,
};

/* What its datagrams are, as far as they say so themselves. */
enum udp_application {
	APPLICATION_UNKNOWN = 0,
	APPLICATION_QUIC = 1,
	APPLICATION_DNS = 2,
};

/* Peers of one socket that are one flow, where it has very many. */
enum udp_fold {
	FOLD_NONE = 0,
	FOLD_PORTS = 1, /* all ports of an address: peer_port is 0 */
	FOLD_PEERS = 2, /* all peers: peer_port is 0, and so is peer_address; at last local_address, too */
};

/* What the programs count, one 64-bit cell per processor each (map `udp_tallies`). */
enum udp_tally {
	UDP_OPENED = 0,       /* flows that got a slot */
	UDP_ENDED = 1,        /* of these, ended and told */
	UDP_NO_SLOT = 2,      /* datagrams in no flow: there was no free slot */
	UDP_NO_SLOT_BYTES = 3, /* the payload of those */
	UDP_UNREADABLE = 4,   /* packets whose ports could not be read */
	UDP_FOLDED = 5,       /* flows of several peers */
	UDP_ALIASES = 6,      /* flows that NAT in the own namespace rewrites */
	UDP_UNNUMBERED = 7,   /* sockets for whose number of flows there was no room: they do not fold */
	UDP_UNCOUNTED_DROPS = 8, /* datagrams that found the receive buffer full, of no known flow */
	UDP_UNCOUNTED_ERRORS = 9, /* errors that the network answered with, of no known flow */
	UDP_ADOPTED = 10,     /* sockets that were open before the start */
	UDP_UNAWAITED = 11,   /* sockets that only get datagrams, and for whose reader there was no room */
	UDP_READERS = 12,     /* of those, sockets whose reader was seen */
	UDP_TALLIES = 13,
};

/* Cumulative since the flow began: payload and datagrams that the socket sent, and those that came for it, with those
 * for which its receive buffer had no room. Times are CLOCK_MONOTONIC; 0: never. */
struct udp_counters {
	__u64 tx_bytes;
	__u64 rx_bytes;
	__u64 tx_datagrams;
	__u64 rx_datagrams;
	__u64 last_ns;        /* the sweep that found a datagram last, or the first datagram */
	__u64 first_reply_ns; /* to who sent the first datagram */
	__u64 dropped_datagrams; /* of rx_datagrams: the receive buffer was full */
	__u64 dropped_bytes;
	__u32 errors; /* that the network answered with (ICMP) */
	__u32 error;  /* errno of the last one */
};

struct datagram_event {
	struct event_header header; /* slot: below udp.slots */
	struct udp_counters counters;
	struct description socket;
	__u8 wire_address[16]; /* the peer behind NAT in the own namespace; else the same */
	__u16 wire_port;
	__u8 end;         /* enum udp_end */
	__u8 cast;        /* enum udp_cast */
	__u8 application; /* enum udp_application */
	__u8 folded;      /* enum udp_fold */
	__u16 reserved;
	__u64 unused;
};

/* A flow's tuple as its socket has it; ports in host order. */
struct udp_key {
	__u64 cookie; /* of the socket: an address of memory may serve another */
	__u64 local_address[2];
	__u64 peer_address[2];
	__u16 local_port;
	__u16 peer_port;
	__u32 reserved;
};

/* One slot of the array of flows. What each datagram reads and writes is in the first 128 bytes. */
struct udp_cell {
	struct udp_key key;
	__u32 generation; /* of the flow that holds the slot, or held it last */
	__u32 version;    /* of the description; odd while it is being written */
	__u8 open;        /* 1: datagrams are counted here */
	__u8 ending;      /* enum udp_end: it has ended, and the sweep is to tell so */
	__u8 many;        /* 1: it is among the flows of its socket in `udp_sockets` */
	__u8 settled;     /* 1: its owner has sent or received */
	__u8 began_out;   /* 1: its first datagram was sent here */
	__u8 looked;      /* 1: both directions were looked at for what they are */
	__u8 initials;    /* datagrams of its client that the QUIC probe was told of */
	__u8 answers;     /* datagrams of its server behind which the client's hello may go on (bpf/quic/see.h) */
	struct datagram_event event;
	__u64 unused;
	struct udp_key wire; /* as datagrams leave that NAT in the own namespace rewrites; cookie 0: it does not */
	__u64 answer; /* the message of the error queue that was counted last; 0: none, or it was reported again */
	__u64 counted; /* datagrams until the last sweep */
};

/* Slots that one run of the sweep looks at. */
enum udp_sweep {
	UDP_SWEEP_SLOTS = 64,
};
