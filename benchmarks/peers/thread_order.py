"""The peer of links through an Envoy: by thread and order, as proxies without a hook of their own are guessed at.

Run as ``python -m benchmarks.peers.thread_order PROXY PORT SERVER_PORT``: until its input ends, takes each request
that a thread of the process PROXY writes to SERVER_PORT for that of the connection to PORT that the thread read last;
prints one JSON array: ports of both connections, and how often.
"""

import json
import sys

from bcc import BPF

SOURCE = r"""
struct pair { u16 down, up; u32 pad; };
BPF_HASH(last, u64, u16, 1024);
BPF_HASH(pairs, struct pair, u64, 65536);

static inline __attribute__((always_inline)) int of_proxy(u64 id, int length)
{
    return id >> 32 == PROXY && length > 0;
}

RAW_TRACEPOINT_PROBE(sock_recv_length)
{
    struct sock *sk = (struct sock *)ctx->args[0];
    u64 id = bpf_get_current_pid_tgid();
    u16 local = 0, peer = 0;
    if (!of_proxy(id, ctx->args[1]))
        return 0;
    bpf_probe_read_kernel(&local, sizeof(local), &sk->__sk_common.skc_num);
    bpf_probe_read_kernel(&peer, sizeof(peer), &sk->__sk_common.skc_dport);
    peer = __builtin_bswap16(peer);
    if (local == PORT)
        last.update(&id, &peer);
    return 0;
}

RAW_TRACEPOINT_PROBE(sock_send_length)
{
    struct sock *sk = (struct sock *)ctx->args[0];
    u64 id = bpf_get_current_pid_tgid(), zero = 0;
    u16 peer = 0, *down = of_proxy(id, ctx->args[1]) ? last.lookup(&id) : 0;
    struct pair pair = {};
    if (!down)
        return 0;
    bpf_probe_read_kernel(&peer, sizeof(peer), &sk->__sk_common.skc_dport);
    if (__builtin_bswap16(peer) != SERVER_PORT)
        return 0;
    pair.down = *down;
    bpf_probe_read_kernel(&pair.up, sizeof(pair.up), &sk->__sk_common.skc_num);
    u64 *count = pairs.lookup_or_try_init(&pair, &zero);
    if (count)
        __sync_fetch_and_add(count, 1);
    return 0;
}
"""


def main(proxy: int, port: int, server_port: int) -> None:
    """Watches until the input ends."""
    defines = {"PROXY": proxy, "PORT": port, "SERVER_PORT": server_port}
    watch = BPF(text=SOURCE, cflags=["-w", *(f"-D{name}={value}" for name, value in defines.items())])
    print("watches", flush=True)
    sys.stdin.read()
    print(json.dumps([[key.down, key.up, count.value] for key, count in watch["pairs"].items()]))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
