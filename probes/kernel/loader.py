"""Loads what a BPF source is compiled to and attaches its hooks; detaches by closing descriptors."""

import contextlib
import errno
import os
import resource
import struct
import time
from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from model.errors import LACKING, ProbeError
from model.probe import Attachment, Feature, Hook
from probes.kernel.attach import Attached
from probes.kernel.bpf.links import cgroup_of
from probes.kernel.bpf.maps import create_map
from probes.kernel.bpf.programs import INSTRUCTION_BYTES, load_program
from probes.kernel.compilation import compiled, map_refused
from probes.kernel.headers import Headers
from probes.kernel.image import Image, MapShape
from probes.kernel.interruption import Interruption
from probes.kernel.kept_images import image_path, keep_image, kept_image
from probes.kernel.program_types import ProgramType, program_type

#: Kernels before this lack the ring buffer (5.8), iterators over TCP (5.9) or programs run on request (5.10).
OLDEST_KERNEL = (5, 10)

#: Programs that are verified at once at most; each may take the kernel some tens of megabytes meanwhile.
_LOADING: Final = 4

#: Of what is attached, in the words of `doctor`.
_NOUNS = {"raw_tracepoint": "tracepoint", "tracepoint": "tracepoint", "cgroup": "place of cgroups"}


def _together(hooks: Iterable[Hook]) -> list[list[Hook]]:
    """By what one link can hold: places of one program in one file."""
    groups: dict[tuple[object, ...], list[Hook]] = {}
    for hook in hooks:
        place = hook.place
        key = (hook.program, hook.kind, place.file, place.build_id, place.process) if place else (hook,)
        groups.setdefault(key, []).append(hook)
    return list(groups.values())


class _RefusedError(Exception):
    """Why a hook cannot be had."""


def _reason(hook: Hook, error: OSError) -> str:
    if hook.place:
        return f"{error.strerror}{f' ({error.filename})' if error.filename else ''}"
    if hook.kind == "cgroup" and error.errno in (errno.ENODEV, errno.EINVAL):
        return "the kernel has no programs at cgroups v2 (CONFIG_CGROUP_BPF)"
    if error.errno == errno.ENOENT or (hook.kind in ("kprobe", "kretprobe") and error.errno == errno.EINVAL):
        return f"the kernel has no such {_NOUNS.get(hook.kind, 'function')}"
    return error.strerror or str(error)


@dataclass
class Loaded:
    """Maps and programs in the kernel, by name; nothing of them is left there once this is closed.

    ``refused`` has what the verifier said of programs, ``absent`` why others were not compiled; ``later`` are those
    that ``load_more`` is to bring, and ``shapes`` says how maps were made.
    """

    maps: dict[str, int]
    programs: dict[str, int]
    refused: dict[str, str]
    absent: dict[str, str] = field(default_factory=dict)
    later: frozenset[str] = frozenset()
    shapes: dict[str, MapShape] = field(default_factory=dict)
    compile_seconds: float = 0.0
    attached: list[Attached] = field(default_factory=list)

    def attach(self, feature: Feature) -> Attachment:
        """Attaches the first alternative that the kernel takes, until detach().

        :raises ProbeError: if none does and the feature is required.
        """
        refused: dict[str, str] = {}
        for hook in feature.alternatives:
            try:
                self.attached.append(self._attach(hook))
                return Attachment(feature, hook, refused)
            except _RefusedError as error:
                refused[hook.name] = str(error)
        if feature.required:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise ProbeError(f"no hook for {feature.name}", f"see `tailrace doctor` ({reasons})")
        return Attachment(feature, None, refused)

    def set_aside(self, hook: Hook) -> None:
        """Detaches a hook that is not needed yet."""
        for attached in [one for one in self.attached if hook in one.links]:
            self.attached.remove(attached)
            attached.close()

    def resume(self, hook: Hook) -> None:
        """Attaches a hook that was set aside, until detach().

        :raises ProbeError: if the kernel refuses it.
        """
        self.attached.append(self.attach_hook(hook))

    def attach_hook(self, hook: Hook) -> Attached:
        """Attaches a hook while others are at work, for a process that has come; it runs until what is returned is
        closed.

        :raises ProbeError: if the kernel refuses it.
        """
        try:
            return self._attach(hook)
        except _RefusedError as error:
            raise ProbeError(f"cannot attach {hook.name} ({error})", "see `tailrace doctor`") from error

    def _attach(self, hook: Hook) -> Attached:
        """All parts of the hook or none."""
        attached = Attached()
        for parts in _together(hook.parts):
            try:
                self._attach_parts(parts, attached)
            except _RefusedError as error:
                attached.close()
                raise error if parts[0] is hook else _RefusedError(f"{parts[0].name}: {error}") from error
        return attached

    def _attach_parts(self, hooks: list[Hook], attached: Attached) -> None:
        hook = hooks[0]
        if hook.kind == "listener" or hook.program in self.later:
            return
        if reason := self.refusal(hook):
            raise _RefusedError(reason)
        try:
            attached.add_together(self.programs[hook.program], hooks)
        except OSError as error:
            raise _RefusedError(_reason(hook, error)) from error

    def refusal(self, hook: Hook) -> str:
        """Why a hook's program cannot be had; empty if it can."""
        if hook.program in self.refused:
            return f"the kernel refused the program: {self.refused[hook.program]}"
        return self.absent.get(hook.program, "")

    def keep_maps(self, names: Set[str]) -> None:
        """Lets go of the descriptors of other maps, which programs hold."""
        for name in self.maps.keys() - names:
            os.close(self.maps.pop(name))

    def lost_hooks(self) -> list[Hook]:
        """Those at cgroups that somebody else has detached (bpf(2), BPF_LINK_DETACH)."""
        links = [pair for one in self.attached for pair in one.links.items()]
        return [hook for hook, link in links if hook.kind == "cgroup" and not cgroup_of(link)]

    def detach(self) -> None:
        """Takes the hooks off; maps stay readable until close()."""
        while self.attached:
            self.attached.pop().close()

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
    defines: Mapping[str, int],
    maps: Iterable[str],
    hooks: Iterable[Hook],
    absent: Mapping[str, str] = MappingProxyType({}),
    later: Iterable[str] = (),
    interruption: Interruption | None = None,
) -> Loaded:
    """Makes the maps and loads the programs of these hooks, but for those that are ``absent`` (name to reason).

    ``source`` is compiled unless what came of it is kept from another time.

    :param later: programs that ``load_more`` is to bring; until then no descriptor of a map is let go.
    :raises NotWantedError: if it is interrupted.
    :raises ProbeError: if bcc is missing, the source does not compile or the kernel gives no maps.
    """
    loaded = Loaded({}, {}, {}, dict(absent), frozenset(later))
    try:
        load_more(loaded, source, headers=headers, defines=defines, hooks=hooks, interruption=interruption)
    except BaseException:
        loaded.close()
        raise
    if not loaded.later:
        loaded.keep_maps(set(maps))
    return loaded


def load_more(
    loaded: Loaded,
    source: str,
    *,
    headers: Headers,
    defines: Mapping[str, int],
    hooks: Iterable[Hook],
    interruption: Interruption | None = None,
) -> None:
    """Loads programs beside those that are there; a map that is there by its name is the same.

    :raises NotWantedError: as ``load``.
    :raises ProbeError: as ``load``.
    """
    begin = time.monotonic()
    image = _image_of(
        {
            "source": source,
            "cflags": ["-w", *(f"-D{name}={value}" for name, value in defines.items())],
            "tree": str(headers.tree) if headers.tree else None,
        },
        interruption or Interruption(),
    )
    programs = {hook.program: program_type(hook) for hook in hooks if hook.kind != "listener"}
    _make_maps(image, loaded)
    wanted = {name: kind for name, kind in programs.items() if name not in loaded.absent}
    _load_programs(image, wanted, loaded)
    loaded.compile_seconds += time.monotonic() - begin


def _image_of(request: dict[str, Any], interruption: Interruption) -> Image:
    """What was compiled once is kept."""
    path = image_path(request)
    image = kept_image(path) if path else None
    if image is None:
        image = compiled(request, interruption)
        if path:
            keep_image(path, image)
    return image


def _make_maps(image: Image, loaded: Loaded) -> None:
    for name, shape in image.maps.items():
        if loaded.shapes.setdefault(name, shape) != shape:
            raise ProbeError(f"two sources define the BPF map {name} in different ways", "report it")
        if name in loaded.maps:
            continue
        try:
            loaded.maps[name] = _make_map(name, shape)
        except OSError as error:
            raise map_refused(name, os.strerror(error.errno or 0)) from error


def _make_map(name: str, shape: MapShape) -> int:
    """Before Linux 5.11 maps count as locked memory."""
    try:
        return create_map(name, shape)
    except PermissionError:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return create_map(name, shape)


def _load_programs(image: Image, kinds: Mapping[str, ProgramType], loaded: Loaded) -> None:
    """Several at once: the kernel verifies each on the processor that asks, some for a third of a second."""
    with ThreadPoolExecutor(min(_LOADING, os.cpu_count() or 1), "load") as pool:
        asked = [pool.submit(_load_program, image, name, kind, loaded) for name, kind in kinds.items()]
    for one in asked:
        one.result()


def _load_program(image: Image, name: str, kind: ProgramType, loaded: Loaded) -> None:
    """Loads it, or notes why that is not possible."""
    program = image.programs.get(name)
    if program is None:
        loaded.absent[name] = "the source has no such program"
        return
    code = bytearray(program.code)
    for place, used in program.loads.items():
        struct.pack_into("=i", code, place * INSTRUCTION_BYTES + 4, loaded.maps[used])
    try:
        loaded.programs[name] = load_program(
            name,
            bytes(code),
            kind=kind.program,
            attach=kind.attach,
            type_id=program.type_id,
            terms=image.license,
        )
    except OSError as error:
        if error.errno in LACKING:
            what = f"the kernel refuses the BPF program {name} ({os.strerror(error.errno)})"
            raise ProbeError(what, LACKING[error.errno]) from error
        loaded.refused[name] = error.strerror or str(error)
