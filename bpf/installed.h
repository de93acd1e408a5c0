/* The kernel's types where they do not come from BTF: before all other files, with installed headers only. */

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

/* As probes/headers.py chooses it. */
#if defined(CONFIG_MEMCG)
#define V1_CONTROLLER memory_cgrp_id
#elif defined(CONFIG_CGROUP_PIDS)
#define V1_CONTROLLER pids_cgrp_id
#elif defined(CONFIG_CGROUP_SCHED)
#define V1_CONTROLLER cpu_cgrp_id
#endif
