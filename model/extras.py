"""Packages that are not always installed: loaded when they are needed."""

import importlib
from typing import Any

from model.errors import UsageError


def extra(module: str, name: str, need: str) -> Any:
    """The module of an optional extra of Tailrace's own package.

    :param name: of the extra.
    :param need: what is said if it is not there: ``it needs pyarrow``, where the error names the sink.
    :raises UsageError: if it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        remedy = f"pip install 'tailrace[{name}]' into the same environment"
        raise UsageError(need, remedy) from error
