"""`keyfob completion`: print a shell completion script, generated from the argument parsers of the commands."""

from __future__ import annotations

import importlib
import sys
from argparse import Action, ArgumentParser, Namespace
from dataclasses import dataclass, field
from typing import cast

from keyfob.cli.exit_codes import DONE
from keyfob.cli.main import COMMANDS
from keyfob.cli.profiles import known_names

SHELLS = ("bash", "zsh", "fish")
# The scripts call `keyfob completion profiles` for the names of profiles. This command does not open the vault.
NAMES = "profiles"
_LIST_PROFILES = f"keyfob completion {NAMES} 2>/dev/null"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag of a command.

    Attributes:
        does: The description of the flag.
        takes: The allowed values; () if any value is allowed, None for a flag without a value.
    """

    name: str
    does: str
    takes: tuple[str, ...] | None = None

    @property
    def takes_profile(self) -> bool:
        return self.name == "--profile"


@dataclass(frozen=True, slots=True)
class Word:
    """A command, or a verb of a command.

    Attributes:
        path: The words of the command line up to and including this word.
        does: The description of the command or verb.
        choices: The allowed values of the word's argument.
        takes_profile: Whether the word's argument is a profile's name.
        verbs: The verbs that may follow this word.
    """

    path: tuple[str, ...]
    does: str
    flags: tuple[Flag, ...] = ()
    choices: tuple[str, ...] = ()
    takes_profile: bool = False
    verbs: tuple[Word, ...] = field(default=())

    def all(self) -> list[Word]:
        """Return this word, its verbs, and their verbs."""
        return [self, *(below for verb in self.verbs for below in verb.all())]

    def next(self) -> list[tuple[str, str]]:
        """Return the words that may follow this word, each with its description."""
        verbs = [(verb.path[-1], verb.does) for verb in self.verbs]
        return [*verbs, *((choice, "") for choice in self.choices), *((flag.name, flag.does) for flag in self.flags)]


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("shell", choices=(*SHELLS, NAMES), metavar="SHELL", help=", ".join(SHELLS))


def run(flags: Namespace) -> int:
    if flags.shell == NAMES:
        sys.stdout.writelines(f"{name}\n" for name in known_names())
        return DONE
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[flags.shell]
    sys.stdout.write(write(find_words()))
    return DONE


def find_words() -> list[Word]:
    """Return every command with its flags and verbs."""
    found: list[Word] = []
    for name, does in COMMANDS.items():
        parser = ArgumentParser(prog=name)
        try:
            importlib.import_module(f"keyfob.cli.commands.{name}").configure(parser)
        except ModuleNotFoundError:  # a package of an extra is not installed: complete only the command's name
            found.append(Word((name,), does))
        else:
            found.append(_word((name,), does, parser))
    return found


def _word(path: tuple[str, ...], does: str, parser: ArgumentParser) -> Word:
    actions = parser._actions  # noqa: SLF001  argparse has no public list of actions
    flags = [
        Flag(name, action.help or "", _values(action))
        for action in actions for name in action.option_strings if name[:2] == "--"
    ]  # fmt: skip
    choices: list[str] = []
    verbs: list[Word] = []
    for action in actions:
        offered: object = action.choices
        if isinstance(offered, dict):
            below = cast("dict[str, ArgumentParser]", offered)
            helps = {one.dest: one.help or "" for one in cast("list[Action]", getattr(action, "_choices_actions", []))}
            verbs += [_word((*path, name), helps.get(name, ""), child) for name, child in below.items()]
        elif action.choices is not None and not action.option_strings:
            choices += [str(choice) for choice in action.choices if choice != NAMES]
    takes_profile = path[0] == "profile" and any(action.dest == "name" for action in actions)
    return Word(path, does, tuple(flags), tuple(choices), takes_profile, tuple(verbs))


def _values(action: Action) -> tuple[str, ...] | None:
    return None if action.nargs == 0 else tuple(map(str, action.choices or ()))


def _bash(words: list[Word]) -> str:
    every = [word for top in words for word in top.all()]
    tops = " ".join(word.path[0] for word in words)
    paths = " ".join(f"'{' '.join(word.path)}'" for word in every)
    names = f'" $({_LIST_PROFILES})"'
    cases = "".join(
        f"    '{' '.join(word.path)}') next='{' '.join(name for name, _ in word.next())}'"
        f"{names if word.takes_profile else ''} ;;\n" for word in every
    )  # fmt: skip
    return f"""\
# bash completion for keyfob; written by `keyfob completion bash`.
_keyfob() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" path= next= word known longer
  local -a paths=({paths})
  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous="${{COMP_WORDS[COMP_CWORD-2]}}"; fi
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ $word == -- ]] && return
    longer="${{path:+$path }}$word"
    for known in "${{paths[@]}}"; do [[ $known == "$longer" ]] && path="$longer"; done
  done
  case "$path" in
    '') next='{tops} --help --version' ;;
{cases}  esac
  case "$path $previous" in
{_after_flags(every)}  esac
  COMPREPLY=($(compgen -W "$next" -- "$current"))
}}
complete -o default -F _keyfob keyfob
"""


def _after_flags(words: list[Word], opening: str = "'", closing: str = "'", ask: str = f'"$({_LIST_PROFILES})"') -> str:
    """Return the `case` branches for bash or zsh that complete the value of each flag.

    A flag that takes any value is completed with nothing.
    """
    return "".join(
        f"    '{' '.join(word.path)} {flag.name}') "
        f"next={ask if flag.takes_profile else opening + ' '.join(flag.takes) + closing} ;;\n"
        for word in words for flag in word.flags if flag.takes is not None
    )  # fmt: skip


def _zsh(words: list[Word]) -> str:
    def described(pairs: list[tuple[str, str]]) -> str:
        return " ".join(f"'{name}:{_without_specials(does)}'" for name, does in pairs)

    every = [word for top in words for word in top.all()]
    tops = described([(word.path[0], word.does) for word in words])
    paths = " ".join(f"'{' '.join(word.path)}'" for word in every)
    names = f'${{(f)"$({_LIST_PROFILES})"}}'
    cases = "".join(
        f"    '{' '.join(word.path)}') next=({described(word.next())}"
        f"{f' {names}' if word.takes_profile else ''}) ;;\n" for word in every
    )  # fmt: skip
    return f"""\
#compdef keyfob
# zsh completion for keyfob; written by `keyfob completion zsh`.
_keyfob() {{
  local where= word longer previous="${{words[CURRENT-1]}}"
  local -a next paths
  paths=({paths})
  if [[ ${{words[CURRENT]}} == --*=* ]]; then
    previous="${{words[CURRENT]%%=*}}"
    compset -P '*='
  fi
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    [[ $word == -- ]] && {{ _normal; return }}
    longer="${{where:+$where }}$word"
    (( ${{paths[(Ie)$longer]}} )) && where="$longer"
  done
  case "$where" in
    '') next=({tops}) ;;
{cases}  esac
  case "$where $previous" in
{_after_flags(every, "(", ")", f"({names})")}  esac
  _describe 'keyfob' next || _files
}}
if [[ "$funcstack[1]" == _keyfob ]]; then _keyfob "$@"; else compdef _keyfob keyfob; fi
"""


def _fish(words: list[Word]) -> str:
    lines = ["# fish completion for keyfob; written by `keyfob completion fish`."]
    for top in words:
        name = top.path[0]
        lines.append(f"complete -c keyfob -n __fish_use_subcommand -f -a {name} -d '{_without_specials(top.does)}'")
        for word in top.all():
            seen = "; and ".join(f"__fish_seen_subcommand_from {part}" for part in word.path)
            below = " ".join(verb.path[-1] for verb in word.verbs)
            none_yet = f"{seen}; and not __fish_seen_subcommand_from {below}"
            lines += [
                f"complete -c keyfob -n '{none_yet}' -f -a {verb.path[-1]} -d '{_without_specials(verb.does)}'"
                for verb in word.verbs
            ]
            offered: list[str] = []
            offered += [f"-f -a '{' '.join(word.choices)}'"] if word.choices else []
            offered += [f"-f -a '({_LIST_PROFILES})'"] if word.takes_profile else []
            offered += [
                f"-l {flag.name[2:]}{_fish_value(flag)} -d '{_without_specials(flag.does)}'" for flag in word.flags
            ]
            lines += [f"complete -c keyfob -n '{seen}' {offer}" for offer in offered]
    return "\n".join(lines) + "\n"


def _fish_value(flag: Flag) -> str:
    if flag.takes_profile:
        return f" -x -a '({_LIST_PROFILES})'"
    if flag.takes is None:
        return ""
    return f" -x -a '{' '.join(flag.takes)}'" if flag.takes else " -r"


def _without_specials(text: str) -> str:
    """Remove characters with a meaning in a shell or its completion."""
    plain = text.replace("%%", "%").replace("'", "").replace(":", ",").replace("\\", "").replace("`", "")
    return plain.replace("[", "(").replace("]", ")").replace("$", "")
