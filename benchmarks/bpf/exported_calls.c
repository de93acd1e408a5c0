/* The peer of tls_server: what reads plain text at the exported functions of a TLS library does at each call. */
struct call {
	u64 connection, buffer, bytes;
};
BPF_HASH(calls, u64, struct call, 8192);
BPF_ARRAY(texts, u64, 1);

int entered(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct call call = {PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx)};
	calls.update(&id, &call);
	return 0;
}

int returned(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), zero = 0;
	u32 first = 0;
	char text[160] = {};
	struct call *call = calls.lookup(&id);
	u64 *count = texts.lookup(&first);
	if (call && (int)PT_REGS_RC(ctx) > 0 && count) {
		bpf_probe_read_user(text, sizeof(text), (void *)call->buffer);
		*count += text[0] != 0;
	}
	calls.delete(&id);
	return 0;
}
