/* Programs that are executed: what the process probe shares with Python (bpf/kernel/events.h says how). */

enum process_event {
	KIND_EXEC = 6, /* struct exec_event: a process runs another program from now on */
};

struct exec_event {
	struct event_header header; /* slot: NO_SLOT */
	__u64 started_ns;      /* the process, before it executed this */
	__u32 pid;             /* of the process */
	__u32 uid;
	__u32 arguments_bytes; /* before they were cut */
	__u32 executions;      /* by the process and its parents, this one included: see `program` of struct owner */
	char executable[72];   /* as it was named to the kernel, perhaps not from the root; of a script its interpreter */
	char arguments[128];   /* each ends with a zero */
};
