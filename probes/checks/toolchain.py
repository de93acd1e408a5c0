"""What compiling needs: the kernel's types, bpftool where they come from BTF, and bcc."""

import importlib.util
import os
import subprocess
import sys

from probes.checks.check import Check
from probes.kernel import headers

#: How long importing bcc may take.
IMPORT_SECONDS = 30

_BCC_REMEDY = "apt-get install python3-bpfcc, in a virtual environment made with --system-site-packages"
_NO_COMPILING = "BPF cannot be compiled"


def check_types() -> Check:
    """Where the types of the running kernel come from."""
    source = headers.find_source()
    if source == "btf":
        return Check("kernel types", "ok", f"BTF ({headers.BTF})", required=True)
    if source == "installed":
        return Check(
            "kernel types", "ok", f"installed headers ({headers.installed_headers()})", required=True
        )
    error = headers.no_headers()
    return Check("kernel types", "missing", error.what, _NO_COMPILING, error.remedy, required=True)


def check_tree() -> Check:
    """The header tree made from BTF: where it is kept, and whether it is there or can be made."""
    if headers.find_source() != "btf":
        return Check("header cache", "not needed", "only headers made from BTF are kept")
    tree = headers.tree_path()
    if headers.is_complete(tree):
        return Check("header cache", "ok", str(tree))
    existing = next(folder for folder in tree.parents if os.access(folder, os.F_OK))
    if os.access(existing, os.W_OK):
        return Check("header cache", "ok", f"{tree}, made at the first start", required=True)
    remedy = f"make {headers.cache_root()} writable"
    return Check("header cache", "missing", f"cannot write {existing}", _NO_COMPILING, remedy, required=True)


def check_bpftool() -> Check:
    """It turns BTF into C; once per build of the kernel."""
    if headers.find_source() != "btf":
        return Check("bpftool", "not needed", "it turns BTF into headers, and the kernel has none")
    made = headers.is_complete(headers.tree_path())
    path = headers.find_bpftool()
    if path:
        return Check("bpftool", "ok", path, required=not made)
    remedy = "apt-get install bpftool (Ubuntu: linux-tools-generic)"
    if made:
        cost = "needed again after the kernel was updated"
        return Check("bpftool", "degraded", "not found; the headers are there already", cost, remedy)
    return Check("bpftool", "missing", "not found", _NO_COMPILING, remedy, required=True)


def find_bcc() -> Check:
    """Whether there is a module ``bcc``; it is not imported."""
    found = importlib.util.find_spec("bcc")
    if found:
        return Check("bcc", "ok", str(found.origin), required=True)
    return Check("bcc", "missing", "no Python module bcc", _NO_COMPILING, _BCC_REMEDY, required=True)


def import_bcc() -> Check:
    """Whether bcc can be imported, tried in a process of its own: it brings LLVM along."""
    script = "import bcc; print(bcc.__version__, bcc.BPF and bcc.__file__)"
    command = [sys.executable, "-P", "-c", script]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        what = f"importing it took longer than {IMPORT_SECONDS} s"
        return Check("bcc", "missing", what, _NO_COMPILING, "try again on an idle machine", required=True)
    if tried.returncode == 0:
        version, path = tried.stdout.split(maxsplit=1)
        return Check("bcc", "ok", f"{version} ({path.strip()})", required=True)
    reason = tried.stderr.strip().splitlines()[-1:] or ["no reason given"]
    return Check("bcc", "missing", reason[0], _NO_COMPILING, _BCC_REMEDY, required=True)
