"""``tailrace inspect``: what it says of real processes."""

import json
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from engine.cli import run_command
from tests.unit.probes.tls.test_boringssl import SOURCE, built
from tests.unit.probes.userspace.test_follower import library, running

__all__ = ["library"]


def inspected(pid: int, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, object]]]:
    """The exit code, and what it says of the process's libraries."""
    code = run_command(["inspect", str(pid), "-o", "json"])
    said = json.loads(capsys.readouterr().out)
    assert said["pid"] == pid
    return code, said["libraries"]


def test_openssl_is_said_with_its_probes(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file, how it was found, and functions with their places."""
    with running(library) as pid:
        code, found = inspected(pid, capsys)
        (one,) = [row for row in found if row["file"] == str(library)]
        assert run_command(["inspect", str(pid)]) == code
    assert (one["library"], one["how"], one["reason"]) == ("OpenSSL", "by its symbols", "")
    assert len(str(one["build_id"])) == 40
    text = capsys.readouterr().out
    assert f"OpenSSL  {library}" in text
    assert "probe     what SSL_read calls at 0x" in text


def test_boringssl_of_a_stripped_program_is_said(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one of gRPC."""
    (grpcs,) = Path(grpc.__file__).parent.glob("_cython/cygrpc*.so")
    program = "import grpc, sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        _, found = inspected(process.pid, capsys)
        process.kill()
    (one,) = [row for row in found if row["file"] == str(grpcs)]
    assert one["library"] == "BoringSSL"
    assert one["reason"] == ""


def test_it_is_said_why_a_library_is_not_seen(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1: one whose functions are not sure."""
    folder = library.parent / "unsure"
    folder.mkdir()
    source = SOURCE.replace("SSL_", "ssl_").replace("ERROR(134)", "ERROR(135)")
    unsure = built(folder, "const char padding[2000000] = {1};\n" + source).rename(
        library.with_name("unsure.so")
    )
    with running(unsure) as pid:
        code, found = inspected(pid, capsys)
    (one,) = [row for row in found if row["file"] == str(unsure)]
    assert (code, one["probes"]) == (1, [])
    assert one["reason"] == "BoringSSL: no candidate for SSL_do_handshake"


def test_who_is_not_there_is_an_error_of_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    assert run_command(["inspect", "4999999"]) == 2
    assert "there is no process 4999999" in capsys.readouterr().err
