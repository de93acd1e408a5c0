/* Conntrack entries that rewrite TCP, or UDP where it is wanted: kprobes at the functions through which every entry enters the table
 * and leaves it. Values of status: include/uapi/linux/netfilter/nf_conntrack_common.h. */

#ifdef CONNTRACK_TYPES

#define CT_CONFIRMED 0x8 /* it is in the table */
#define CT_NAT 0x30	 /* source or destination is rewritten */
#define CT_DYING 0x200	 /* it was taken out of the table */
#define CT_POINTER (~7UL) /* the low bits of skb->_nfct tell the packet's place in the connection */
#define VERDICT_ACCEPT 1

static __always_inline u64 stack_key(struct pt_regs *ctx)
{
	return (u64)PT_REGS_SP(ctx) >> 14; /* 16 KB */
}

static __always_inline unsigned long entry_status(struct nf_conn *entry)
{
	unsigned long status = 0;
	READ(status, entry->status);
	return status;
}

static __always_inline struct nf_conn *entry_of(struct sk_buff *packet)
{
	unsigned long found = 0;
	READ(found, packet->_nfct);
	return (struct nf_conn *)(found & CT_POINTER);
}

static __always_inline void fill_direction(struct nat_tuple *to, struct nf_conntrack_tuple *from)
{
	u16 family = from->src.l3num;
	fill_address(to->source_address, family, (u8 *)&from->src.u3, (u8 *)&from->src.u3);
	fill_address(to->destination_address, family, (u8 *)&from->dst.u3, (u8 *)&from->dst.u3);
	to->source_port = bpf_ntohs(from->src.u.all);
	to->destination_port = bpf_ntohs(from->dst.u.all);
}

static __always_inline int is_followed(u8 protocol)
{
#ifdef WANTS_UDP
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
#else
	return protocol == IPPROTO_TCP;
#endif
}

static __always_inline void send_rewrite(struct nf_conn *entry, u8 kind)
{
	struct nf_conntrack_tuple original = {}, reply = {};
	struct net *net = 0;
	READ(original, entry->tuplehash[0].tuple);
	READ(reply, entry->tuplehash[1].tuple);
	if (!is_followed(original.dst.protonum))
		return;
	struct nat_event *event = event_reserve();
	if (!event)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.slot = NO_SLOT;
	event->header.kind = kind;
	fill_direction(&event->original, &original);
	fill_direction(&event->reply, &reply);
	READ(net, entry->ct_net.net);
	READ(event->netns, net->ns.inum);
	event->family = original.src.l3num == AF_INET6 ? 6 : 4;
	event->protocol = original.dst.protonum;
#ifdef CONFIG_NF_CONNTRACK_ZONES
	READ(event->zone, entry->zone.id);
#endif
	ring.ringbuf_submit(event, wakeup());
}

/* One that is already there stayed because the function's return was missed: its event is lost, as is one for which
 * there is no room. */
static __always_inline void enters(struct pt_regs *ctx, struct nf_conn *entry, struct sk_buff *packet)
{
	struct entering now = {.entry = (u64)entry, .packet = (u64)packet};
	u64 key = stack_key(ctx);
	if (!(entry_status(entry) & CT_NAT))
		return;
	int stale = entering.lookup(&key) != 0;
	if (entering.update(&key, &now) || stale)
		event_made(0, 0);
}

/* kprobe/__nf_conntrack_confirm: the first packet of a connection leaves; its entry has its final tuples. */
int nat_confirming(struct pt_regs *ctx)
{
	struct sk_buff *packet = (struct sk_buff *)PT_REGS_PARM1(ctx);
	enters(ctx, entry_of(packet), packet);
	return 0;
}

/* kprobe/nf_conntrack_hash_check_insert: netlink brings an entry. */
int nat_inserting(struct pt_regs *ctx)
{
	enters(ctx, (struct nf_conn *)PT_REGS_PARM1(ctx), 0);
	return 0;
}

/* Whether the entry is in the table: one that was there already may have taken its place, or the packet be dropped. */
static __always_inline int has_entered(struct entering *it, int result)
{
	if (!(entry_status((struct nf_conn *)it->entry) & CT_CONFIRMED))
		return 0;
	if (!it->packet)
		return result == 0;
	return result == VERDICT_ACCEPT && (u64)entry_of((struct sk_buff *)it->packet) == it->entry;
}

/* kretprobe of both. */
int nat_entered(struct pt_regs *ctx)
{
	u64 key = stack_key(ctx);
	struct entering *found = entering.lookup(&key);
	if (!found)
		return 0;
	struct entering it = *found;
	entering.delete(&key);
	if (has_entered(&it, PT_REGS_RC(ctx)))
		send_rewrite((struct nf_conn *)it.entry, KIND_NAT_NEW);
	return 0;
}

/* kprobe/nf_ct_delete: every entry that was in the table leaves it through here; only the first call counts. */
int nat_leaving(struct pt_regs *ctx)
{
	struct nf_conn *entry = (struct nf_conn *)PT_REGS_PARM1(ctx);
	unsigned long status = entry_status(entry);
	if (status & CT_NAT && status & CT_CONFIRMED && !(status & CT_DYING))
		send_rewrite(entry, KIND_NAT_DELETED);
	return 0;
}

#endif
