"""Compiles BPF in a process of its own, which takes LLVM with it when it ends.

Run as a script with the arguments SOCKET PARENT by ``probes.kernel.compilation``: reads a request, answers with an
image: what the kernel has to be given to have the same maps and programs. The only importer of bcc; imports nothing
else of Tailrace.
"""

import ctypes
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Any, Final

import msgpack

#: prctl(2): the signal to get when the parent ends (kernel: include/uapi/linux/prctl.h).
_PR_SET_PDEATHSIG = 1
#: An instruction: code, registers, offset, number (kernel: ``struct bpf_insn``).
_INSTRUCTION: Final = struct.Struct("=BBhi")
#: Loads 64 bits, in two instructions; with this source register the number is the descriptor of a map.
_LOAD_64, _MAP = 0x18, 1
#: Calls a helper of the kernel; with a source register a function of the program or the kernel.
_CALL = 0x85
#: How programs begin that are attached to a type of the kernel, which is named behind it, up to the next "__"; and
#: where (``enum bpf_attach_type``): iterators, the end of functions.
_TYPED: Final = {"bpf_iter__": 28, "fexit__": 25}


class _NotMovableError(Exception):
    """A program has what only the process that compiled it can load."""


def compile_programs(request: dict[str, Any]) -> dict[str, Any]:
    """All maps and programs of a source: an image (``probes.kernel.image``).

    A source that does not compile is an ``error``.
    """
    if request["tree"]:
        os.environ["BCC_KERNEL_SOURCE"] = request["tree"]
    try:
        import bcc
    except (ImportError, OSError) as error:  # OSError: the Python part is there, libbcc is not
        return {"error": "bcc_missing", "detail": str(error)}
    if not hasattr(bcc, "BPF"):
        return {"error": "bcc_missing", "detail": f"{bcc.__file__} is another package of that name"}
    try:
        module = bcc.BPF(text=request["source"], cflags=request["cflags"])
    except Exception as error:  # noqa: BLE001 - bcc raises plain Exception for whatever clang says
        return {"error": "compile", "detail": str(error)}
    try:
        return _image(bcc, module)
    except _NotMovableError as error:
        return {"error": "compile", "detail": str(error)}


def _image(bcc: Any, module: Any) -> dict[str, Any]:
    maps = _maps(bcc, module)
    functions = range(bcc.lib.bpf_num_functions(module.module))
    programs = [bcc.lib.bpf_function_name(module.module, number).decode() for number in functions]
    return {
        "license": (bcc.lib.bpf_module_license(module.module) or b"GPL").decode(),
        "maps": {name: _describe(fd) for fd, name in maps.items()},
        "programs": {name: _program(bcc, module, name, maps) for name in programs},
    }


def _maps(bcc: Any, module: Any) -> dict[int, str]:
    """Names of all maps by their descriptors; bcc declares no types of these functions (bcc: src/cc/bpf_module.h)."""
    bcc.lib.bpf_num_tables.restype, bcc.lib.bpf_num_tables.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
    bcc.lib.bpf_table_name.restype = ctypes.c_char_p
    bcc.lib.bpf_table_name.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    count = bcc.lib.bpf_num_tables(module.module)
    names = [bcc.lib.bpf_table_name(module.module, number) for number in range(count)]
    return {bcc.lib.bpf_table_fd(module.module, name): name.decode() for name in names}


def _describe(fd: int) -> list[int]:
    """A map's type, bytes of a key, bytes of a value, entries and flags, as the kernel has it (proc(5): fdinfo)."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return [
        int(fields[name].strip(), 0)
        for name in ("map_type", "key_size", "value_size", "max_entries", "map_flags")
    ]


def _program(bcc: Any, module: Any, name: str, maps: dict[int, str]) -> dict[str, Any]:
    """Its instructions, and by the place of an instruction the map that it loads."""
    code = bytearray(module.dump_func(name))
    loads: dict[int, str] = {}
    parts = iter(enumerate(_INSTRUCTION.iter_unpack(code)))
    for place, (operation, registers, _, number) in parts:
        if operation == _LOAD_64:
            if registers >> 4 == _MAP:
                loads[place] = maps[number]
                struct.pack_into("=i", code, place * _INSTRUCTION.size + 4, 0)
            elif registers >> 4:
                raise _NotMovableError(f"{name} uses a variable that is neither local nor in a map")
            next(parts)
        elif operation == _CALL and registers >> 4:
            raise _NotMovableError(f"{name} calls a function that is not inline")
    return {"code": bytes(code), "loads": loads, "type_id": _type_id(bcc, name)}


def _type_id(bcc: Any, name: str) -> int:
    """The number of the type that a program of an iterator or at a function's end is attached to.

    It is 0 for others and where the kernel has none.

    libbpf, which bcc comes with, looks in the kernel's BTF.
    """
    for begin, place in _TYPED.items():
        if name.startswith(begin):
            target = name.removeprefix(begin).split("__")[0]
            found: int = bcc.lib.libbpf_find_vmlinux_btf_id(target.encode(), place)
            return max(found, 0)
    return 0


def _die_with(parent: int) -> None:
    """Ends this process when the thread that started it ends, also if it has ended already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit(1)


def main() -> None:
    """Answers one request on the socket whose descriptor number is the first argument; both end where a side ends."""
    _die_with(int(sys.argv[2]))
    with socket.socket(fileno=int(sys.argv[1])) as channel, channel.makefile("rb") as reader:
        try:
            answer = compile_programs(msgpack.unpackb(reader.read()))
        except OSError as error:
            answer = {"error": "system", "errno": error.errno, "detail": error.strerror}
        channel.sendall(msgpack.packb(answer))


if __name__ == "__main__":
    main()
