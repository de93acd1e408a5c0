"""Paths are folded as the kernel folds them: its own text, compiled for this machine, is the truth."""

import random
import subprocess
from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from probes.http2.templates import PATH_BYTES, fold

#: What path.h needs of other headers.
_BEFORE: Final = f"""
#include <stdio.h>
#include <string.h>
typedef unsigned char u8; typedef unsigned int u32; typedef unsigned long long u64;
#define __always_inline inline
#define HIDE(value) asm volatile("" : "+r"(value))
#define BELOW(a, b) ((u64)(a) - (u64)(b) >> 63)
#define PATH_BYTES {PATH_BYTES}
#define PATH_UNKNOWN 2
struct http_scratch {{ u8 text[1024], folded[256];
  u64 path_at, path_end, pause, segment, digits, length, odd, special; }};
"""
#: Prints the template of each line.
_BEHIND: Final = """
int main(void)
{
  static char line[1024];
  while (fgets(line, sizeof(line), stdin)) {
    struct http_scratch s = {};
    strcpy((char *)s.text, line);
    path_hash(&s, 0, strlen(line));
    printf("%.*s\\n", (int)path_template(&s), (char *)s.folded);
  }
}
"""


@pytest.fixture(scope="module")
def kernels_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program of the kernel's functions, without their maps."""
    source = resources.files("bpf").joinpath("http/path.h").read_text()
    functions = source[source.index("#define SEGMENT_SEED") : source.index("/* What a text is known by")]
    folder = tmp_path_factory.mktemp("path")
    (folder / "path.c").write_text(_BEFORE + functions + _BEHIND)
    subprocess.run(["gcc", "-w", "-o", folder / "path", folder / "path.c"], check=True)
    return folder / "path"


def folded(paths: list[str]) -> list[str]:
    """The templates of these."""
    rows = np.zeros((len(paths), PATH_BYTES), np.uint8)
    for row, path in zip(rows, paths, strict=True):
        text = np.frombuffer(path.encode()[:PATH_BYTES], np.uint8)
        row[: len(text)] = text
    templates = fold(rows)
    return [templates.text(index).decode() for index in range(len(paths))]


def test_paths_are_folded_as_in_the_kernel(kernels_own: Path) -> None:
    """3,000 of letters, digits and what else paths have, up to beyond the longest that is looked at."""
    chance = random.Random(1)
    paths = []
    for _ in range(3000):
        text = "".join(
            chance.choices("abzAZ0189-_.~/%;=@?#", weights=[6] * 9 + [1] * 4 + [5] + [0.3] * 6, k=150)
        )
        paths.append("/" + text[: chance.choice([0, 3, 10, 30, 60, 125, 126, 127, 128, 140])])
    known = ["/", "//", "/api/v1/users/42", "/a/oauth2/step3", "/x?token=1", "/" + "a" * 130]
    lines = "".join(f"{path}\n" for path in [*known, *paths])
    said = subprocess.run([kernels_own], input=lines, capture_output=True, text=True, check=True).stdout
    assert folded([*known, *paths]) == said.splitlines()


def test_paths_of_one_template_have_one_hash() -> None:
    """And no others; what begins with no slash has none."""
    rows = np.zeros((5, PATH_BYTES), np.uint8)
    for row, path in zip(rows, (b"/item/123", b"/item/9?q=1", b"/item/x", b"*", b"/item"), strict=True):
        row[: len(path)] = np.frombuffer(path, np.uint8)
    first, second, *others, none, shorter = fold(rows).hashes.tolist()
    assert first == second
    assert len({first, *others, none, shorter}) == 4
    assert none == 0
