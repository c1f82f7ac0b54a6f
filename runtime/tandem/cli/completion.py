"""`tandem completion bash|zsh`: a script for the shell, made of the commands and options that there are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .._paths import Paths

# What services call themselves; nobody types it.
_UNSEEN = {"proxy-worker", "accelerated-exchange", "keepalive-ended"}


def add(commands: Any, parser: Callable[[], argparse.ArgumentParser]) -> None:
    """``parser`` gives the whole command line, once it is complete."""
    command = commands.add_parser("completion", help="a script that completes commands and options: source <(tandem completion bash)")
    command.add_argument("shell", choices=("bash", "zsh"))

    def run(_paths: Paths, given: argparse.Namespace) -> int:
        words = commands_and_options(parser())
        print((_bash if given.shell == "bash" else _zsh)(words), end="")
        return 0

    command.set_defaults(run=run)


def commands_and_options(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """The words that may follow each command: its options, and those of an argument with choices."""
    (choices,) = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: _words(command) for name, command in choices.items() if name not in _UNSEEN}


def _words(command: argparse.ArgumentParser) -> list[str]:
    found: list[str] = []
    for action in command._actions:
        found += action.option_strings
        if action.choices and not action.option_strings:
            found += [str(choice) for choice in action.choices]
    return found


def _bash(words: dict[str, list[str]]) -> str:
    cases = "\n".join(f'        {name}) words="{" ".join(options)}" ;;' for name, options in words.items())
    return f"""\
# Completion of tandem for bash: source <(tandem completion bash)
_tandem() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" command="" skip="" each words
    COMPREPLY=()
    for each in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        if [ -n "$skip" ]; then skip=""; continue; fi
        case "$each" in
            --prefix) skip=1 ;;
            -*) ;;
            *) command="$each"; break ;;
        esac
    done
    case "$command" in
        "") words="--prefix --help {" ".join(words)}" ;;
{cases}
        *) words="" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _tandem tandem
"""


def _zsh(words: dict[str, list[str]]) -> str:
    cases = "\n".join(f"        {name}) offered=({' '.join(options)}) ;;" for name, options in words.items())
    return f"""\
#compdef tandem
# Completion of tandem for zsh: source <(tandem completion zsh), after compinit
_tandem() {{
    local command="" skip="" each
    local -a words_given offered
    words_given=("${{(@)words[2,CURRENT-1]}}")
    for each in "${{words_given[@]}}"; do
        if [[ -n "$skip" ]]; then skip=""; continue; fi
        case "$each" in
            --prefix) skip=1 ;;
            -*) ;;
            *) command="$each"; break ;;
        esac
    done
    case "$command" in
        "") offered=(--prefix --help {" ".join(words)}) ;;
{cases}
    esac
    compadd -- "${{offered[@]}}"
    _files
}}
compdef _tandem tandem
"""
