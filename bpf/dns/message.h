/* What a message of DNS says (RFC 1035): by calls of which each reads some bytes, for a packet need not be in one piece. */

#define DNS_SHORTEST 17 /* of a message with a question */
#define DNS_NAME_BYTES 255
/* Labels of a name that are stepped over here: one of more goes to user space. Reverse names of IPv6 have 34. */
#define DNS_LABELS 40
#define DNS_WORDS 32
#define DNS_MIX 0xff51afd7ed558ccdull
#define DNS_BYTES_OF(byte) (0x0101010101010101ull * (byte))

#define DNS_IS_ANSWER 0x8000
#define DNS_TC 0x0200
#define DNS_STRANGE 0x7840 /* another operation than a query, or a bit that is reserved */
#define DNS_POINTER 0xc0
#define DNS_IN 1
#define DNS_TYPE_A 1
#define DNS_TYPE_AAAA 28
#define DNS_TYPE_OPT 41
/* Records of an answer that are looked at here; one with more goes to user space. */
#define DNS_RECORDS 8

struct dns_message {
	u64 name; /* the hash, as hashed_bytes in probes/dns/hashes.py makes it */
	u32 end;  /* of the question, in the packet */
	u16 id;
	u16 flags;
	u16 type;
	u16 rcode;
	u16 answers;
	u16 authorities;
	u16 additionals;
};

static __always_inline u64 dns_mixed(u64 word)
{
	word ^= word >> 33;
	word *= DNS_MIX;
	word ^= word >> 33;
	word *= DNS_MIX;
	return word ^ word >> 32;
}

/* Eight bytes with letters in lower case. */
static __always_inline u64 dns_lowered(u64 word)
{
	u64 low = word & DNS_BYTES_OF(0x7f);
	u64 from_a = low + DNS_BYTES_OF(0x80 - 'A'), behind_z = low + DNS_BYTES_OF(0x7f - 'Z');
	return word | ((from_a ^ behind_z) & ~word & DNS_BYTES_OF(0x80)) >> 2;
}

/* A number of which the verifier knows nothing: what was known on each of many ways that lead here is no reason to verify what
 * follows for each of them. */
static __always_inline u32 dns_unknown(struct __sk_buff *skb, u32 number)
{
	*(volatile u32 *)&skb->cb[0] = number;
	return *(volatile u32 *)&skb->cb[0];
}

/* Bytes of the name from `begin` on, without the one that ends it; DNS_NAME_BYTES: it is not written out, or too long. */
static __always_inline u32 dns_name_length(struct __sk_buff *skb, u32 begin)
{
	u32 length = 0, found = DNS_NAME_BYTES;
	for (int i = 0; i < DNS_LABELS; i++) {
		u8 size = 64;
		if (bpf_skb_load_bytes(skb, begin + length, &size, 1) || size >= 64)
			break;
		if (!size) {
			found = length;
			break;
		}
		length = dns_unknown(skb, length + size + 1);
	}
	return dns_unknown(skb, found);
}

/* A hash of the name in lower case. Behind it are at least five bytes, of which a word may take some, to be left out. */
static __always_inline int dns_name_hash(struct __sk_buff *skb, u32 begin, u32 length, u64 *hash)
{
	u32 zero = 0;
	struct dns_seeds *seeds = dns_seeds.lookup(&zero);
	u64 sum = 0;
	if (!seeds)
		return -1;
	for (u32 i = 0; i < DNS_WORDS; i++) {
		u64 word;
		if (8 * i >= length)
			break;
		u32 left = dns_unknown(skb, length - 8 * i);
		if (left >= 8 - 5) {
			if (bpf_skb_load_bytes(skb, begin + 8 * i, &word, 8))
				return -1;
		} else {
			u32 half;
			if (bpf_skb_load_bytes(skb, begin + 8 * i, &half, 4))
				return -1;
			word = half;
		}
		if (left < 8)
			word &= (1ull << 8 * left) - 1;
		sum += dns_mixed(dns_lowered(word) + seeds->words[i]) * seeds->odd[i];
	}
	sum = dns_mixed(sum + seeds->odd[DNS_WORDS] * length);
	*hash = sum > NAME_OTHER ? sum : NAME_OTHER + 1;
	return 0;
}

static __always_inline int dns_is_class(u16 class)
{
	class &= 0x7fff;
	return class == DNS_IN || class == 3 || class == 4 || class == 254 || class == 255;
}

/* Response codes above 15 have their upper part in the record OPT: the first behind the question, for such an answer has no
 * other records. */
static __always_inline void dns_read_extended(struct __sk_buff *skb, struct dns_message *message)
{
	u8 opt[6];
	if (message->answers || message->authorities || !message->additionals ||
	    bpf_skb_load_bytes(skb, message->end, opt, sizeof(opt)))
		return;
	if (!opt[0] && !opt[1] && opt[2] == DNS_TYPE_OPT)
		message->rcode |= (u16)opt[5] << 4;
}

/* Reads a message; returns 0 if it is one that user space would read as well. */
static __always_inline int dns_read(struct __sk_buff *skb, struct dns_seen *seen, struct dns_message *message)
{
	u16 head[6], tail[2];
	if (seen->length < DNS_SHORTEST || bpf_skb_load_bytes(skb, seen->begin, head, sizeof(head)))
		return -1;
	message->id = bpf_ntohs(head[0]);
	message->flags = bpf_ntohs(head[1]);
	if (message->flags & DNS_STRANGE || head[2] != bpf_htons(1))
		return -1;
	u32 begin = seen->begin + DNS_HEADER_BYTES;
	u32 length = dns_name_length(skb, begin);
	if (length >= DNS_NAME_BYTES || DNS_SHORTEST + length > seen->length)
		return -1;
	if (bpf_skb_load_bytes(skb, begin + length + 1, tail, sizeof(tail)) || !dns_is_class(bpf_ntohs(tail[1])))
		return -1;
	message->type = bpf_ntohs(tail[0]);
	message->end = dns_unknown(skb, begin + length + 5);
	message->rcode = message->flags & 15;
	message->answers = bpf_ntohs(head[3]);
	message->authorities = bpf_ntohs(head[4]);
	message->additionals = bpf_ntohs(head[5]);
	if (message->flags & DNS_IS_ANSWER)
		dns_read_extended(skb, message);
	return dns_name_hash(skb, begin, length, &message->name);
}
