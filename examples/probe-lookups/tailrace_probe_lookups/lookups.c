/* Written by lookup_called; read, and its room given back, by user space. */
BPF_RINGBUF_OUTPUT(lookups, LOOKUPS_BYTES / PAGE_SIZE);

int lookup_called(struct pt_regs *ctx)
{
	struct lookup_event *event = lookups.ringbuf_reserve(sizeof(*event));
	if (!event_begin(LOOKUPS_RING, (void *)event, KIND_LOOKUP))
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	lookups.ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	return 0;
}
