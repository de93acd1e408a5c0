"""The peer of our BPF programs: the plainest program that keeps counters in a slot array, field by field.

Run as ``python -m benchmarks.peers.slot_array TRACEPOINT LOAD PORT``: attaches its two programs, plays the load,
prints nanoseconds and runs of the program on the tracepoint, as the kernel counted them.
"""

import ctypes
import sys
import threading

from bcc import BPF

from benchmarks import bpf_time
from benchmarks.kernel_stats import runs
from benchmarks.web import Web

SLOTS = 65536
DRAIN_MS = 100
SOURCE = r"""
struct sk_stat { u64 sk, rx, tx; u32 srtt, min_rtt, retr, lost, sin, sout; u64 ts, pad; };
struct ev { u64 ts, sk, rx, tx; u32 pid, slot, saddr, daddr; u16 sport, dport; u8 kind, o, n, pad;
            char comm[16]; char cg[64]; };
BPF_RINGBUF_OUTPUT(rb, 4096);
BPF_F_TABLE("array", u32, struct sk_stat, stats, 65536, BPF_F_MMAPABLE);
BPF_HASH(slots, u64, u32, 65536);
BPF_STACK(freelist, u32, 65536);

static inline __attribute__((always_inline)) void fill_stat(struct sk_stat *s, struct tcp_sock *tp)
{
    s->rx = tp->bytes_received;
    s->tx = tp->bytes_acked;
    s->srtt = tp->srtt_us >> 3;
    s->retr = tp->total_retrans;
    s->lost = tp->lost;
    s->sin = tp->segs_in;
    s->sout = tp->segs_out;
    s->ts = bpf_ktime_get_ns();
}

RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
    struct sock *sk = (struct sock *)ctx->args[0];
    struct tcp_sock *tp = (struct tcp_sock *)sk;
    int o = ctx->args[1], n = ctx->args[2];
    u64 k = (u64)sk;
    u32 slot = 0xffffffff;
    if (n == TCP_ESTABLISHED) {
        if (freelist.pop(&slot))
            slot = 0xffffffff;
        else
            slots.update(&k, &slot);
    } else if (n == TCP_CLOSE) {
        u32 *p = slots.lookup(&k);
        if (p) {
            slot = *p;
            slots.delete(&k);
            freelist.push(&slot, 0);
        }
    } else {
        return 0;
    }
    struct ev e = {};
    e.ts = bpf_ktime_get_ns();
    e.sk = k;
    e.slot = slot;
    e.o = o;
    e.n = n;
    e.rx = tp->bytes_received;
    e.tx = tp->bytes_acked;
    e.pid = bpf_get_current_pid_tgid() >> 32;
    e.saddr = sk->__sk_common.skc_rcv_saddr;
    e.daddr = sk->__sk_common.skc_daddr;
    e.sport = sk->__sk_common.skc_num;
    e.dport = bpf_ntohs(sk->__sk_common.skc_dport);
    bpf_get_current_comm(e.comm, 16);
    struct task_struct *t = (void *)bpf_get_current_task();
    const char *name = t->cgroups->subsys[memory_cgrp_id]->cgroup->kn->name;
    bpf_probe_read_kernel_str(e.cg, 64, name);
    rb.ringbuf_output(&e, sizeof(e), BPF_RB_NO_WAKEUP);
    return 0;
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
    struct sock *sk = (struct sock *)ctx->args[0];
    u64 k = (u64)sk;
    u32 *p = slots.lookup(&k);
    if (!p)
        return 0;
    u32 i = *p;
    struct sk_stat *s = stats.lookup(&i);
    if (s)
        fill_stat(s, (struct tcp_sock *)sk);
    return 0;
}
"""


def main() -> None:
    """Plays one turn."""
    tracepoint, load, port = sys.argv[1:]
    module = BPF(text=SOURCE, cflags=["-w"])
    for slot in range(SLOTS):
        module["freelist"].push(ctypes.c_uint32(slot))
    module["rb"].open_ring_buffer(lambda context, data, size: None)
    playing = threading.Thread(target=getattr(bpf_time, load), args=(Web(int(port)),))
    program = module.funcs[f"raw_tracepoint__{tracepoint}".encode()].fd
    before = runs(program)
    playing.start()
    while playing.is_alive():
        playing.join(DRAIN_MS / 1000)
        module.ring_buffer_consume()
    spent = runs(program) - before
    print(spent.ns, spent.count)


if __name__ == "__main__":
    main()
