"""Names of cipher suites."""

import re
import subprocess

from actors.node.cipher_suites import cipher_name


def test_names_are_those_of_openssl() -> None:
    """OpenSSL prints the registry's names of all that it knows; rare ones have none here, and no other's."""
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    suites = re.findall(r"0x(..),0x(..) - (\S+)", listed)
    assert len(suites) > 100
    named = 0
    for high, low, name in suites:
        number = int(high + low, 16)
        assert cipher_name(number) in (name, f"0x{number:04X}")
        named += cipher_name(number) == name
    assert named > 50


def test_a_number_without_a_name_is_shown() -> None:
    """In the form in which hellos are dumped."""
    assert cipher_name(0xABC) == "0x0ABC"
