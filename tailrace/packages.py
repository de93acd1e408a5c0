"""Whether Tailrace's packages are its own: their names are general, and another distribution may have one too."""

import importlib.util
import os
from typing import Final

#: The packages beside this one.
PACKAGES: Final = ("model", "bpf", "probes", "actors", "enrichers", "sinks", "alerts", "engine", "selftest")
_HOME: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
#: A word that stands in the ``__init__.py`` of each.
_MARK: Final = b"Tailrace"


def complaint() -> str | None:
    """What is wrong, and what to do; None if every package is ours. Imports none of them."""
    for name in PACKAGES:
        file = os.path.join(_HOME, name, "__init__.py")
        spec = importlib.util.find_spec(name)
        found = spec.origin if spec and spec.origin else None
        if found is None:
            return f"the package {name} of Tailrace is missing: install Tailrace again"
        if os.path.realpath(found) != os.path.realpath(file):
            return _hidden(name, found)
        if not _is_ours(file):
            return f"{_owner(found)} overwrote the package {name} of Tailrace in {os.path.dirname(file)}: {_REMEDY}"
    return None


_REMEDY: Final = "install Tailrace in a virtual environment of its own"


def _hidden(name: str, found: str) -> str:
    return f"{_owner(found)} hides the package {name} of Tailrace with {os.path.dirname(found)}: {_REMEDY}"


def _is_ours(file: str) -> bool:
    with open(file, "rb") as text:
        return _MARK in text.read(4096)


def _owner(file: str) -> str:
    """The distribution that a file belongs to; slow, for the error alone."""
    from importlib.metadata import distributions

    for distribution in distributions():
        name = distribution.name
        if name != "tailrace" and any(str(each.locate()) == file for each in distribution.files or ()):
            return f"{name} {distribution.version}"
    return "another package"
