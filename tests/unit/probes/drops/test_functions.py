"""Names of places in the kernel's text, also of modules that come and go."""

from pathlib import Path

from probes.drops.functions import KALLSYMS, MODULES, Functions

_TEXT = "ffffffff81000000 T ip_forward\nffffffff81000400 t nft_do_chain.part.0\nffffffff81000800 D jiffies\n"
_MODULE = "ffffffffc0200000 t sch_netem_enqueue\t[sch_netem]\n"


def test_addresses_have_the_function_that_they_are_in(tmp_path: Path) -> None:
    """Without what compilers put behind a dot; data is no function."""
    (tmp_path / "kallsyms").write_text(_TEXT)
    found = Functions(tmp_path / "kallsyms", tmp_path / "modules")
    assert found.name(0xFFFFFFFF81000010) == "ip_forward"
    assert found.name(0xFFFFFFFF81000800) == "nft_do_chain"
    assert (found.name(0), found.name(0x1000), found.name(0xFFFFFFFFC0200004)) == ("", "", "")


def test_functions_of_modules_that_come_later_have_names(tmp_path: Path) -> None:
    """One that another module's had before is another then; how often a module is used changes nothing."""
    symbols, modules = tmp_path / "kallsyms", tmp_path / "modules"
    symbols.write_text(_TEXT)
    modules.write_text("")
    found = Functions(symbols, modules)
    symbols.write_text(_TEXT + _MODULE)
    modules.write_text("sch_netem 28672 0 - Live 0xffffffffc0200000\n")
    assert found.name(0xFFFFFFFFC0200004) == "sch_netem_enqueue"
    symbols.write_text("")
    modules.write_text("sch_netem 28672 7 - Live 0xffffffffc0200000\n")
    assert found.name(0xFFFFFFFF81000404) == "nft_do_chain"
    symbols.write_text(_MODULE.replace("netem", "codel"))
    modules.write_text("sch_codel 16384 0 - Live 0xffffffffc0200000\n")
    assert found.name(0xFFFFFFFFC0200008) == "sch_codel_enqueue"
    assert found.name(0xFFFFFFFFC0200004) == "sch_codel_enqueue"


def test_the_running_kernel_shows_them() -> None:
    """Those of this machine, as far as it does."""
    lines = [line.split() for line in KALLSYMS.read_text().splitlines()] if KALLSYMS.exists() else []
    begins = {name: int(address, 16) for address, kind, name, *_ in lines if kind in "tT"}
    if begins.get("ip_rcv"):
        assert Functions(KALLSYMS, MODULES).name(begins["ip_rcv"] + 1) == "ip_rcv"
