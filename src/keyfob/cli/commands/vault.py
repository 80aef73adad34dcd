"""`keyfob vault`: show where tokens are stored, and move them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from keyfob.cli import output
from keyfob.cli.exit_codes import DONE
from keyfob.cli.flags import add_json_flag
from keyfob.cli.parser import sentence
from keyfob.client.io.vault.seals import Seals
from keyfob.client.io.vault.vault_file import FileVault
from keyfob.client.model.storage_choice import PLACES, WORDS, Note, is_place
from keyfob.errors import Misuse
from keyfob.run import run as blocking

_SWITCH = {"on": True, "off": False}


def configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(metavar="VERB", required=True, dest="verb")
    for name, does, choices, metavar in (
        ("status", "show where tokens are stored, and which places work here", (), ""),
        ("move", "store tokens elsewhere from now on", PLACES, "PLACE"),
        ("quick", "whether a valid access token may be stored outside the vault", tuple(_SWITCH), "on|off"),
    ):
        verb = verbs.add_parser(name, help=does, description=sentence(does), allow_abbrev=False)
        if choices:
            verb.add_argument("word", choices=choices, metavar=metavar, help=", ".join(choices))
        add_json_flag(verb)
    parser.epilog = (
        "An encrypted login is useless to a thief who copies the file. The quick file contains "
        "an access token while it is valid, which makes keyfob token fast; with quick off it "
        "contains no token."
    )


def run(flags: Namespace) -> int:
    vault, seals = FileVault(), Seals()
    vault.seals = seals
    match flags.verb:
        case "move":
            if flags.word is None or not is_place(flags.word):
                raise Misuse("the key cannot be stored there: unknown place", hint=f"Use one of: {', '.join(PLACES)}")
            seals.move(flags.word, vault.rewrite)
            for problem in vault.passed:
                output.remark(problem.message)
            output.remark(f"tokens are stored {WORDS[flags.word]}")
        case "quick":
            if flags.word not in _SWITCH:
                raise Misuse("the quick file is either on or off", hint="Run: keyfob vault quick off")
            seals.set_quick(is_quick=_SWITCH[flags.word])
            for entry in vault.entries():
                blocking(vault.remove_quick(entry))
            output.remark(f"the quick file is {flags.word}")
        case _:
            _print_status(vault, seals, as_json=flags.json)
            return DONE
    if flags.json:
        output.result_object(_members(vault, seals.note()))
    return DONE


def _members(vault: FileVault, note: Note) -> dict[str, object]:
    """Return the vault's state as JSON members. The states of the places for its key are not included."""
    return {
        "place": note.place,
        "moving_from": note.before,
        "folder": str(vault.folder),
        "quick": note.is_quick,
        "profiles": [{"name": name, "sealed": vault.is_sealed(name)} for name in vault.entries()],
    }


def _print_status(vault: FileVault, seals: Seals, *, as_json: bool) -> None:
    note = seals.note()
    answers = [(place, *seals.check(place)) for place in PLACES]
    if as_json:
        places = [{"place": place, "code": code, "message": text} for place, code, text in answers]
        output.result_object(_members(vault, note) | {"places": places})
        return
    stored = (
        f"tokens are stored {WORDS[note.place]}"
        if note.place
        else "the place is not chosen yet; the next login chooses it"
    )
    output.result(stored)
    if note.before:
        output.result(f"a move from {note.before} was interrupted; finish it with: keyfob vault move {note.place}")
    rows = [("folder", str(vault.folder)), ("quick file", "on" if note.is_quick else "off")]
    rows += [(f"login {name}", "sealed" if vault.is_sealed(name) else "plain") for name in vault.entries()]
    rows += [(place, text) for place, _, text in answers]
    for line in output.columns(rows):
        output.result(f"  {line}")
