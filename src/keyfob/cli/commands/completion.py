"""`keyfob completion`: a script that completes what is typed, made of the commands as they are."""

from __future__ import annotations

import importlib
import sys
from argparse import Action, ArgumentParser, Namespace
from dataclasses import dataclass, field
from typing import cast

from keyfob.cli.exit_codes import DONE

SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True, slots=True)
class Word:
    """A command, or a verb of one.

    Attributes:
        flags: Each with what it does.
        choices: Words that may follow.
        verbs: Those of its own.
    """

    path: tuple[str, ...]
    does: str
    flags: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    verbs: tuple[Word, ...] = field(default=())

    def all(self) -> list[Word]:
        """This and everything below."""
        return [self, *(below for verb in self.verbs for below in verb.all())]

    def next(self) -> list[str]:
        """What may come after it."""
        return [*(verb.path[-1] for verb in self.verbs), *self.choices, *(flag for flag, _ in self.flags)]


def configure(parser: ArgumentParser) -> None:
    """Say which shells there are."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def run(flags: Namespace) -> int:
    """Print the script; looks at the commands alone, never at a network or a vault."""
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[flags.shell]
    sys.stdout.write(write(find_words()))
    return DONE


def find_words() -> list[Word]:
    """Every command with its flags and verbs. Of one whose extra is not installed, only the name is known."""
    from keyfob.cli.main import COMMANDS

    found: list[Word] = []
    for name, does in COMMANDS.items():
        parser = ArgumentParser(prog=name)
        try:
            importlib.import_module(f"keyfob.cli.commands.{name}").configure(parser)
        except ModuleNotFoundError:
            found.append(Word((name,), does))
        else:
            found.append(_word((name,), does, parser))
    return found


def _word(path: tuple[str, ...], does: str, parser: ArgumentParser) -> Word:
    actions = parser._actions  # noqa: SLF001  argparse has no other way to be asked
    flags = [(flag, action.help or "") for action in actions for flag in action.option_strings if flag[:2] == "--"]
    choices: list[str] = []
    verbs: list[Word] = []
    for action in actions:
        offered: object = action.choices
        if isinstance(offered, dict):
            below = cast("dict[str, ArgumentParser]", offered)
            helps = {one.dest: one.help or "" for one in cast("list[Action]", getattr(action, "_choices_actions", []))}
            verbs += [_word((*path, name), helps.get(name, ""), child) for name, child in below.items()]
        elif action.choices is not None and not action.option_strings:
            choices += [str(choice) for choice in action.choices]
    return Word(path, does, tuple(flags), tuple(choices), tuple(verbs))


def _bash(words: list[Word]) -> str:
    cases = "".join(
        f"    '{' '.join(word.path)}') next='{' '.join(word.next())}' ;;\n" for top in words for word in top.all()
    )
    tops = " ".join(word.path[0] for word in words)
    paths = " ".join(f"'{' '.join(word.path)}'" for top in words for word in top.all())
    return f"""\
# bash completion for keyfob; written by `keyfob completion bash`.
_keyfob() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path= next= word known longer
  local -a paths=({paths})
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $word == -- ]] && return
    longer="${{path:+$path }}$word"
    for known in "${{paths[@]}}"; do [[ $known == "$longer" ]] && path="$longer"; done
  done
  case "$path" in
    '') next='{tops} --help --version' ;;
{cases}  esac
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}}
complete -o default -F _keyfob keyfob
"""


def _zsh(words: list[Word]) -> str:
    def described(pairs: list[tuple[str, str]]) -> str:
        return " ".join(f"'{name}:{_quiet(does)}'" for name, does in pairs)

    def following(word: Word) -> str:
        pairs = [(verb.path[-1], verb.does) for verb in word.verbs]
        pairs += [(choice, "") for choice in word.choices] + list(word.flags)
        return described(pairs)

    cases = "".join(
        f"    '{' '.join(word.path)}') next=({following(word)}) ;;\n" for top in words for word in top.all()
    )
    tops = described([(word.path[0], word.does) for word in words])
    paths = " ".join(f"'{' '.join(word.path)}'" for top in words for word in top.all())
    return f"""\
#compdef keyfob
# zsh completion for keyfob; written by `keyfob completion zsh`.
_keyfob() {{
  local where= word longer
  local -a next paths
  paths=({paths})
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    [[ $word == -- ]] && {{ _normal; return }}
    longer="${{where:+$where }}$word"
    (( ${{paths[(Ie)$longer]}} )) && where="$longer"
  done
  case "$where" in
    '') next=({tops}) ;;
{cases}  esac
  _describe 'keyfob' next || _files
}}
if [[ "$funcstack[1]" == _keyfob ]]; then _keyfob "$@"; else compdef _keyfob keyfob; fi
"""


def _fish(words: list[Word]) -> str:
    lines = ["# fish completion for keyfob; written by `keyfob completion fish`."]
    for top in words:
        name = top.path[0]
        lines.append(f"complete -c keyfob -n __fish_use_subcommand -f -a {name} -d '{_quiet(top.does)}'")
        for word in top.all():
            seen = "; and ".join(f"__fish_seen_subcommand_from {part}" for part in word.path)
            offered = [f"-f -a {verb.path[-1]} -d '{_quiet(verb.does)}'" for verb in word.verbs]
            offered += [f"-f -a '{' '.join(word.choices)}'"] if word.choices else []
            offered += [f"-l {flag[2:]} -d '{_quiet(does)}'" for flag, does in word.flags]
            lines += [f"complete -c keyfob -n '{seen}' {offer}" for offer in offered]
    return "\n".join(lines) + "\n"


def _quiet(text: str) -> str:
    """Without what a shell or its completion would take for something of its own."""
    plain = text.replace("%%", "%").replace("'", "").replace(":", ",").replace("\\", "").replace("`", "")
    return plain.replace("[", "(").replace("]", ")").replace("$", "")
