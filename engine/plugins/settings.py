"""Settings of a plug-in: checked, and described, both from its ``Config``."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from engine.secrets import guard, guarded
from model.errors import UsageError
from model.settings import secret_fields, secrets_in

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
    :param default: as JSON; None if it must be given, or if nobody may see it.
    """

    name: str
    type: str
    required: bool
    secret: bool
    default: str | None
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
    meanings, marks = param_lines(config.__doc__ or ""), secret_fields(config)
    info = msgspec.inspect.type_info(config)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        name, hidden = section + field.encode_name, field.name in marks
        if isinstance(field.type, msgspec.inspect.StructType):
            yield from described(field.type.cls, f"{name}.")
            continue
        default = None if field.required or hidden else _default(field)
        meaning = meanings.get(field.name) or _description(config, field.name)
        yield Setting(name, _type_text(field.type), field.required, hidden, default, meaning)


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


def _default(field: msgspec.inspect.Field) -> str:
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return msgspec.json.encode(value).decode()


def _description(config: type[msgspec.Struct], name: str) -> str:
    """That of an ``Annotated[…, Meta(description=…)]``."""
    hint = get_type_hints(config, include_extras=True)[name]
    marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((m.description for m in marks if isinstance(m, msgspec.Meta) and m.description), "")


def _type_text(kind: msgspec.inspect.Type) -> str:
    """A type in words, with its bounds."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return _type_text(kind.type)
    if isinstance(kind, (msgspec.inspect.IntType, msgspec.inspect.FloatType)):
        word = "integer" if isinstance(kind, msgspec.inspect.IntType) else "number"
        bounds = [f"{sign} {value:,}" for name, sign in _BOUNDS if (value := getattr(kind, name)) is not None]
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
