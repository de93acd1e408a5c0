/* Bringing cells of listening sockets up to date. */

/* Run by user space with (first cell): reads SWEEP_LISTENERS cells, fewer at the end of the array. */
int listener_sweep(struct bpf_raw_tracepoint_args *ctx)
{
	u32 first = ctx->args[0];
	for (u32 i = 0; i < SWEEP_LISTENERS; i++) {
		u32 index = first + i;
		struct listener_cell *cell = listener_cells.lookup(&index);
		if (!cell)
			return 0;
		u64 socket = cell->socket;
		if (socket)
			listener_read(cell, (struct sock *)socket);
	}
	return 0;
}
