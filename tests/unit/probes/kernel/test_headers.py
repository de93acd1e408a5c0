"""Header trees for bcc: what is in them, and how they are kept."""

import os
import threading
from pathlib import Path

import pytest

from model.errors import ProbeError
from probes.kernel import headers

TYPES = "enum cgroup_subsys_id {\n\tcpu_cgrp_id = 1,\n\tmemory_cgrp_id = 4,\n};\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, a kernel with BTF, and a dump that takes no bpftool."""
    monkeypatch.setattr(headers, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(headers, "BTF", Path(__file__))
    monkeypatch.setattr(headers, "_dump_btf", lambda: TYPES)
    return tmp_path


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.1.0-18-amd64", (6, 1, 0)),
        ("5.15.153.1-microsoft-standard-WSL2", (5, 15, 153)),
        ("6.18-rc1", (6, 18, 0)),
        ("5.10.0+", (5, 10, 0)),
        ("6.8.12_4.pve", (6, 8, 12)),
    ],
)
def test_releases_of_distributions_are_understood(release: str, numbers: tuple[int, int, int]) -> None:
    """The leading numbers count, whatever a distribution appends."""
    assert headers.version_numbers(release) == numbers


def test_a_release_without_numbers_is_refused() -> None:
    """Text that is no kernel release is an error that quotes it."""
    with pytest.raises(ValueError, match="'linux'"):
        headers.version_numbers("linux")


def test_the_tree_holds_what_bcc_includes(tmp_path: Path) -> None:
    """Types once, the kernel's version, the best cgroup controller, and an empty file for the rest."""
    headers.write_tree(tmp_path, TYPES, "6.1.76-1-amd64")
    include = tmp_path / "include"
    assert (include / "vmlinux.h").read_text() == TYPES
    assert "KERNEL_VERSION(6, 1, 76)\n" in (include / "linux/version.h").read_text()
    assert "#define V1_CONTROLLER memory_cgrp_id\n" in (include / "linux/kconfig.h").read_text()
    assert f"#define PAGE_SIZE {os.sysconf('SC_PAGE_SIZE')}\n" in (include / "asm/page.h").read_text()
    assert (include / "uapi/linux/ptrace.h").read_text() == "#pragma once\n"


def test_a_kernel_without_controllers_has_none(tmp_path: Path) -> None:
    """Where the kernel has no cgroup v1 controller of ours, none is named."""
    headers.write_tree(tmp_path, "struct sock;\n", "6.1.76")
    assert "V1_CONTROLLER" not in (tmp_path / "include/linux/kconfig.h").read_text()


def test_a_tree_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start takes the tree of the first and dumps nothing."""
    first = headers.find_headers()
    monkeypatch.setattr(headers, "_dump_btf", lambda: pytest.fail("dumped again"))
    assert headers.find_headers() == first == headers.Headers("btf", headers.tree_path())
    assert list((cache / "headers").iterdir()) == [first.tree]


def test_another_build_has_another_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds of one release are told apart by the kernel's build notes."""
    notes = tmp_path / "notes"
    monkeypatch.setattr(headers, "BUILD_NOTES", notes)
    keys = []
    for text in (b"one", b"two", b"one"):
        notes.write_bytes(text)
        keys.append(headers.build_key())
    assert keys[0] == keys[2] != keys[1]
    assert all(key.startswith(os.uname().release) for key in keys)


def test_makers_at_the_same_time_share_one_tree(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that make the tree at once one wins; its tree is never replaced, and no scraps stay."""
    both = threading.Barrier(2)
    inodes: list[int] = []

    def dump() -> str:
        both.wait(10)
        return TYPES

    def make() -> None:
        tree = headers.find_headers().tree
        assert tree
        inodes.append(tree.stat().st_ino)

    monkeypatch.setattr(headers, "_dump_btf", dump)
    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(inodes) == 2
    assert inodes[0] == inodes[1]
    assert [path.name for path in (cache / "headers").iterdir()] == [headers.build_key()]


def test_a_broken_tree_is_made_anew(cache: Path) -> None:
    """A folder without its last file is no tree."""
    (cache / "headers" / headers.build_key() / "include").mkdir(parents=True)
    tree = headers.find_headers().tree
    assert tree
    assert (tree / "include/vmlinux.h").read_text() == TYPES


@pytest.mark.parametrize("name", ["include/vmlinux.h", "include/linux/version.h", "sizes"])
@pytest.mark.parametrize("kept", [0, 10])
def test_a_file_that_the_power_took_is_made_anew(cache: Path, name: str, kept: int) -> None:
    """Empty or cut short, as file systems leave what was written last."""
    tree = headers.find_headers().tree
    assert tree
    whole = (tree / name).read_bytes()
    (tree / name).write_bytes(whole[:kept])
    assert not headers.is_complete(tree)
    assert headers.find_headers().tree == tree
    assert (tree / name).read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    """The error names the folder and the reason."""
    (cache / "headers").write_text("a file where the folder should be")
    with pytest.raises(ProbeError, match=rf"{cache}/headers \(File exists\): give it a writable folder"):
        headers.find_headers()


def test_without_btf_installed_headers_are_taken(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """bcc finds installed headers by itself; without either the error says what to install."""
    monkeypatch.setattr(headers, "BTF", cache / "none")
    monkeypatch.setattr(headers, "installed_headers", lambda: cache)
    assert headers.find_headers() == headers.Headers("installed", None)
    monkeypatch.setattr(headers, "installed_headers", lambda: cache / "none")
    with pytest.raises(ProbeError, match=f"apt-get install linux-headers-{os.uname().release}"):
        headers.find_headers()


def test_a_missing_bpftool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to install it."""
    monkeypatch.setattr(headers, "cache_root", lambda: tmp_path)
    monkeypatch.setattr(headers, "BTF", Path(__file__))
    monkeypatch.setattr(headers, "find_bpftool", lambda: None)
    with pytest.raises(ProbeError, match="bpftool is missing: apt-get install bpftool"):
        headers.find_headers()


def test_the_cache_is_kept_where_this_user_may_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$CACHE_DIRECTORY, then /var/cache/tailrace, then the user's own; a variable that is no absolute path counts as
    none."""
    writable: set[Path] = set()
    monkeypatch.setattr(headers, "_writable", lambda folder: folder in writable)
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    assert headers.cache_root() == Path("/var/cache/tailrace")
    writable.add(Path("/home/somebody/.cache/tailrace"))
    assert headers.cache_root() == Path("/home/somebody/.cache/tailrace")
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    writable.add(Path("cache/tailrace"))
    assert headers.cache_root() == Path("/home/somebody/.cache/tailrace")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    writable.add(Path("/cache/tailrace"))
    assert headers.cache_root() == Path("/cache/tailrace")
    writable.add(Path("/var/cache/tailrace"))
    assert headers.cache_root() == Path("/var/cache/tailrace")
    monkeypatch.setenv("CACHE_DIRECTORY", f"{tmp_path}:/other")
    assert headers.cache_root() == tmp_path


def test_helpers_that_a_kernel_lacks_are_numbered(tmp_path: Path) -> None:
    """bcc's headers name them all: those of the kernel's own enum stay, the rest has the ABI's numbers."""
    types = "enum bpf_func_id {\n\tBPF_FUNC_user_ringbuf_drain = 209,\n};\n"
    headers.write_tree(tmp_path, types, "6.1.76")
    defined = (tmp_path / "include/linux/kconfig.h").read_text()
    assert "#define BPF_FUNC_cgrp_storage_delete 211\n" in defined
    assert "#define BPF_FUNC_task_storage_get 156\n" in defined
    assert "BPF_FUNC_user_ringbuf_drain" not in defined


def test_types_of_conntrack_come_from_its_module_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel lacks them, a second tree is made once the module is there."""
    plain = headers.find_headers()
    module = cache / "nf_conntrack"
    module.touch()
    monkeypatch.setattr(headers, "CONNTRACK_BTF", module)
    whole = TYPES + "\nstruct tcp_sock {\n};\n\nstruct nf_conn {\n\tstruct nf_conntrack_zone zone;\n};\n"
    monkeypatch.setattr(headers, "_dump_btf", lambda module=None: whole)
    full = headers.find_headers()
    assert [headers.knows_conntrack(found) for found in (plain, full)] == [False, True]
    assert full.tree
    assert plain.tree
    assert full.tree.name == f"{plain.tree.name}-conntrack"
    assert "#define CONFIG_NF_CONNTRACK_ZONES 1\n" in (full.tree / "include/linux/kconfig.h").read_text()
    module.unlink()
    assert headers.find_headers() == plain
