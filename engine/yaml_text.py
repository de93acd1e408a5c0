"""YAML as configurations are written in: plain values, and no key twice."""

from typing import Any, Final

import yaml

#: Values nested deeper than this are no configuration.
_DEEPEST: Final = 64

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"
_Base: Final[type[yaml.SafeLoader]] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[valid-type, misc] # mypy wants to know which of both it is
    """Times stay as they are written: what they mean is said where they are used."""

    yaml_implicit_resolvers: Final = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _Base.yaml_implicit_resolvers.items()
    }


class BadYaml(ValueError):
    """Text that is no YAML, or has a key twice; the message says where."""


def read_yaml(text: bytes) -> Any:
    """The values in ``text``; only plain ones: no tags, no objects of Python.

    :raises BadYaml: if it is no YAML, a key is given twice, or values hold themselves.
    """
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, "", ())
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise BadYaml(f"{error.problem or error.context}{where}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadYaml(" ".join(str(error).split())) from error


def _check(node: yaml.Node, path: str, above: tuple[int, ...]) -> None:
    """Look for keys given twice; YAML itself takes the last one, in silence."""
    if id(node) in above or len(above) > _DEEPEST:
        raise BadYaml(f"{path or 'the document'} holds itself, or nests too deep")
    above = (*above, id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _check(value, f"{path}[{index}]", above)
    if not isinstance(node, yaml.MappingNode):
        return
    lines: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        here = f"{path}.{name}" if path else name
        if name in lines:
            raise BadYaml(f"`{here}` is given twice, in lines {lines[name]} and {line}")
        lines[name] = line
        _check(value, here, above)
