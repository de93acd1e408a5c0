"""What a probe's programs count beside rows: an array of each processor, with a cell for each name of an enum."""

from collections.abc import Mapping

from probes.kernel.bpf.maps import percpu_lookup
from probes.kernel.layout import enums


def tally_names(source: str, enum: str) -> dict[str, int]:
    """Places of counts by name, without its first word, for all share it; the enum's last name says how many.

    :param source: the folder of ``bpf/`` that declares the enum.
    """
    members = enums(source)[enum]
    last = max(members, key=members.__getitem__)
    return {name.partition("_")[2].lower(): index for name, index in members.items() if name != last}


def read_tallies(fd: int, names: Mapping[str, int]) -> dict[str, int]:
    """Counts since the start, by name.

    :param fd: of the map.
    :param names: of ``tally_names``.
    :raises OSError: as bpf(2) says.
    """
    values = percpu_lookup(fd, len(names)).tolist()
    return {name: values[index] for name, index in names.items()}
