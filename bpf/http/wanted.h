/* Which sockets are wanted, by port, process and namespace: asked once, when a socket is first read or written. The loader gives
 * PORT_RULES, NAME_RULES and NETNS_RULES (enum http_rules): what nobody asked for is not compiled. */

enum http_rules {
	RULES_NONE = 0,
	RULES_EXCEPT = 1, /* all but those that are named */
	RULES_ONLY = 2,   /* those that are named alone, but for excepted ones */
};

enum http_rule {
	RULE_ONLY = 1,
	RULE_EXCEPT = 2,
};

enum http_wanted {
	WANTED_NO,
	WANTED_YES,
	WANTED_LATER, /* a namespace that user space may not have seen yet */
};

#define NAMES 64
/* User space looks for namespaces once a second. */
#define NETNS_NS 3000000000ull

/* A name of processes, or how it begins. */
struct http_name {
	u64 text[2];
	u64 mask[2]; /* of the characters that matter */
	u64 rule;    /* enum http_rule; 0: none */
};

/* Ports of servers. Filled by user space before anything is attached; looked up at a socket's first read or write. */
BPF_F_TABLE("hash", u32, u8, http_ports, 1024, BPF_F_NO_PREALLOC);
/* Names of processes; likewise. */
BPF_ARRAY(http_names, struct http_name, NAMES);
/* Network namespaces that are wanted. Inserted and deleted by user space as they come and go; looked up likewise. */
BPF_F_TABLE("hash", u32, u8, http_namespaces, 4096, BPF_F_NO_PREALLOC);

static __always_inline int port_wanted(struct description *as)
{
	u32 port = as->role == ROLE_SERVER ? as->local_port : as->peer_port, other = as->local_port;
	u8 *rule = http_ports.lookup(&port);
	if (!rule && as->role == ROLE_UNKNOWN)
		rule = http_ports.lookup(&other);
	return rule ? *rule == RULE_ONLY : PORT_RULES == RULES_EXCEPT;
}

/* By the task at work. */
static __always_inline int name_wanted(void)
{
	u64 comm[2] = {};
	int named = 0;
	bpf_get_current_comm(comm, sizeof(comm));
	for (u32 i = 0; i < NAMES; i++) {
		u32 place = i;
		struct http_name *name = http_names.lookup(&place);
		if (!name || !name->rule)
			break;
		if ((comm[0] & name->mask[0]) != name->text[0] || (comm[1] & name->mask[1]) != name->text[1])
			continue;
		if (name->rule == RULE_EXCEPT)
			return 0;
		named = 1;
	}
	return named || NAME_RULES == RULES_EXCEPT;
}

static __always_inline int socket_wanted(struct description *as)
{
	if (PORT_RULES && !port_wanted(as))
		return WANTED_NO;
	if (NAME_RULES && !name_wanted())
		return WANTED_NO;
	if (NETNS_RULES && !http_namespaces.lookup(&as->netns))
		return bpf_ktime_get_ns() - as->started_ns < NETNS_NS ? WANTED_LATER : WANTED_NO;
	return WANTED_YES;
}
