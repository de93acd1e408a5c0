"""Holds a program: ``python -m tests.kernel.attach_holder HOOK PROCESS PORT``; a line of input asks for its count."""

import json
import sys
from dataclasses import asdict
from typing import Any

from model.probe import Hook, Place
from probes.kernel.bpf.maps import array_lookup
from probes.kernel.headers import find_headers
from probes.kernel.loader import Loaded, load

#: Programs that count what happens while the process TARGET is at work; those of cgroups count datagrams to PORT.
SOURCE = """
BPF_ARRAY(counts, u64, 1);

static inline __attribute__((always_inline)) int count(void)
{
	u32 zero = 0;
	u64 *cell = counts.lookup(&zero);
	if (cell)
		__sync_fetch_and_add(cell, 1);
	return 0;
}

static inline __attribute__((always_inline)) int is_target(void)
{
	return bpf_get_current_pid_tgid() >> 32 == TARGET;
}

int asked(struct bpf_raw_tracepoint_args *ctx)
{
	return ctx->args[1] == GETPPID && is_target() ? count() : 0;
}

int traced(void *ctx)
{
	return is_target() ? count() : 0;
}

int called(struct pt_regs *ctx)
{
	return is_target() ? count() : 0;
}

int anybody(struct pt_regs *ctx)
{
	return count();
}

int sent(struct __sk_buff *packet)
{
	u8 protocol = 0;
	u16 port = 0;
	bpf_skb_load_bytes(packet, 9, &protocol, 1);
	bpf_skb_load_bytes(packet, 22, &port, 2);
	if (protocol == 17 && bpf_ntohs(port) == PORT)
		count();
	return 1;
}

int made(struct bpf_sock *sock)
{
	if (is_target())
		count();
	return 1;
}

int listed(struct bpf_raw_tracepoint_args *ctx)
{
	return count();
}

int bpf_iter__task(struct bpf_iter__task *ctx)
{
	return ctx->task ? count() : 0;
}
"""


def loaded(hook: Hook, target: int, port: int = 0) -> Loaded:
    """The hook's program, loaded."""
    defines = {"TARGET": target, "PORT": port, "GETPPID": 110}
    return load(SOURCE, headers=find_headers(), defines=defines, maps=["counts"], hooks=[hook])


def counted(held: Loaded) -> int:
    """How often it counted."""
    return array_lookup(held.maps["counts"], 0)


def as_json(hook: Hook) -> str:
    """For the command line."""
    return json.dumps(asdict(hook))


def from_json(text: str) -> Hook:
    """The hook in it."""
    fields: dict[str, Any] = json.loads(text)
    place = fields.pop("place")
    return Hook(**{**fields, "others": (), "place": Place(**place) if place else None})


def main() -> None:
    """Attaches, says so, and answers each line of input with the count."""
    hook, target, port = from_json(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    held = loaded(hook, target, port)
    held.attach_hook(hook)
    print("attached", flush=True)
    for _ in sys.stdin:
        print(counted(held), flush=True)


if __name__ == "__main__":
    main()
