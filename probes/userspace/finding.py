"""What is looked for in the files that processes run, and where in them probes stand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.probe import Hook, Place
from probes.kernel.binaries import opened_elf
from probes.kernel.elf import Elf, ElfError
from probes.userspace.code import X86_64
from probes.userspace.placement import LOOKED_AT, Spot, best_spot


@dataclass(frozen=True)
class Target:
    """A function, or a place in one, at which programs run.

    :param program: of BPF, that runs when the place is reached.
    :param name: of the function, for people.
    :param address: as the file's symbols count.
    :param returns: of BPF, that runs when the function returns; empty for none.
    :param exact: whether the probe must stand just there; else where it costs least.
    """

    program: str
    name: str
    address: int
    returns: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Finding:
    """What a file has.

    :param what: the library, or language.
    :param how: it was found.
    :param targets: none where it cannot be probed.
    :param reason: why it cannot.
    """

    what: str
    how: str = ""
    targets: tuple[Target, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Finder:
    """Looks for one thing.

    :param name: of what it finds.
    :param find: tells what a file has; None if it has nothing of it. May raise ElfError.
    :param least_bytes: smaller files are not looked at.
    """

    name: str
    find: Callable[[Elf], Finding | None]
    least_bytes: int = 128 << 10


@dataclass(frozen=True)
class Point:
    """Where in a file a program runs.

    :param offset: from the file's beginning.
    :param emulated: whether it is cheap; False where that is not known.
    """

    program: str
    name: str
    offset: int
    at_return: bool
    emulated: bool


@dataclass(frozen=True)
class Found:
    """A finding with its places."""

    finding: Finding
    build_id: str
    points: tuple[Point, ...]

    def hook(self, path: str) -> Hook:
        """All of its points in one hook: they are attached together or not at all.

        :param path: of the file, as this process can open it.
        """
        hooks = [
            Hook(
                point.program,
                kind="uretprobe" if point.at_return else "uprobe",
                place=Place(path, build_id=self.build_id, offset=point.offset),
            )
            for point in self.points
        ]
        first, *others = hooks
        return Hook(first.program, kind=first.kind, place=first.place, others=tuple(others))


def examine(path: Path, finders: Sequence[Finder]) -> list[Found]:
    """What the finders find in a file, each for itself.

    :raises OSError: if it cannot be read, or is no ELF file of 64 bits.
    """
    size = path.stat().st_size
    wanted = [finder for finder in finders if size >= finder.least_bytes]
    if not wanted:
        return []
    with opened_elf(path) as elf:
        found = [_found(elf, finder) for finder in wanted]
    return [one for one in found if one]


def _found(elf: Elf, finder: Finder) -> Found | None:
    try:
        finding = finder.find(elf)
        if not finding:
            return None
        return Found(finding, elf.build_id, tuple(p for t in finding.targets for p in _points(elf, t)))
    except ElfError as error:
        return Found(Finding(finder.name, reason=str(error)), "", ())


def _points(elf: Elf, target: Target) -> list[Point]:
    spot = _spot(elf, target)
    offset = elf.file_offset(target.address) + spot.offset
    points = [Point(target.program, target.name, offset, False, spot.emulated)]
    if target.returns:
        points.append(Point(target.returns, target.name, offset, True, spot.emulated))
    return points


def _spot(elf: Elf, target: Target) -> Spot:
    if target.exact or elf.machine != X86_64:
        return Spot(0, False)
    return best_spot(elf.code_at(target.address, LOOKED_AT))
