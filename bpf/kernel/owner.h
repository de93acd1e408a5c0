/* Who owns a socket: process, user and cgroup of a task, read while the task is there. */

/* From the innermost one up; what lies above is cut off. The verifier walks through each level: with 64 the longest
 * program costs it 157,000 of the million instructions that it may. A kernel that refuses DIRECT gets fewer. */
#ifdef DIRECT
#define CGROUP_LEVELS 64
#else
#define CGROUP_LEVELS 32
#endif
#define PF_KTHREAD_BIT 0x00200000

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 15, 0)
#define KERNFS_PARENT(kn) (kn)->__parent
#else
#define KERNFS_PARENT(kn) (kn)->parent
#endif

/* A task that the verifier knows to be one is read without a call; the loader leaves DIRECT out where the kernel
 * refuses that. */
#ifdef DIRECT
#define CURRENT_TASK() bpf_get_current_task_btf()
#define LOAD(to, from)                                                                                         \
	do {                                                                                                   \
		u64 loaded;                                                                                    \
		if (sizeof(to) == 8)                                                                           \
			asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(loaded) : "r"(&(from)));                   \
		else                                                                                           \
			asm volatile("%0 = *(u32 *)(%1 + 0)" : "=r"(loaded) : "r"(&(from)));                   \
		(to) = (typeof(to))loaded;                                                                     \
	} while (0)
#else
#define CURRENT_TASK() ((struct task_struct *)bpf_get_current_task())
#define LOAD(to, from) READ(to, from)
#endif

static __always_inline int is_kernel_thread(struct task_struct *task)
{
	u32 flags = 0;
	LOAD(flags, task->flags);
	return flags & PF_KTHREAD_BIT;
}

/* Whether the last thread of a task's process has begun to exit: its files are there until its memory is gone. */
static __always_inline int is_exiting(struct task_struct *task)
{
	struct signal_struct *signal = 0;
	int live = 0;
	LOAD(signal, task->signal);
	LOAD(live, signal->live.counter);
	return !live;
}

/* The cgroup's number, and its node in cgroupfs. */
static __always_inline struct kernfs_node *identify(struct owner *owner, struct cgroup *cgroup)
{
	struct cgroup_root *root = 0;
	struct kernfs_node *kn = 0;
	int hierarchy = 0;
	LOAD(root, cgroup->root);
	LOAD(hierarchy, root->hierarchy_id);
	LOAD(kn, cgroup->kn);
	LOAD(owner->cgroup_id, kn->id);
	owner->cgroup_hierarchy = hierarchy;
	return kn;
}

/* The cgroup of the unified hierarchy, or, where that is the root (cgroup v1), of a controller that containers
 * always have. */
static __always_inline struct kernfs_node *identify_task(struct owner *owner, struct task_struct *task)
{
	struct css_set *set = 0;
	struct cgroup *cgroup = 0;
	int level = 0;
	LOAD(set, task->cgroups);
	LOAD(cgroup, set->dfl_cgrp);
	LOAD(level, cgroup->level);
#ifdef V1_CONTROLLER
	if (level == 0) {
		struct cgroup_subsys_state *css = 0;
		struct cgroup *v1 = 0;
		LOAD(css, set->subsys[V1_CONTROLLER]);
		LOAD(v1, css->cgroup);
		LOAD(level, v1->level);
		if (level)
			return identify(owner, v1);
	}
#endif
	return identify(owner, cgroup);
}

/* A name may have 255 bytes (NAME_MAX). */
static __always_inline void fill_name(struct cgroup_event *event, struct kernfs_node *kn)
{
	const char *name = 0;
	READ(name, kn->name);
	if (bpf_probe_read_kernel_str(event->name, sizeof(event->name), name) < (long)sizeof(event->name))
		return;
	long rest = bpf_probe_read_kernel_str(event->name, sizeof(event->name), name + sizeof(event->name) - 1);
	if (rest < 1)
		return;
	event->cut = rest > 1;
	bpf_probe_read_kernel_str(event->name, sizeof(event->name), name + rest - 1);
}

/* One event with the name of one cgroup; 0 when it is in the ring. */
static __always_inline int send_name(struct cgroup_key *key, struct kernfs_node *kn, struct kernfs_node *parent)
{
	struct cgroup_event *event = event_reserve();
	if (!event)
		return -1;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_CGROUP;
	event->header.slot = NO_SLOT;
	event->id = key->id;
	event->hierarchy = key->hierarchy;
	if (parent)
		READ(event->parent, parent->id);
	fill_name(event, kn);
	ring.ringbuf_submit(event, wakeup());
	return 0;
}

/* Sends the names from `kn` upward, up to one that was sent before. Returns whether all of them were sent. */
static __always_inline int announce_cgroup(struct kernfs_node *kn, u64 id, u32 hierarchy)
{
	struct cgroup_key key = {.id = id, .hierarchy = hierarchy};
	struct kernfs_node *parent = 0;
	u8 seen = 1;
#pragma clang loop unroll(disable)
	for (int level = 0; level < CGROUP_LEVELS; level++) {
		if (seen_cgroups.lookup(&key))
			return 1;
		READ(parent, KERNFS_PARENT(kn));
		if (send_name(&key, kn, parent))
			return 0;
		seen_cgroups.update(&key, &seen);
		if (!parent)
			return 1;
		kn = parent;
		READ(key.id, kn->id);
	}
	return 1;
}

static __always_inline void fill_cgroup(struct owner *owner, struct task_struct *task)
{
	struct kernfs_node *kn = identify_task(owner, task);
	u64 key = owner->cgroup_id ^ (u64)owner->cgroup_hierarchy << 56;
	u32 zero = 0;
	u64 *last = last_cgroup.lookup(&zero);
	if (!last || *last == key)
		return;
	if (announce_cgroup(kn, owner->cgroup_id, owner->cgroup_hierarchy))
		*last = key;
}

/* `comm` is the process's, not that of the thread at work. */
static __always_inline void fill_comm(struct owner *owner, struct task_struct *task)
{
	struct task_struct *leader = 0;
	LOAD(leader, task->group_leader);
#ifdef DIRECT
	u64 *to = (u64 *)owner->comm;
	LOAD(to[0], leader->comm[0]);
	LOAD(to[1], leader->comm[8]);
#else
	READ(owner->comm, leader->comm);
#endif
}

/* See struct owner. The threads of a process have the same. */
static __always_inline u64 program_of(struct task_struct *task)
{
	struct task_struct *leader = 0;
	u64 started = 0;
	LOAD(leader, task->group_leader);
	LOAD(started, leader->start_time);
	typeof(task->self_exec_id) executions = 0;
	LOAD(executions, task->self_exec_id);
	return (started & ~0xffull) | (executions & 0xff);
}

static __always_inline void fill_owner(struct owner *owner, struct task_struct *task)
{
	const struct cred *cred = 0;
	owner->program = program_of(task);
	LOAD(owner->tgid, task->tgid);
	LOAD(owner->pid, task->pid);
	LOAD(cred, task->cred);
	LOAD(owner->uid, cred->uid);
	fill_comm(owner, task);
	fill_cgroup(owner, task);
}

/* The same for the task at work, of which the kernel tells more in one call than in one READ. */
static __always_inline void fill_current(struct owner *owner)
{
	struct task_struct *task = CURRENT_TASK();
#ifdef DIRECT
	fill_owner(owner, task);
#else
	u64 ids = bpf_get_current_pid_tgid();
	owner->program = program_of(task);
	owner->tgid = ids >> 32;
	owner->pid = ids;
	owner->uid = bpf_get_current_uid_gid();
	fill_comm(owner, task);
	fill_cgroup(owner, task);
#endif
}
