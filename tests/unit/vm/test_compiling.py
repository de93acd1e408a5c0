"""What the host compiles for the guest is what the guest's own compiler would make of the same headers."""

import asyncio
import os
import tarfile
from pathlib import Path
from typing import Any

import msgpack
import pytest

from probes.kernel.compilation import compiled
from probes.kernel.headers import find_headers, find_source
from probes.kernel.image import image_of
from probes.kernel.interruption import Interruption
from tests.eventually import eventually
from tests.vm.compiling import answered

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for BPF maps"),
    pytest.mark.skipif(find_source() != "btf", reason="needs BTF"),
]
SOURCE = """
BPF_ARRAY(seen, u64, 4);
int passed(struct bpf_raw_tracepoint_args *ctx)
{
    int place = sizeof(struct sock) % 4;
    u64 *count = seen.lookup(&place);
    if (count)
        ++*count;
    return 0;
}
"""


def asked(folder: Path, source: str) -> dict[str, Any]:
    """What is answered to a request in that folder."""
    tree = find_headers().tree
    assert tree
    with tarfile.open(folder / "tree.tar", "w") as packed:
        packed.add(tree, ".")
    request = {"source": source, "cflags": ["-w"], "tree": "tree.tar"}
    (folder / "1.new").write_bytes(msgpack.packb(request))
    (folder / "1.new").rename(folder / "1.request")
    answer = folder / "1.answer"
    asyncio.run(eventually(answer.exists))
    said: dict[str, Any] = msgpack.unpackb(answer.read_bytes())
    return said


def test_an_answer_is_that_of_the_compiler(tmp_path: Path) -> None:
    """Maps, instructions and all else are the same."""
    with answered(tmp_path / "compile"):
        said = asked(tmp_path / "compile", SOURCE)["answer"]
    request = {"source": SOURCE, "cflags": ["-w"], "tree": str(find_headers().tree)}
    image = image_of(msgpack.unpackb(said, strict_map_key=False))
    assert image.programs["passed"].code
    assert image == compiled(request, Interruption())


def test_what_does_not_compile_is_said_in_the_words_of_the_compiler(tmp_path: Path) -> None:
    """The complaint goes to the guest, where it is read."""
    with answered(tmp_path / "compile"):
        answer = asked(tmp_path / "compile", "int passed(void *ctx) { return unheard_of; }")
    assert msgpack.unpackb(answer["answer"])["error"] == "compile"
    assert b"unheard_of" in answer["complaints"]
