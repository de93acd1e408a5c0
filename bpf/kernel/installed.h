/* The kernel's types where they do not come from BTF: before all other files, with installed headers only. */

/* Headers of Linux 6.12 name these in functions that nothing here calls; the bpf.h that bcc puts before them, its own, may
 * be older and have none of them, or newer and have all: hence by other names. (Kernel: include/uapi/linux/bpf.h.) */
#define bpf_wq kernel_bpf_wq
#define bpf_rb_root kernel_bpf_rb_root
#define bpf_rb_node kernel_bpf_rb_node
#define bpf_refcount kernel_bpf_refcount
struct bpf_wq {
	unsigned long long opaque[2];
};
struct bpf_rb_root {
	unsigned long long opaque[2];
};
struct bpf_rb_node {
	unsigned long long opaque[4];
};
struct bpf_refcount {
	unsigned int opaque[1];
};
#define BPF_ADDR_SPACE_CAST 1
#define BPF_CGROUP_UNIX_CONNECT 49
#define BPF_CGROUP_UNIX_SENDMSG 50
#define BPF_CGROUP_UNIX_RECVMSG 51
#define BPF_CGROUP_UNIX_GETPEERNAME 52
#define BPF_CGROUP_UNIX_GETSOCKNAME 53

#include <linux/binfmts.h>
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/errno.h>
#include <linux/errqueue.h>
#include <linux/fs.h>
#include <linux/kernfs.h>
#include <linux/mm_types.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/version.h>
#include <linux/win_minmax.h>
#include <net/inet_sock.h>
#include <net/net_namespace.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/sock.h>
#include <net/tcp.h>

#define CONNTRACK_TYPES 1

/* As probes/kernel/headers.py chooses it. */
#if defined(CONFIG_MEMCG)
#define V1_CONTROLLER memory_cgrp_id
#elif defined(CONFIG_CGROUP_PIDS)
#define V1_CONTROLLER pids_cgrp_id
#elif defined(CONFIG_CGROUP_SCHED)
#define V1_CONTROLLER cpu_cgrp_id
#endif
