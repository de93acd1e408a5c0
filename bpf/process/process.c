/* Programs that processes execute: who a process is that is gone before anybody can look it up. */

/* clang 14 knows where a member of mm_struct is (it says so in offsetof), and reads 16 bytes behind it: the padding of
 * cache lines in its unnamed structs, as BTF has it, is counted in two ways. */
#define READ_AT(to, base, offset) bpf_probe_read_kernel(&(to), sizeof(to), (void *)(base) + (offset))

/* What the new program was called with, as the kernel has just laid it out in its memory. */
static __always_inline void fill_arguments(struct exec_event *event, struct task_struct *task)
{
	struct mm_struct *mm = 0;
	u64 begin = 0, end = 0;
	READ(mm, task->mm);
	READ_AT(begin, mm, __builtin_offsetof(struct mm_struct, arg_start));
	READ_AT(end, mm, __builtin_offsetof(struct mm_struct, arg_end));
	u64 length = end - begin; /* 64 bits wide: the verifier follows its bound */
	event->arguments_bytes = length;
	if (length > sizeof(event->arguments))
		length = sizeof(event->arguments);
	bpf_probe_read_user(event->arguments, length, (void *)begin);
}

/* raw_tracepoint sched_process_exec(task, old_pid, bprm): the task at work runs the new program from now on. */
int executed(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	struct linux_binprm *bprm = (struct linux_binprm *)ctx->args[2];
	struct exec_event *event = event_reserve();
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	event->header.at_ns = bpf_ktime_get_ns();
	event->header.kind = KIND_EXEC;
	event->header.slot = NO_SLOT;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid();
	READ(event->started_ns, task->start_time);
	typeof(task->self_exec_id) executions = 0;
	READ(executions, task->self_exec_id);
	event->executions = executions;
	const char *path = 0;
	READ(path, bprm->interp);
	bpf_probe_read_kernel_str(event->executable, sizeof(event->executable), path);
	fill_arguments(event, task);
	ring.ringbuf_submit(event, wakeup());
	return 0;
}
