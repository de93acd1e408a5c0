"""Completion of shells: ``python -m engine.command_line.completion bash|zsh|fish``."""

import sys
from collections.abc import Callable, Iterator
from typing import Final

from engine.cli import build_parser
from engine.command_line import filter_values
from engine.command_line.options import Command, Option, commands_of
from engine.plugins.sinks import sink_names
from model.kinds import kinds

#: Values that the parser leaves to others, by option, or by what an argument is called.
_NAMED: Final[dict[str, Callable[[], list[str]]]] = {
    "--sink": sink_names,
    "--stage": lambda: [kind.plural for kind in kinds() if kind.columns],
    "--rows": lambda: [kind.plural for kind in kinds() if kind.public],
}
#: What an argument is called whose values are words of a filter.
_FILTER: Final = "FILTER"


def bash() -> str:
    """For bash-completion, which loads it when ``tailrace`` is completed for the first time."""
    commands = commands_of(build_parser())
    names = " ".join(command.name for command in commands)
    options = "\n".join(f'        {each.name}) words="{" ".join(_words(each))}" ;;' for each in commands)
    values = "\n".join(f"        {case}) {action}; return ;;" for case, action in _bash_values(commands))
    filtered = "|".join(each.name for each in commands if _takes_filter(each))
    return f"""# Completion of tailrace for bash.
{filter_values.bash()}
# A word that is typed without quotes ends at a colon for bash; of one in quotes all is replaced.
_tailrace_words() {{
    local typed=${{COMP_LINE:0:COMP_POINT}} current=${{COMP_WORDS[COMP_CWORD]}} found=() kept= i
    local last=${{typed##*[[:space:]\\'\\"]}}
    _tailrace_filter "$last"
    if [[ $current == [\\'\\"]* ]]; then
        kept=${{current:1}} kept=${{kept%"$last"}}
        for i in "${{!found[@]}}"; do found[i]=$kept${{found[i]}}; done
    elif [[ $last == *:* && $COMP_WORDBREAKS == *:* ]]; then
        for i in "${{!found[@]}}"; do found[i]=${{found[i]#"${{last%:*}}:"}}; done
    fi
    COMPREPLY+=("${{found[@]}}")
    [[ ${{found[0]-}} == *: ]] && compopt -o nospace 2>/dev/null
    return 0
}}
_tailrace() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words="--help --version {names}"
    COMPREPLY=()
    case "${{COMP_WORDS[1]}} $before" in
{values}
    esac
    [ "$COMP_CWORD" -gt 1 ] && words="" && case ${{COMP_WORDS[1]}} in
{options}
    esac
    [[ $current != : ]] && COMPREPLY=($(compgen -W "$words" -- "$current"))
    case ${{COMP_WORDS[1]}} in
        {filtered}) [ "$COMP_CWORD" -gt 1 ] && [[ $current != - && $current != --* ]] && _tailrace_words ;;
    esac
    return 0
}}
complete -o default -F _tailrace tailrace
"""


def zsh() -> str:
    """For a folder of ``$fpath``."""
    commands = commands_of(build_parser())
    described = "\n".join(f"    {_quoted(f'{each.name}:{each.text}')}" for each in commands)
    cases = "\n".join(
        f"  {each.name}) _arguments {' '.join(map(_zsh_spec, each.options))} ;;" for each in commands
    )
    return f"""#compdef tailrace
# Completion of tailrace for zsh.
{filter_values.zsh()}
local -a commands=(
{described}
)
if (( CURRENT == 2 )); then
  _describe command commands
  return
fi
local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
{cases}
esac
"""


def fish() -> str:
    """For a folder of ``$fish_complete_path``."""
    lines = ["# Completion of tailrace for fish.", filter_values.fish(), "complete -c tailrace -f"]
    for command in commands_of(build_parser()):
        lines.append(
            f"complete -c tailrace -n __fish_use_subcommand -a {command.name} -d {_quoted(command.text)}"
        )
        lines += [_fish_line(command, option) for option in command.options]
    return "\n".join([*lines, ""])


def _words(command: Command) -> list[str]:
    """What may stand behind a command: its options, and the beginnings of what has no dashes."""
    options = [name for option in command.options for name in option.names]
    return options + [value for option in command.options if not option.names for value in _values(option)]


def _takes_filter(command: Command) -> bool:
    return any(option.value == _FILTER for option in command.options if not option.names)


def _values(option: Option) -> tuple[str, ...]:
    named = next((_NAMED[name] for name in (*option.names, option.value) if name in _NAMED), None)
    return tuple(named()) if named else option.choices


def _bash_values(commands: list[Command]) -> Iterator[tuple[str, str]]:
    """What follows an option that takes a value."""
    for command in commands:
        for option in command.options:
            if not option.names or not option.value:
                continue
            case = "|".join(f'"{command.name} {name}"' for name in option.names)
            values = _values(option)
            words = f'COMPREPLY=($(compgen -W "{" ".join(values)}" -- "$current"))'
            yield case, 'COMPREPLY=($(compgen -f -- "$current"))' if option.takes_file else words


def _zsh_spec(option: Option) -> str:
    values = " ".join(_values(option)).replace(":", r"\:")
    value = "_files" if option.takes_file else f"({values})"
    if option.value == _FILTER:
        value = "_tailrace_filter"
    what = f":{_plain(option.value)}:{value}" if option.value else ""
    if not option.names:
        return _quoted(f"*{what}")
    names = "{" + ",".join(option.names) + "}" if len(option.names) > 1 else option.names[0]
    return f"{names}{_quoted(f'[{_plain(option.text)}]{what}')}"


def _fish_line(command: Command, option: Option) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    needed = " -x" if option.names else ""
    listed = "(__tailrace_filter)" if option.value == _FILTER else " ".join(_values(option))
    values = f"{needed} -a {_quoted(listed)}" if option.value and not option.takes_file else ""
    files = " -r -F" if option.takes_file else ""
    condition = _quoted(f"__fish_seen_subcommand_from {command.name}")
    return f"complete -c tailrace -n {condition} {names}{values}{files} -d {_quoted(option.text)}"


def _plain(text: str) -> str:
    """Without what means something in a specification of zsh."""
    return text.translate(str.maketrans(":[]", ",()"))


def _quoted(text: str) -> str:
    """For a shell, in single quotes; an apostrophe is written as typographers do."""
    return "'" + text.replace("'", "’") + "'"


SHELLS: Final[dict[str, Callable[[], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}

if __name__ == "__main__":
    print(SHELLS[sys.argv[1]](), end="")
