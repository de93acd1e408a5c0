"""What may follow the keys of a filter: words that columns have, what runs here, what a Tailrace here has seen."""

import errno
from collections.abc import Iterator
from typing import Final

from model.column import Column
from model.filter.names import NAMES, SINCE, UNTIL
from model.kind import Kind
from model.kinds import kinds
from model.rows.words import words_of

#: What begins a word before its key: it excludes, or is of one end.
SIGNS: Final = ("-", "!")
SIDES: Final = ("client.", "server.")

#: Keys whose values a shell looks up on this machine while it completes: what runs now.
LIVE: Final = ("process", "user", "unit")

#: Keys whose values a Tailrace that runs here is asked for: names of the last hour.
SEEN: Final = ("ns", "pod", "workload", "zone", "version", "container", "image", "node")

#: Prints the values of key $1 that begin with $2. The shell itself is the client, as a program takes too long to
#: start; what does not come within half a second, or needs a password, is not offered. No single quote stands in it:
#: zsh and fish give it to a bash.
_ASK: Final = r"""
_tailrace_seen() {
    local listen=${TAILRACE_WEB_LISTEN:-127.0.0.1:8686} prefix=$2 line status= body= tailrace
    local host=${listen%:*} form="GET %s HTTP/1.0\r\nHost: %s\r\nAccept: text/csv\r\n\r\n"
    [[ $prefix == *[^[:alnum:]._/-]* ]] && prefix=
    exec {tailrace}<>"/dev/tcp/${host//[][]/}/${listen##*:}" || return
    printf "$form" "/api/v1/attributes?key=$1&prefix=$prefix&limit=500&window=1h" "$listen" >&"$tailrace"
    while IFS= read -r -t 0.5 line <&"$tailrace"; do
        line=${line%[[:cntrl:]]}
        [[ ${status:=$line} == *" 200 "* ]] || break
        [[ -z $line ]] && body=begins && continue
        [[ $body == names && ${line%%,*} != *[^[:alnum:]._/@-]* ]] && printf "%s\n" "${line%%,*}"
        [[ -n $body ]] && body=names
    done
    exec {tailrace}>&-
} 2>/dev/null
""".strip()

#: Durations that people ask for.
_AGO: Final = ("1m", "5m", "10m", "1h")


def keys() -> list[str]:
    """Short names, and the times."""
    return [*NAMES, SINCE, UNTIL]


def known_values() -> dict[str, tuple[str, ...]]:
    """Key -> its words, of keys that have no others."""
    found = {key: tuple(dict.fromkeys(_words(name.columns))) for key, name in NAMES.items()}
    return {key: words for key, words in found.items() if words} | {SINCE: _AGO, UNTIL: _AGO}


def _words(ends: tuple[str, ...]) -> Iterator[str]:
    """Of all columns whose names have these ends."""
    for end in ends:
        for column in (column for kind in kinds() for column in _meant(kind, end)):
            if column.name.endswith("errno"):
                yield from sorted(errno.errorcode.values())
            elif column.codes:
                yield from words_of(column.codes).values()


def _meant(kind: Kind, end: str) -> list[Column]:
    """The column of that name, else all whose names end so."""
    exact = [column for column in kind.columns if column.name == end]
    return exact or [column for column in kind.columns if column.name.endswith(f".{end}")]


def bash() -> str:
    """A function that sets ``found`` to what may stand in the place of ``$1``, a word of a filter."""
    cases = "\n".join(f"        {key}) words={_listed(words)} ;;" for key, words in known_values().items())
    return f"""# The values of a filter's key that a Tailrace here has seen in the last hour.
{_ASK}
# What may stand in the place of a filter's last word.
_tailrace_filter() {{
    local word=$1 before= key words= i
    case $word in [-!]?*) before=${{word:0:1}} word=${{word:1}} ;; esac
    case $word in client.*|server.*) before+=${{word%%.*}}. word=${{word#*.}} ;; esac
    if [[ $word != *:* ]]; then
        found=($(compgen -P "$before" -S : -W "{" ".join(keys())}" -- "$word"))
        return
    fi
    key=${{word%%:*}} before+=${{word%%:*}}:
    word=${{word#*:}}
    [[ $word == *,* ]] && before+=${{word%,*}}, word=${{word##*,}}
    case $key in
{cases}
        user) words=$(compgen -u) ;;
        process) words=$(cat /proc/[0-9]*/comm 2>/dev/null | grep -v '[^[:alnum:]._-]') ;;
        unit) words=$(cd /sys/fs/cgroup && for i in "" systemd/; do
            compgen -G "${{i}}system.slice/*.service"; done | sed 's|.*/||') ;;
        {"|".join(SEEN)}) words=$(_tailrace_seen "$key" "$word") ;;
    esac
    found=($(compgen -P "$before" -W "$words" -- "$word" | sort -u))
}}
"""


def zsh() -> str:
    """A function that completes one word of a filter."""
    cases = "\n".join(
        f"    {key}) compadd -S '' -- {' '.join(words)} ;;" for key, words in known_values().items()
    )
    return f"""_tailrace_filter() {{
  compset -P '[-!]'
  compset -P '(client|server).'
  if ! compset -P 1 '*:'; then
    compadd -S ':' -- {" ".join(keys())}
    return
  fi
  local key=${{${{${{IPREFIX%:}}#[-!]}}#(client|server).}}
  compset -P '*,'
  case $key in
{cases}
    user) _users ;;
    process) compadd -S '' -- ${{(uf)"$(cat /proc/[0-9]*/comm 2>/dev/null | grep -v '[^[:alnum:]._-]')"}} ;;
    unit) compadd -S '' -- /sys/fs/cgroup/(systemd/|)system.slice/*.service(N:t) ;;
    {"|".join(SEEN)}) compadd -S '' -- ${{(f)"$(bash -c '{_ASK}
_tailrace_seen "$@"' bash "$key" "$PREFIX")"}} ;;
  esac
}}
"""


def fish() -> str:
    """A function that prints what may stand in the place of a filter's word."""
    cases = "\n".join(
        f"        case {key}\n            printf '%s\\n' {' '.join(words)}"
        for key, words in known_values().items()
    )
    return f"""function __tailrace_filter_values
    switch $argv[1]
{cases}
        case user
            __fish_complete_users | string replace -r '\\t.*' ''
        case process
            cat /proc/[0-9]*/comm 2>/dev/null | string match -r '^[\\w.-]+$' | sort -u
        case unit
            path basename /sys/fs/cgroup/{{,systemd/}}system.slice/*.service
        case {" ".join(SEEN)}
            bash -c '{_ASK}
_tailrace_seen "$@"' bash $argv
    end
end
function __tailrace_filter
    set -l word (commandline -ct | string match -gr '([^\\s"\\']*)$')
    set -l before (string match -r '^[-!]?(?:client\\.|server\\.)?' -- $word)
    set -l rest (string sub -s (math 1 + (string length -- "$before")) -- $word)
    if not string match -q '*:*' -- $rest
        printf "$before%s:\\n" {" ".join(keys())}
        return
    end
    set -l key (string split -m1 : -- $rest)[1]
    set -l lead (string match -r '^[^:]*:(?:.*,)?' -- $rest)
    set -l begun (string sub -s (math 1 + (string length -- "$lead")) -- $rest)
    for value in (__tailrace_filter_values $key "$begun")
        echo $before$lead$value
    end
end
"""


def _listed(words: tuple[str, ...]) -> str:
    return f'"{" ".join(words)}"'
