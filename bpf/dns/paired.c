/* The programs that packets of DNS over UDP are handed on to (dns_hand_on). Of their own: so they are verified once, whatever
 * way leads to them. The verdict is always to let the packet pass. */

#define DNS_PASS 1
/* A part of DNS_RATE is for what is no usual message: there is room left for the texts of names. */
#define DNS_STRANGE_RATE (DNS_RATE / 32)

/* Of the flow in a slot; 0 if there is no such slot (bpf/udp/flows.h). */
static __always_inline struct description *udp_description(u32 slot);

static __always_inline int dns_handed_on(struct __sk_buff *skb, u8 out)
{
	u32 slot = skb->cb[0], ports = skb->cb[4];
	struct dns_seen seen = {.slot = SLOTS + slot, .generation = skb->cb[1], .begin = skb->cb[2],
				.length = skb->cb[3], .local_port = ports >> 16, .peer_port = ports, .out = out,
				.transport = IPPROTO_UDP};
	seen.socket = udp_description(slot);
	if (!seen.socket || !dns_whole(&seen))
		return DNS_PASS;
	u64 now = bpf_ktime_get_ns();
	if (!dns_paired(skb, &seen, now))
		dns_pass_on(skb, &seen, now, DNS_OF_MESSAGE, DNS_STRANGE_RATE);
	return DNS_PASS;
}

int dns_sent(struct __sk_buff *skb)
{
	return dns_handed_on(skb, 1);
}

int dns_got(struct __sk_buff *skb)
{
	return dns_handed_on(skb, 0);
}
