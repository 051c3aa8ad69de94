"""The shell completions of both programs: that of `audiobatchctl` asks it, that of `audiobatchd` is made by shtab.

`audiobatchctl completion` prints them, and the wheel carries them as files: packaging/documents.py.
"""

from __future__ import annotations

import argparse
from importlib import import_module

from audiobatchd.cli.completion.candidates import DIRECTORIES, FILES

SHELLS = ("bash", "zsh", "fish")
"""The shells that there are completions for."""

PROGRAMS = {"audiobatchctl": "audiobatchd.cli.control", "audiobatchd": "audiobatchd.cli.daemon"}
"""The programs, each with the module that has its parser: by name, since a client that loads this knows no service."""


def script(shell: str, program: str = "audiobatchctl") -> str:
    """Return the completion of a program for one of SHELLS, which that shell evaluates or has in a file."""
    if program in _ASKING:
        return _ASKING[program][shell]
    import shtab  # noqa: PLC0415  # the other program's completion does without

    made = parser_of(program)
    _add_completers(made)
    return f"{shtab.complete(made, shell=shell).rstrip()}\n"


# What is handed over to them: see `commands.complete`.
_BASH = """# bash completion for audiobatchctl
_audiobatchctl() {
    local program=${1/#\\~/$HOME} line=${COMP_LINE:0:COMP_POINT} current=${COMP_WORDS[COMP_CWORD]}
    local -a told
    COMPREPLY=()
    mapfile -t told < <("$program" complete --line "$line" "$current" 2>/dev/null)
    ((${#told[@]})) || return 0
    COMPREPLY=("${told[@]:1}")
    COMPREPLY=("${COMPREPLY[@]%%$'\\t'*}")
    case ${told[0]} in
        files) compopt -o filenames -o default 2>/dev/null ;;
        directories) compopt -o filenames -o dirnames 2>/dev/null ;;
    esac
    case ${COMPREPLY[*]:(-1)} in */ | *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _audiobatchctl audiobatchctl
"""
_ZSH = """#compdef audiobatchctl
# zsh completion for audiobatchctl
_audiobatchctl() {
    local -a told whole whole_shown open open_shown
    local place line value
    told=("${(@f)$("${words[1]/#\\~/$HOME}" complete --words "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    place=$told[1]
    shift told
    for line in "${(@)told}"; do
        value=${line%%$'\\t'*}
        [[ $line == *$'\\t'* ]] && line="$value  -- ${line#*$'\\t'}"
        if [[ $value == */ ]]; then
            open+=("$value") open_shown+=("$line")
        elif [[ -n $value ]]; then
            whole+=("$value") whole_shown+=("$line")
        fi
    done
    (($#open)) && compadd -S '' -l -d open_shown -a open
    (($#whole)) && compadd -l -d whole_shown -a whole
    case $place in
        files) _files ;;
        directories) _files -/ ;;
    esac
    (($#open + $#whole)) || [[ $place != nothing ]]
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _audiobatchctl "$@"
else
    compdef _audiobatchctl audiobatchctl
fi
"""
_FISH = """# fish completion for audiobatchctl
function __audiobatchctl_complete
    set -l words (commandline -opc)
    set -l program (string replace -r '^~' $HOME $words[1])
    set -e words[1]
    set -l current (commandline -ct)
    set -l told ($program complete --raw $words "$current" 2>/dev/null)
    switch "$told[1]"
        case files
            __fish_complete_path "$current"
        case directories
            __fish_complete_directories "$current" ''
    end
    set -e told[1]
    string join \\n $told
end
complete -c audiobatchctl -f -a '(__audiobatchctl_complete)'
"""
_ASKING = {"audiobatchctl": {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}}
"""The completions that ask the program, by program and shell."""


def parser_of(program: str) -> argparse.ArgumentParser:
    """Make the parser that a program goes by."""
    made: argparse.ArgumentParser = import_module(PROGRAMS[program])._parser()  # noqa: SLF001  # no other has it
    return made


def _add_completers(parser: argparse.ArgumentParser) -> None:
    """Have every argument that takes a file or a directory say so."""
    import shtab  # noqa: PLC0415  # as above

    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  # as above
            for command in action.choices.values():
                _add_completers(command)
        elif action.dest in FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # an attribute of shtab's own
        elif action.dest in DIRECTORIES:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]  # likewise
