"""Loads a BPF source through a compiler process and attaches its hooks; detaches by closing descriptors."""

import errno
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.errors import ProbeError
from probes import bpf
from probes.compilation import ask_compiler
from probes.headers import Headers
from probes.program import Feature, Hook, Taken

#: Kernels before this lack the ring buffer (5.8), iterators over TCP (5.9) or programs run on request (5.10).
OLDEST_KERNEL = (5, 10)


@dataclass
class Loaded:
    """Maps and programs in the kernel, by name; nothing of them is left there once this is closed."""

    maps: dict[str, int]
    programs: dict[str, int]
    refused: dict[str, str]
    links: dict[str, int] = field(default_factory=dict)
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
        if hook.program in self.refused:
            return f"the kernel refused the program: {self.refused[hook.program]}"
        if not hook.tracepoint:
            return None
        try:
            self.links[hook.tracepoint] = bpf.attach_raw_tracepoint(
                self.programs[hook.program], hook.tracepoint
            )
        except OSError as error:
            if error.errno == errno.ENOENT:
                return "the kernel has no such tracepoint"
            return error.strerror or str(error)
        return None

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
) -> Loaded:
    """Compiles ``source`` and loads its programs (name to kind).

    :raises ProbeError: if bcc is missing, the source does not compile or the kernel gives no maps.
    """
    request = {
        "source": source,
        "cflags": ["-w", *(f"-D{name}={value}" for name, value in defines.items())],
        "tree": str(headers.tree) if headers.tree else None,
        "maps": list(maps),
        "programs": programs,
    }
    begin = time.monotonic()
    answer, descriptors = ask_compiler(request)
    names = [*answer["maps"], *answer["programs"]]
    by_name = dict(zip(names, descriptors, strict=True))
    return Loaded(
        {name: by_name[name] for name in answer["maps"]},
        {name: by_name[name] for name in answer["programs"]},
        answer["refused"],
        compile_seconds=time.monotonic() - begin,
    )
