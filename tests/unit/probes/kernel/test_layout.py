"""The numpy layouts are those of the C compiler."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from model.kinds import delta as schema
from probes.kernel import layout

FOLDERS = ("kernel", "tcp", "conntrack", "process")
SCALARS = "\n".join(
    f"typedef unsigned {kind} __u{bits};"
    for kind, bits in (("char", 8), ("short", 16), ("int", 32), ("long long", 64))
)


def member_names(dtype: np.dtype[np.void]) -> list[str]:
    """Members in the order of the struct."""
    assert dtype.names is not None
    return list(dtype.names)


@pytest.fixture(scope="module", params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> str:
    """Each folder of headers."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def facts(folder: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Sizes, offsets and enumerators as gcc has them; -Wpadded refuses implicit padding."""
    gcc = shutil.which("gcc")
    if not gcc:
        pytest.skip("gcc is missing: apt-get install gcc")
    scratch = tmp_path_factory.mktemp("layout")
    expressions = {name: f"sizeof(struct {name})" for name in layout.structs(folder)}
    for name, dtype in layout.structs(folder).items():
        for member in member_names(dtype):
            expressions[f"{name}.{member}"] = f"__builtin_offsetof(struct {name}, {member})"
            expressions[f"{name}.{member}.size"] = f"sizeof(((struct {name} *)0)->{member})"
    expressions |= {name: name for enum in layout.enums(folder).values() for name in enum} | {
        "NO_SLOT": "NO_SLOT"
    }
    prints = "\n".join(f'printf("{key} %llu\\n", (__u64)({value}));' for key, value in expressions.items())
    text = f"#include <stdio.h>\n{SCALARS}\n{layout.source(folder)}\nint main(void) {{\n{prints}\n}}\n"
    Path(scratch, "facts.c").write_text(text)
    subprocess.run([gcc, "-Wall", "-Wpadded", "-Werror", "-o", "facts", "facts.c"], cwd=scratch, check=True)
    said = subprocess.run([scratch / "facts"], check=True, capture_output=True, text=True).stdout
    return {key: int(value) for key, value in map(str.split, said.splitlines())}


def test_sizes_are_the_compilers(folder: str, facts: dict[str, int]) -> None:
    """Every struct is as long in numpy as in C."""
    sizes = {name: dtype.itemsize for name, dtype in layout.structs(folder).items()}
    assert sizes == {name: facts[name] for name in sizes}


def test_offsets_and_sizes_of_members_are_the_compilers(folder: str, facts: dict[str, int]) -> None:
    """Every member lies where C has it and is as long."""
    for name, dtype in layout.structs(folder).items():
        assert dtype.fields is not None
        for member in member_names(dtype):
            field = dtype.fields[member]
            assert (field[1], field[0].itemsize) == (
                facts[f"{name}.{member}"],
                facts[f"{name}.{member}.size"],
            ), f"{name}.{member}"


def test_every_struct_and_enum_of_the_header_is_found(folder: str) -> None:
    """Nothing of the header escapes the parser."""
    text = layout.source(folder)
    assert set(layout.structs(folder)) == set(re.findall(r"^struct (\w+) \{", text, re.MULTILINE))
    assert set(layout.enums(folder)) == set(re.findall(r"^enum (\w+) \{", text, re.MULTILINE))


def test_enumerators_are_the_compilers(folder: str, facts: dict[str, int]) -> None:
    """Every enumerator has the value that C gives it."""
    found = {name: value for enum in layout.enums(folder).values() for name, value in enum.items()}
    assert found == {name: facts[name] for name in found}


def test_counts_are_those_of_their_enums() -> None:
    """The last enumerator says how many there are."""
    for name, count in (
        ("tally", "TALLY_COUNT"),
        ("setting", "SETTING_COUNT"),
        ("ring_count", "RING_COUNTS"),
    ):
        values = layout.enums("tcp")[name]
        assert values[count] == len(values) - 1


def test_codes_of_the_schema_are_those_of_the_kernel_side() -> None:
    """Roles and evidence travel from the kernel into the columns without translation."""
    roles = {f"ROLE_{role.name}": role.value for role in schema.Role}
    evidence = {f"EVIDENCE_{grade.name}": grade.value for grade in schema.Evidence}
    assert roles == layout.enums("tcp")["role"]
    assert evidence == layout.enums("tcp")["evidence"]
    (number,) = re.findall(r"#define NO_SLOT (0x\w+)", layout.source("kernel"))
    assert int(number, 16) == schema.NO_SLOT


def test_a_ring_record_is_a_power_of_two() -> None:
    """No record ever lies across the end of the ring, whose size is a power of two."""
    assert layout.shared_record().itemsize == 256
    assert layout.structs("kernel")["ring_event"].itemsize == 248


def test_an_unknown_type_is_refused() -> None:
    """A member of a type that Python does not know is an error, not a gap."""
    with pytest.raises(KeyError, match="long"):
        layout.parse_structs("struct odd {\n\tlong value;\n};")


def test_structs_of_such_types_can_be_left_out() -> None:
    """Those beside them are read."""
    text = "struct odd {\n\tlong value;\n};\nstruct even {\n\t__u32 value;\n};"
    assert list(layout.parse_structs(text, lenient=True)) == ["even"]
