"""Numbers of BPF helper functions that kernels since 5.10 do not all have.

bcc's own headers name every helper up to the last one; a kernel's BTF names those that this kernel has.
"""

#: The first number below.
FIRST = 156
#: In the order of their numbers, which never change (kernel: include/uapi/linux/bpf.h, enum bpf_func_id). The list
#: is at its end: since Linux 6.2 the kernel offers new functions by another way.
NAMES = (
    *("task_storage_get", "task_storage_delete", "get_current_task_btf", "bprm_opts_set"),
    *(
        "ktime_get_coarse_ns",
        "ima_inode_hash",
        "sock_from_file",
        "check_mtu",
        "for_each_map_elem",
        "snprintf",
    ),
    *("sys_bpf", "btf_find_by_name_kind", "sys_close", "timer_init", "timer_set_callback", "timer_start"),
    *("timer_cancel", "get_func_ip", "get_attach_cookie", "task_pt_regs", "get_branch_snapshot"),
    *("trace_vprintk", "skc_to_unix_sock", "kallsyms_lookup_name", "find_vma", "loop", "strncmp"),
    *("get_func_arg", "get_func_ret", "get_func_arg_cnt", "get_retval", "set_retval", "xdp_get_buff_len"),
    *("xdp_load_bytes", "xdp_store_bytes", "copy_from_user_task", "skb_set_tstamp", "ima_file_hash"),
    *("kptr_xchg", "map_lookup_percpu_elem", "skc_to_mptcp_sock", "dynptr_from_mem"),
    *("ringbuf_reserve_dynptr", "ringbuf_submit_dynptr", "ringbuf_discard_dynptr", "dynptr_read"),
    *("dynptr_write", "dynptr_data", "tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv6"),
    *("tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6", "ktime_get_tai_ns"),
    *("user_ringbuf_drain", "cgrp_storage_get", "cgrp_storage_delete"),
)


def missing_helpers(types: str) -> list[str]:
    """Definitions of the helpers that a dump of a kernel's types does not name."""
    numbered = ((f"BPF_FUNC_{name}", number) for number, name in enumerate(NAMES, FIRST))
    return [f"#define {name} {number}" for name, number in numbered if f"\t{name} =" not in types]
