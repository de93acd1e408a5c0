"""BoringSSL in stripped programs: its functions are found where the linker put them, or it is said why not."""

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from probes.kernel.binaries import opened_elf
from probes.kernel.elf import Elf, ElfError
from probes.tls.boringssl import BoringSsl, find_boringssl, has_boringssl
from probes.userspace.code import Code, strings

SOURCE = """
#define ERROR(reason) raise(16, 0, reason, "external/boringssl/src/ssl/ssl_lib.cc", __LINE__)
#define KEPT __attribute__((noinline, noipa, visibility("default")))
volatile int state;
KEPT void raise(int library, int unused, int reason, const char *file, unsigned line) { state += reason + line; }
KEPT int other(int x) { return state + x; }
KEPT int SSL_do_handshake(void *ssl) { if (!ssl) { ERROR(134); return -1; } return other(1); }
KEPT int read_impl(void *ssl) {
  if (!ssl) { ERROR(226); return -1; }
  if (state == 3) { ERROR(215); return -1; }
  return SSL_do_handshake(ssl) + 1;
}
KEPT int SSL_peek(void *ssl, char *to, int size) {
  if (state) { ERROR(66); return -1; }
  int got = read_impl(ssl);
  for (int at = 0; at < size; at++) to[at] = got;
  return got;
}
KEPT int SSL_read(void *ssl, char *to, int size) {
  if (state) { ERROR(66); return -1; }
  int got = read_impl(ssl);
  for (int at = 0; at < size; at++) to[at] = got;
  return got + other(2);
}
KEPT int SSL_write(void *ssl, const char *from, int size) {
  if (state == 1) { ERROR(66); return -1; }
  if (state == 2) { ERROR(226); return -1; }
  if (size < 0) { ERROR(111); return -1; }
  if (SSL_do_handshake(ssl) < 0) { ERROR(215); return -1; }
  return size + from[0];
}
KEPT int quic(void *ssl) { if (state) { ERROR(66); return -1; } return other(4); }
"""


def built(folder: Path, source: str) -> Path:
    """A stripped library of this source; beside it, with its symbols, `whole.so`."""
    gcc = shutil.which("gcc")
    if not gcc:
        pytest.skip("gcc is missing: apt-get install gcc")
    (folder / "ssl.c").write_text(source)
    flags = ["-O2", "-shared", "-fPIC", "-fno-plt", "-fvisibility=hidden", "-Wl,-Bsymbolic", "-o"]
    subprocess.run([gcc, *flags, "whole.so", "ssl.c"], cwd=folder, check=True)
    subprocess.run(["strip", "-o", "stripped.so", "whole.so"], cwd=folder, check=True)
    return folder / "stripped.so"


def test_each_function_is_where_the_linker_put_it(tmp_path: Path) -> None:
    """Told apart from others that raise the same errors."""
    stripped = built(tmp_path, SOURCE)
    with opened_elf(tmp_path / "whole.so") as elf:
        truth = elf.addresses(["SSL_read", "SSL_write", "SSL_do_handshake"])
    with opened_elf(stripped) as elf:
        assert has_boringssl(elf)
        found = find_boringssl(elf)
    assert found == BoringSsl(truth["SSL_read"], truth["SSL_write"], (truth["SSL_do_handshake"],))


@pytest.mark.parametrize(
    ("name", "instead", "reason"),
    [
        ("return got + other(2)", "return got", "no candidates for SSL_read"),
        ("ERROR(111)", "ERROR(112)", "no candidates for SSL_write"),
        ("ERROR(134)", "ERROR(135)", "no candidate for SSL_do_handshake"),
        ("state == 3", "state == 3 && 0", "no candidates for what SSL_read calls"),
    ],
)
def test_what_is_not_sure_is_refused(tmp_path: Path, name: str, instead: str, reason: str) -> None:
    """With its reason; nothing is guessed."""
    with (
        opened_elf(built(tmp_path, SOURCE.replace(name, instead))) as elf,
        pytest.raises(ElfError, match=reason),
    ):
        find_boringssl(elf)


def test_boringssl_is_found_in_a_program_that_people_use() -> None:
    """The one in gRPC for Python, which has no symbols: SSL_write calls SSL_do_handshake, SSL_read does not."""
    with opened_elf(_grpc()) as elf:
        found, code = find_boringssl(elf), Code(elf)
        assert set(code.calls(found.write)) & set(found.handshakes)
        assert not set(code.calls(found.read)) & set(found.handshakes)
        assert {found.read, found.write, *found.handshakes} <= set(code.begins.tolist())


def test_a_program_without_it_has_none() -> None:
    """Also one with another TLS library."""
    with opened_elf(Path("/proc/self/exe")) as elf:
        assert not has_boringssl(elf)


def test_references_are_those_the_disassembler_shows() -> None:
    """All of the program's, to the strings that name one source file."""
    path = _grpc()
    with opened_elf(path) as elf:
        places = strings(elf, b"ssl/ssl_lib.cc")
        found = sorted(at for ats in Code(elf).references(places).values() for at in ats)
        begin, end = found[0] - 64, found[-1] + 64
    command = ["objdump", "-d", f"--start-address={begin}", f"--stop-address={end}", str(path)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wanted = {f"# {place:x} " for place in places}
    lines = [line for line in text.splitlines() if "lea " in line and any(w in line for w in wanted)]
    assert found == [int(line.split(":")[0], 16) for line in lines]


def test_other_processors_are_said() -> None:
    """In words, also where the file is damaged."""
    with opened_elf(Path("/proc/self/exe")) as elf:
        head = bytearray(elf.code_at(elf.loaded(code=False)[0].address, 4096))
    head[18:20] = (183).to_bytes(2, "little")
    with pytest.raises(ElfError, match=r"another processor|damaged"):
        Code(Elf(bytes(head)))


def _grpc() -> Path:
    return next(Path(grpc.__file__).parent.glob("_cython/cygrpc*.so"))
