/* When conntrack's netlink messages are made: a filter of the socket that gets them runs in the kernel as each one is
 * queued. Values: include/uapi/linux/netfilter/nfnetlink_conntrack.h. */

#define CTNETLINK_HEADER 20 /* struct nlmsghdr, struct nfgenmsg */
#define MESSAGE_TYPE_AT 4
#define CTA_TYPE 0x3fff
#define CTA_TUPLE_ORIGINAL 1
#define CTA_STATUS_TYPE 3
#define CTA_ID_TYPE 12
#define CTA_STATUS_NAT 0x30
#define TOP_ATTRIBUTES 6 /* both tuples, zone, id, status: in the first ones, in this order */
#define LEFT_OUT 0
#define WHOLE (-1)

struct netlink_attribute {
	u16 length;
	u16 type;
};

#ifndef WANTS_UDP
/* Whether the tuple whose attribute begins at `at` is one of UDP: the protocol's number stands behind the addresses. */
static __always_inline int is_udp_tuple(struct __sk_buff *message, u32 at)
{
	struct netlink_attribute addresses = {};
	u8 protocol = 0;
	at += sizeof(addresses);
	if (bpf_skb_load_bytes(message, at, &addresses, sizeof(addresses)))
		return 0;
	at += ((addresses.length + 3) & ~3) + 2 * sizeof(addresses);
	return !bpf_skb_load_bytes(message, at, &protocol, sizeof(protocol)) && protocol == IPPROTO_UDP;
}
#else
static __always_inline int is_udp_tuple(struct __sk_buff *message, u32 at)
{
	return 0;
}
#endif

/* socket filter: entries that rewrite nothing, and those of UDP where nobody wants them, are left out, and the time of the
 * others is written down by their id. */
int message_queued(struct __sk_buff *message)
{
	u32 at = CTNETLINK_HEADER, id = 0, status = 0;
	u16 type = 0;
	bpf_skb_load_bytes(message, MESSAGE_TYPE_AT, &type, sizeof(type));
	for (int number = 0; number < TOP_ATTRIBUTES; number++) {
		struct netlink_attribute head = {};
		if (bpf_skb_load_bytes(message, at, &head, sizeof(head)) || head.length < sizeof(head))
			break;
		if ((head.type & CTA_TYPE) == CTA_TUPLE_ORIGINAL && is_udp_tuple(message, at))
			return LEFT_OUT;
		if ((head.type & CTA_TYPE) == CTA_ID_TYPE)
			bpf_skb_load_bytes(message, at + sizeof(head), &id, sizeof(id));
		if ((head.type & CTA_TYPE) == CTA_STATUS_TYPE) {
			bpf_skb_load_bytes(message, at + sizeof(head), &status, sizeof(status));
			if (!(bpf_ntohl(status) & CTA_STATUS_NAT))
				return LEFT_OUT;
		}
		at += (head.length + 3) & ~3;
	}
	struct conntrack_time *time = conntrack_times.ringbuf_reserve(sizeof(struct conntrack_time));
	if (!time)
		return WHOLE;
	time->at_ns = bpf_ktime_get_ns();
	time->id = bpf_ntohl(id);
	time->message = type;
	time->reserved = 0;
	conntrack_times.ringbuf_submit(time, BPF_RB_NO_WAKEUP);
	return WHOLE;
}
