"""What a probe asks of the kernel: sources, programs, and hooks with their alternatives."""

from dataclasses import dataclass, field
from importlib import resources


@dataclass(frozen=True)
class Hook:
    """One way to get something from the kernel.

    :param program: the function in the BPF source; empty for what is no BPF.
    :param tracepoint: the raw tracepoint to attach to; empty for programs that user space runs itself.
    :param kind: ``raw_tracepoint``, ``iterator``, ``kprobe``, ``kretprobe`` or ``ctnetlink``.
    :param function: of the kernel, for kprobes.
    :param others: what is attached along with it: all of them or none.
    """

    program: str
    tracepoint: str = ""
    kind: str = "raw_tracepoint"
    function: str = ""
    others: tuple["Hook", ...] = ()

    @property
    def name(self) -> str:
        """As `doctor` prints it."""
        if not self.program:
            return self.kind
        if self.function:
            return f"{self.kind} {self.function}"
        return f"tracepoint {self.tracepoint}" if self.tracepoint else f"program {self.program}"

    @property
    def parts(self) -> tuple["Hook", ...]:
        """Itself and what is attached along with it."""
        return (self, *self.others)


@dataclass(frozen=True)
class Feature:
    """Something the probe does, and the ways to it, best first: the first that attaches is taken.

    :param required: without it the main job cannot run; else ``loss`` says what is missing then.
    """

    name: str
    purpose: str
    alternatives: tuple[Hook, ...]
    required: bool = True
    loss: str = ""


@dataclass(frozen=True)
class Taken:
    """Which alternative serves a feature, and why those before it were refused."""

    feature: Feature
    hook: Hook | None
    refused: dict[str, str] = field(default_factory=dict)


def read_source(*names: str) -> str:
    """The BPF text of the files named, one after the other: bcc rewrites map calls in the main text only."""
    folder = resources.files("bpf")
    return "\n".join(f'#line 1 "{name}"\n{folder.joinpath(name).read_text()}' for name in names)
