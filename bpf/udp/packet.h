/* The head of a packet at a socket: IPv4 or IPv6 with its extension headers, then UDP or TCP. */

#define IPV4_PLAIN 0x45 /* version 4, five words: no options */
#define EXTENSION_HOPS 0
#define EXTENSION_ROUTING 43
#define EXTENSION_FRAGMENT 44
#define EXTENSION_AUTHENTICATION 51
#define EXTENSION_DESTINATION 60
/* Extension headers of one packet that are stepped over. */
#define EXTENSIONS 4
#define MAPPED_PREFIX 0xffff0000ull

/* A packet as the socket that sends or gets it sees it. */
struct packet {
	u64 local_address[2];
	u64 peer_address[2];
	u16 local_port;
	u16 peer_port;
	u32 offset;   /* of the payload */
	u32 bytes;    /* of it */
	u32 sequence; /* of TCP */
	u8 protocol;  /* IPPROTO_UDP; IPPROTO_TCP where somebody wants it; else 0 */
	u8 family;    /* 4 or 6 */
	u8 out;       /* 1: the socket sends it */
};

/* Whether anybody wants packets of TCP. */
#ifdef DNS_PROBE
#define WANTS_TCP 1
#else
#define WANTS_TCP 0
#endif

static __always_inline int is_wanted(u8 protocol)
{
	return protocol == IPPROTO_UDP || (WANTS_TCP && protocol == IPPROTO_TCP);
}

static __always_inline int is_extension(u8 header)
{
	return header == EXTENSION_HOPS || header == EXTENSION_ROUTING || header == EXTENSION_DESTINATION ||
	       header == EXTENSION_AUTHENTICATION || header == EXTENSION_FRAGMENT;
}

/* Steps over extension headers from `header` on, which is at `offset`. Returns what is behind them, or 0: nothing wanted,
 * or a fragment other than the first. */
static __always_inline u8 behind_extensions(struct __sk_buff *skb, u8 header, u32 *offset)
{
#pragma unroll
	for (int i = 0; i < EXTENSIONS; i++) {
		u8 head[4] = {};
		if (!is_extension(header))
			break;
		if (bpf_skb_load_bytes(skb, *offset, head, sizeof(head)))
			return 0;
		if (header == EXTENSION_FRAGMENT) {
			if (head[2] || head[3] & 0xf8)
				return 0;
			*offset += 8;
		} else if (header == EXTENSION_AUTHENTICATION) {
			*offset += (head[1] + 2) * 4;
		} else {
			*offset += (head[1] + 1) * 8;
		}
		header = head[0];
	}
	return is_wanted(header) ? header : 0;
}

static __always_inline void fill_mapped(u64 *to, u32 address)
{
	to[0] = 0;
	to[1] = MAPPED_PREFIX | (u64)address << 32;
}

static __always_inline int read_ports(struct __sk_buff *skb, struct packet *packet, u8 *at, u32 offset)
{
	u16 ports[2];
	if (at + 8 <= (u8 *)(long)skb->data_end)
		__builtin_memcpy(ports, at, sizeof(ports));
	else if (bpf_skb_load_bytes(skb, offset, ports, sizeof(ports)))
		return -1;
	packet->local_port = bpf_ntohs(packet->out ? ports[0] : ports[1]);
	packet->peer_port = bpf_ntohs(packet->out ? ports[1] : ports[0]);
	return 0;
}

/* The same, and the payload, of UDP behind a head of IPv4 without options: what is usual is at fixed places. */
static __always_inline int read_usual(struct __sk_buff *skb, struct packet *packet, u8 *data)
{
	if (packet->protocol != IPPROTO_UDP || data[0] != IPV4_PLAIN || data + 28 > (u8 *)(long)skb->data_end)
		return -1;
	u32 ports = *(u32 *)(data + 20);
	packet->local_port = bpf_ntohs(packet->out ? ports : ports >> 16);
	packet->peer_port = bpf_ntohs(packet->out ? ports >> 16 : ports);
	packet->offset = 28;
	packet->bytes = skb->len > 28 ? skb->len - 28 : 0;
	return 0;
}

/* Where the payload begins, and of TCP with which byte of the stream. */
static __always_inline int read_payload(struct __sk_buff *skb, struct packet *packet, u32 offset)
{
	u32 head = 8;
	if (WANTS_TCP && packet->protocol == IPPROTO_TCP) {
		u8 tcp[16];
		if (bpf_skb_load_bytes(skb, offset, tcp, sizeof(tcp)))
			return -1;
		head = (tcp[12] >> 4) * 4;
		__builtin_memcpy(&packet->sequence, tcp + 4, 4);
		packet->sequence = bpf_ntohl(packet->sequence);
	}
	packet->offset = offset + head;
	packet->bytes = skb->len > packet->offset ? skb->len - packet->offset : 0;
	return 0;
}

/* Most packets are of TCP: they are told by one byte, before anything else is done. */
static __always_inline int carries_tcp(struct __sk_buff *skb)
{
	u8 *data = (u8 *)(long)skb->data;
	if (data + 20 > (u8 *)(long)skb->data_end)
		return 0;
	return (data[0] >> 4 == 4 ? data[9] : data[6]) == IPPROTO_TCP;
}

/* Reads the head; returns 0 if it is one that somebody wants. */
static __always_inline int packet_read(struct __sk_buff *skb, struct packet *packet, int out)
{
	u8 *data = (u8 *)(long)skb->data, *end = (u8 *)(long)skb->data_end;
	u64 *from = out ? packet->local_address : packet->peer_address;
	u64 *to = out ? packet->peer_address : packet->local_address;
	u32 offset;
	if (data + 20 > end)
		return -1;
	packet->out = out;
	if (data[0] >> 4 == 4) {
		packet->protocol = data[9];
		if (!is_wanted(packet->protocol) || (data[7] | (data[6] & 0x1f)))
			return -1;
		packet->family = 4;
		fill_mapped(from, *(u32 *)(data + 12));
		fill_mapped(to, *(u32 *)(data + 16));
		if (!read_usual(skb, packet, data))
			return 0;
		offset = (data[0] & 15) << 2;
	} else {
		packet->protocol = data[6];
		if (data + 40 > end)
			return -1;
		offset = 40;
		if (!is_wanted(packet->protocol))
			packet->protocol = behind_extensions(skb, packet->protocol, &offset);
		if (!packet->protocol)
			return -1;
		packet->family = 6;
		data = (u8 *)(long)skb->data;
		if (data + 40 > (u8 *)(long)skb->data_end)
			return -1;
		from[0] = *(u64 *)(data + 8);
		from[1] = *(u64 *)(data + 16);
		to[0] = *(u64 *)(data + 24);
		to[1] = *(u64 *)(data + 32);
	}
	if (read_ports(skb, packet, data + (offset & 0x3ff), offset) || read_payload(skb, packet, offset)) {
		udp_tally(UDP_UNREADABLE, 1);
		return -1;
	}
	return 0;
}
