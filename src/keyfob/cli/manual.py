"""The end of each command's help: exit codes, examples, and the page to read."""

from __future__ import annotations

import contextlib
import os
import sys
import textwrap
from typing import Final, NamedTuple

WIDEST: Final = 100
_USUAL_COLUMNS: Final = 80


class ManualPage(NamedTuple):
    """The help of a command beside its flags.

    Attributes:
        exits: Its exit codes, without 1, 2 and 130, which mean the same for every command.
        examples: Commands, each with its purpose.
        more: The page of the documentation.
    """

    exits: tuple[tuple[int, str], ...]
    examples: tuple[tuple[str, str], ...]
    more: str


_LOGIN_NEEDED: Final = (4, "a login is needed: keyfob login")
_NO_NETWORK: Final = (7, "the issuer did not answer")
_NO_VAULT: Final = (8, "the vault cannot be opened")
_USUAL: Final = (_LOGIN_NEEDED, _NO_NETWORK, _NO_VAULT)

MANUAL: Final[dict[str, ManualPage]] = {
    "login": ManualPage(
        ((0, "logged in"), (3, "the issuer refused"), (4, "nobody is here who could log in"),
         (5, "the person said no"), (6, "nobody answered in time"), _NO_NETWORK, _NO_VAULT),
        (
            ("keyfob login https://login.example.com/ orders-cli --audience https://api.example.com",
             "the first time; later keyfob login is enough"),
            ("keyfob login --flow device", "by a code, on any device"),
            ("keyfob login --no-wait --json && keyfob login --resume", "show the code now, finish later"),
            ("keyfob login --profile work --scope read:orders --scope write:orders", "another login beside the first"),
            ("keyfob login --profile ci --flow machine --secret-env CI_SECRET", "a program as itself, by its secret"),
            ("keyfob login --add-scope write:orders", "more than this login has so far"),
            ("keyfob login https://login.example.com/ orders-cli --with-token", "for CI, by the token on stdin"),
        ),
        "docs/login.md",
    ),
    "token": ManualPage(
        ((0, "the token is printed"), (3, "the issuer refused"), *_USUAL),
        (
            ('curl -H "Authorization: Bearer $(keyfob token)" https://api.example.com/orders', "for any program"),
            ('curl -H "$(keyfob token --header)" https://api.example.com/orders', "the same, with the whole header"),
            ("keyfob token --min-ttl 30m", "one that lives half an hour at least, if such can be had"),
            ("keyfob token --json --profile work", "with its scope and until when, of another login"),
        ),
        "docs/vault.md",
    ),
    "call": ManualPage(
        ((0, "the API answered 2xx"), (3, "it answered something else"), *_USUAL),
        (
            ("keyfob call https://api.example.com/orders", "GET, with the token"),
            ("keyfob call -X POST -H 'Content-Type: application/json' -d @order.json https://api.example.com/orders",
             "send a file"),
            ("keyfob call -i https://api.example.com/orders", "with the answer's status and headers"),
        ),
        "docs/calls.md",
    ),
    "inspect": ManualPage(
        ((0, "such an API would take it"), (3, "it would not"),
         (7, "the issuer's keys cannot be had, and nothing else is wrong")),
        (
            ("keyfob inspect", "the token of this login"),
            ("keyfob token | keyfob inspect - --audience https://api.example.com", "one from elsewhere, for that API"),
        ),
        "docs/guard.md",
    ),
    "run": ManualPage(
        ((3, "the session is too short, or the token is of no use to another program"), *_USUAL),
        (
            ("keyfob run -- ./nightly.sh", "the token is in KEYFOB_ACCESS_TOKEN"),
            ("keyfob run --as GH_TOKEN --min-ttl 1h -- gh api /user", "in another variable, for an hour at least"),
        ),
        "docs/commands.md#run",
    ),
    "setup": ManualPage(
        ((0, "done, or printed for a tool that is not installed here"),
         (1, "a file could not be changed; what to write is printed"), (4, "a login is needed: keyfob login")),
        (
            ("keyfob setup git https://git.example.com", "git gets this login's token, for that server only"),
            ("keyfob setup aws --role-arn arn:aws:iam::123456789012:role/deploy", "AWS, by web identity"),
            ("keyfob setup docker registry.example.com --profile work", "of another login"),
            ("keyfob setup git https://git.example.com --remove", "take it back"),
        ),
        "docs/tools.md",
    ),
    "helper": ManualPage(
        ((0, "the token, or the protocol's word for no token"), (3, "the issuer refused"), *_USUAL),
        (("keyfob helper curl https://api.example.com/orders | curl -K -", "the only one that people type"),),
        "docs/tools.md",
    ),
    "whoami": ManualPage(
        ((0, "somebody is logged in"), *_USUAL),
        (("keyfob whoami", "in words"), ("keyfob whoami --json --profile work", "for programs, of another login")),
        "docs/commands.md",
    ),
    "status": ManualPage(
        ((0, "logged in"), *_USUAL),
        (
            ("keyfob status", "by what is kept here"),
            ("keyfob status --online", "by what the issuer says"),
            ("keyfob status --all --json", "every login, for programs; the exit code is the worst"),
        ),
        "docs/commands.md#status",
    ),
    "logout": ManualPage(
        ((0, "the server knows, and nothing is kept here"), (1, "nothing is kept here, but a server was not told")),
        (("keyfob logout", "this login"), ("keyfob logout --all", "every profile's")),
        "docs/commands.md#logout",
    ),
    "profile": ManualPage(
        ((0, "done"), (1, "removed, but a server was not told"), _NO_VAULT),
        (
            ("keyfob profile list", "which logins there are, and how each stands"),
            ("keyfob profile use work", "the one that is meant from now on"),
            ("keyfob profile remove work", "end its login, and forget it"),
        ),
        "docs/commands.md#profile",
    ),
    "switch": ManualPage(
        ((0, "done"), (4, "there is no login yet"), _NO_VAULT),
        (
            ("keyfob switch", "choose from a list"),
            ("keyfob switch kim@example.com", "the login of this person, profile or issuer"),
        ),
        "docs/commands.md#switch",
    ),
    "prompt": ManualPage(
        ((0, "printed, also if it is nothing"),),
        (
            ("PS1='$(keyfob prompt) \\$ '", "for bash"),
            ("setopt PROMPT_SUBST; PROMPT='$(keyfob prompt) %# '", "for zsh"),
        ),
        "docs/commands.md#prompt",
    ),
    "agent": ManualPage(
        ((0, "stopped by Ctrl-C"), (3, "a login has more than may be handed out"), _LOGIN_NEEDED, _NO_VAULT),
        (
            ("keyfob agent", "for the login in use"),
            ("keyfob agent orders --audience https://api.example.com --scope read:orders", "for one API and its scope"),
        ),
        "docs/agent.md",
    ),
    "mcp": ManualPage(
        ((0, "done"), (3, "the server refused"), *_USUAL),
        (
            ("keyfob mcp login https://mcp.example.com/mcp --client-id ID", "find its issuer, and log in there"),
            ("keyfob mcp proxy https://mcp.example.com/mcp", "what a program that speaks MCP over stdio starts"),
        ),
        "docs/mcp.md",
    ),
    "explain": ManualPage(
        ((0, "explained"),),
        (("keyfob explain", "the login that is meant here"), ("keyfob explain --profile work --json", "for programs")),
        "docs/commands.md#explain",
    ),
    "doctor": ManualPage(
        ((0, "nothing is wrong"), (1, "something is")),
        (
            ("keyfob doctor", "everything; safe to paste"),
            ("keyfob doctor --tenant ./data", "and a tenant of this machine"),
        ),
        "docs/commands.md#doctor",
    ),
    "completion": ManualPage(
        ((0, "printed"),),
        (
            ("keyfob completion bash > ~/.local/share/bash-completion/completions/keyfob", "for bash"),
            ('keyfob completion zsh > "${fpath[1]}/_keyfob"', "for zsh"),
            ("keyfob completion fish > ~/.config/fish/completions/keyfob.fish", "for fish"),
        ),
        "docs/commands.md#completion",
    ),
    "vault": ManualPage(
        ((0, "done"), (8, "that place cannot be used; nothing has changed")),
        (
            ("keyfob vault status", "where tokens are kept, and what each place answers"),
            ("keyfob vault move keyring", "seal them with a key in this system's keyring"),
            ("keyfob vault quick off", "let no token lie outside the vault"),
        ),
        "docs/vault.md",
    ),
    "serve": ManualPage(
        ((0, "stopped as asked"),),
        (
            ("keyfob serve", "ready at once, with a person to log in as"),
            ("keyfob serve tenant.toml --tls", "as a file says, over https"),
            ("keyfob serve --wire rfc --port 0", "with the standards' statuses, on any free port"),
            ("keyfob serve --smtp smtp://post@mail.example.com --mail-from no-reply@example.com",
             "with codes by e-mail; the password is in KEYFOB_SMTP_PASSWORD"),
        ),
        "docs/tenant.md",
    ),
    "tenant": ManualPage(
        ((0, "done"),),
        (
            ("keyfob tenant init", "write a tenant.toml to begin with"),
            ("keyfob tenant check tenant.toml", "look for mistakes, with their lines"),
            ("keyfob tenant apply tenant.toml", "show what it changes, and change it"),
            ("keyfob tenant users add pat@example.com", "one more person"),
        ),
        "docs/tenant.md",
    ),
    "new": ManualPage(
        ((0, "the project is there"), (2, "the name will not do, or is taken")),
        (
            ("keyfob new orders", "for argparse"),
            ("keyfob new orders --framework typer", "for Typer; also click and cyclopts"),
        ),
        "docs/embed.md",
    ),
    "demo": ManualPage(
        ((0, "every call to the API came back as it should"),),
        (
            ("keyfob demo", "log in yourself, in a browser"),
            ("keyfob demo --unattended", "a scripted person goes through the pages"),
            ("keyfob demo --phishing", "phish a device login, and see which rules stop it"),
        ),
        "docs/login.md",
    ),
}  # fmt: skip


def end_of(name: str, notes: str) -> str:
    """Return the end of a command's help.

    Args:
        name: The command, or the command and a verb; only commands have a page.
        notes: Paragraphs to print first, one per line.
    """
    parts = ["\n".join(map(fill, notes.splitlines()))]
    page = MANUAL.get(name)
    if page is not None:
        exits = [fill(meaning, f"  {code}  ", "     ") for code, meaning in page.exits]
        examples = [f"  {typed}\n{fill(purpose, '      ', '      ')}" for typed, purpose in page.examples]
        parts += [
            "\n".join(["exit codes:", *exits]),
            "\n".join(["examples:", *examples]),
            f"More: keyfob help {page.more}",
        ]
    return "".join(f"{part}\n" for part in "\n\n".join(filter(None, parts)).splitlines())


def fill(text: str, first: str = "", later: str = "") -> str:
    """Return the text in lines of at most `width()` letters."""
    return textwrap.fill(
        text,
        width(),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def width() -> int:
    """Return the width of the help: that of the terminal, at most WIDEST."""
    return max(20, min(_columns() - 2, WIDEST))


def _columns() -> int:
    """Return what `shutil.get_terminal_size` returns; that module also loads three compressors: 3 ms."""
    with contextlib.suppress(ValueError):
        if (named := int(os.environ.get("COLUMNS", "0"))) > 0:
            return named
    with contextlib.suppress(AttributeError, OSError, ValueError):  # stdout is closed, or no terminal
        if (found := os.get_terminal_size(sys.__stdout__.fileno()).columns) > 0:  # type: ignore[union-attr]
            return found
    return _USUAL_COLUMNS
