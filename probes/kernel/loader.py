"""Loads a BPF source through a compiler process and attaches its hooks; detaches by closing descriptors."""

import errno
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from model.errors import ProbeError
from probes.kernel import bpf
from probes.kernel.compilation import ask_compiler
from probes.kernel.headers import Headers
from probes.kernel.kprobes import attach_kprobe
from probes.kernel.program import Feature, Hook, Taken

#: Kernels before this lack the ring buffer (5.8), iterators over TCP (5.9) or programs run on request (5.10).
OLDEST_KERNEL = (5, 10)


class _RefusedError(Exception):
    """Why a hook cannot be had."""


def _reason(hook: Hook, error: OSError) -> str:
    if error.errno == errno.ENOENT or (hook.function and error.errno == errno.EINVAL):
        return f"the kernel has no such {'tracepoint' if hook.tracepoint else 'function'}"
    return error.strerror or str(error)


@dataclass
class Loaded:
    """Maps and programs in the kernel, by name; nothing of them is left there once this is closed.

    ``refused`` has what the verifier said of programs, ``absent`` why others were not compiled.
    """

    maps: dict[str, int]
    programs: dict[str, int]
    refused: dict[str, str]
    absent: dict[str, str] = field(default_factory=dict)
    links: dict[Hook, int] = field(default_factory=dict)
    compile_seconds: float = 0.0

    def attach(self, feature: Feature) -> Taken:
        """Attaches the first alternative that the kernel takes.

        :raises ProbeError: if none does and the feature is required.
        """
        refused: dict[str, str] = {}
        for hook in feature.alternatives:
            reason = self._try(hook)
            if reason is None:
                return Taken(feature, hook, refused)
            refused[hook.name] = reason
        if feature.required:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise ProbeError(f"no hook for {feature.name}", f"see `tailrace doctor` ({reasons})")
        return Taken(feature, None, refused)

    def _try(self, hook: Hook) -> str | None:
        """Attaches all parts of a hook; the reason if one is refused, and then none stays attached."""
        links: dict[Hook, int] = {}
        for part in hook.parts:
            try:
                self._attach_part(part, links)
            except _RefusedError as error:
                for link in links.values():
                    os.close(link)
                return str(error) if part is hook else f"{part.name}: {error}"
        self.links |= links
        return None

    def _attach_part(self, hook: Hook, links: dict[Hook, int]) -> None:
        if not hook.program:
            return
        if hook.program in self.absent:
            raise _RefusedError(self.absent[hook.program])
        if hook.program in self.refused:
            raise _RefusedError(f"the kernel refused the program: {self.refused[hook.program]}")
        program = self.programs[hook.program]
        try:
            if hook.tracepoint:
                links[hook] = bpf.attach_raw_tracepoint(program, hook.tracepoint)
            elif hook.function:
                at_return = hook.kind == "kretprobe"
                links[hook] = attach_kprobe(program, hook.function, at_return=at_return)
        except OSError as error:
            raise _RefusedError(_reason(hook, error)) from error

    def detach(self) -> None:
        """Takes the hooks off; maps stay readable until close()."""
        while self.links:
            os.close(self.links.popitem()[1])

    def close(self) -> None:
        """Detaches and lets go of programs and maps."""
        self.detach()
        for descriptors in (self.programs, self.maps):
            while descriptors:
                os.close(descriptors.popitem()[1])


def load(
    source: str,
    *,
    headers: Headers,
    defines: dict[str, int],
    maps: Iterable[str],
    programs: dict[str, str],
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Loaded:
    """Compiles ``source`` and loads its programs (name to kind), but for those that are ``absent`` (name to reason).

    :raises ProbeError: if bcc is missing, the source does not compile or the kernel gives no maps.
    """
    request = {
        "source": source,
        "cflags": ["-w", *(f"-D{name}={value}" for name, value in defines.items())],
        "tree": str(headers.tree) if headers.tree else None,
        "maps": list(maps),
        "programs": {name: kind for name, kind in programs.items() if name not in absent},
    }
    begin = time.monotonic()
    answer, descriptors = ask_compiler(request)
    names = [*answer["maps"], *answer["programs"]]
    by_name = dict(zip(names, descriptors, strict=True))
    return Loaded(
        {name: by_name[name] for name in answer["maps"]},
        {name: by_name[name] for name in answer["programs"]},
        answer["refused"],
        dict(absent),
        compile_seconds=time.monotonic() - begin,
    )
