"""Settings of a plug-in: checked, and described, both from its ``Config``."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from engine.secrets import guard, guarded
from model.errors import UsageError
from model.settings import Secret, hidden, secret_fields, secrets_in

Config = TypeVar("Config", bound=msgspec.Struct)

_PARAM: Final = re.compile(r"^\s*:param (\w+): *")
_BOUNDS: Final = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
_WORDS: Final = {
    msgspec.inspect.StrType: "text",
    msgspec.inspect.BoolType: "true or false",
    msgspec.inspect.NoneType: "null",
    msgspec.inspect.AnyType: "anything",
}


class Setting(msgspec.Struct, frozen=True):
    """One setting, described.

    :param name: dotted if it lies in a section.
    :param type: in words.
    :param secret: whether it is, or may hold, what nobody may see.
    :param default: without what is secret in it; None if it must be given.
    """

    name: str
    type: str
    required: bool
    secret: bool
    default: Any
    meaning: str


def checked(title: str, config: type[Config], settings: Mapping[str, Any], where: str = "$") -> Config:
    """The settings as a struct; what is secret in them is guarded from now on.

    :param title: of the plug-in, for the error.
    :param where: the path of the settings, for the error: ``$.sinks[0].settings``.
    :raises UsageError: if a setting is unknown, missing or of the wrong type, with its path.
    """
    guard(secrets_in(config, settings))
    try:
        made = msgspec.convert(settings, config, strict=False)  # an argument of the command line is text
    except msgspec.ValidationError as error:
        raise UsageError(f"{title}: {_placed(str(error), where)}") from None
    guard(secrets_in(config, {name: getattr(made, name) for name in made.__struct_fields__}))
    return made


def described(config: type[msgspec.Struct], section: str = "") -> Iterator[Setting]:
    """The settings in order, those of sections by dotted names."""
    meanings, hints = param_lines(config.__doc__ or ""), get_type_hints(config, include_extras=True)
    info = msgspec.inspect.type_info(config)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        name, kind, marks = section + field.encode_name, *_unmarked(hints[field.name])
        if isinstance(field.type, msgspec.inspect.StructType):
            yield from described(field.type.cls, f"{name}.")
            continue
        secret = secret_fields(config).get(field.name)
        # msgspec sorts the words of a Literal
        words = " | ".join(map(str, get_args(kind))) if get_origin(kind) is Literal else ""
        meaning = meanings.get(field.name) or next((mark for mark in map(_description, marks) if mark), "")
        yield Setting(
            name=name,
            type=(words or _type_text(field.type)) + (", secret" if secret else ""),
            required=field.required,
            secret=secret is not None,
            default=_default(field, secret),
            meaning=meaning,
        )


def param_lines(docstring: str) -> dict[str, str]:
    """What the ``:param NAME:`` lines of a docstring say, each on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in docstring.splitlines():
        begins = _PARAM.match(line)
        if begins:
            name = begins[1]
            found[name] = line[begins.end() :].strip()
        elif name and line.strip() and not line.strip().startswith(":"):
            found[name] = f"{found[name]} {line.strip()}"
        else:
            name = ""
    return found


def _placed(error: str, where: str) -> str:
    """The message of msgspec with the whole path, and without secrets."""
    if where != "$":
        error = error.replace("`$", f"`{where}") if " - at `$" in error else f"{error} - at `{where}`"
    return guarded(error)


def _default(field: msgspec.inspect.Field, secret: Secret | None) -> Any:
    if field.required:
        return None
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    text = msgspec.json.encode(value).decode()
    return msgspec.json.decode(hidden(text, secret.parts(value)) if secret else text)


def _unmarked(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what it is annotated with."""
    return get_args(hint)[:1][0] if get_origin(hint) is Annotated else hint, get_args(hint)[1:]


def _description(mark: Any) -> str:
    """That of a ``Meta(description=…)``."""
    return (mark.description or "") if isinstance(mark, msgspec.Meta) else ""


def _type_text(kind: msgspec.inspect.Type) -> str:
    """A type in words, with its bounds."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _type_text(kind.type)
    if isinstance(kind, (msgspec.inspect.IntType, msgspec.inspect.FloatType)):
        word = "integer" if isinstance(kind, msgspec.inspect.IntType) else "number"
        if kind.ge is not None and kind.le is not None:
            return f"{word} {kind.ge:,.10g} to {kind.le:,.10g}"
        bounds = [
            f"{sign} {value:,.10g}" for name, sign in _BOUNDS if (value := getattr(kind, name)) is not None
        ]
        return " ".join([word, " and ".join(bounds)]).strip()
    if isinstance(kind, msgspec.inspect.LiteralType):
        return " | ".join(map(str, kind.values))
    if isinstance(kind, msgspec.inspect.UnionType):
        return " or ".join(map(_type_text, kind.types))
    if isinstance(kind, msgspec.inspect.DictType):
        return f"map of {_type_text(kind.key_type)} to {_type_text(kind.value_type)}"
    if isinstance(kind, (msgspec.inspect.ListType, msgspec.inspect.SetType, msgspec.inspect.VarTupleType)):
        return f"list of {_type_text(kind.item_type)}"
    return _WORDS.get(type(kind)) or type(kind).__name__.removesuffix("Type").lower()
