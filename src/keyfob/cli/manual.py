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
    """The parts of a command's help that follow the list of flags.

    Attributes:
        exits: The command's exit codes, except 1, 2 and 130, whose meaning is the same for every command.
        examples: Example commands, each with its purpose.
        more: The page of the documentation to read.
    """

    exits: tuple[tuple[int, str], ...]
    examples: tuple[tuple[str, str], ...]
    more: str


_LOGIN_NEEDED: Final = (4, "a login is needed: keyfob login")
_NO_NETWORK: Final = (7, "the issuer did not respond")
_NO_VAULT: Final = (8, "the vault cannot be opened")
_USUAL: Final = (_LOGIN_NEEDED, _NO_NETWORK, _NO_VAULT)

MANUAL: Final[dict[str, ManualPage]] = {
    "login": ManualPage(
        (
            (0, "logged in"),
            (3, "the issuer refused"),
            (4, "a login is needed, and there is no terminal"),
            (5, "the user declined"),
            (6, "the login was not approved in time"),
            _NO_NETWORK,
            _NO_VAULT,
        ),
        (
            (
                "keyfob login https://login.example.com/ orders-cli --audience https://api.example.com",
                "the first login; later, keyfob login is enough",
            ),
            ("keyfob login --flow device", "with a code, on any device"),
            ("keyfob login --no-wait --json && keyfob login --resume", "show the code now, finish later"),
            ("keyfob login --profile work --scope read:orders --scope write:orders", "a second login"),
            (
                "keyfob login --profile ci --flow machine --secret-env CI_SECRET",
                "a service account, with a client secret",
            ),
            ("keyfob login --add-scope write:orders", "one more scope for this login"),
            ("keyfob login https://login.example.com/ orders-cli --with-token", "for CI, with the token on stdin"),
        ),
        "docs/login.md",
    ),
    "token": ManualPage(
        ((0, "the token is printed"), (3, "the issuer refused"), *_USUAL),
        (
            ('curl -H "Authorization: Bearer $(keyfob token)" https://api.example.com/orders', "with any program"),
            ('curl -H "$(keyfob token --header)" https://api.example.com/orders', "the same, with the whole header"),
            ("keyfob token --min-ttl 30m", "a token that is valid for at least half an hour, if possible"),
            ("keyfob token --json --profile work", "of another login, with scope and expiry"),
        ),
        "docs/vault.md",
    ),
    "call": ManualPage(
        ((0, "the API responded with 2xx"), (3, "it responded with another status"), *_USUAL),
        (
            ("keyfob call https://api.example.com/orders", "GET, with the token"),
            (
                "keyfob call -X POST -H 'Content-Type: application/json' -d @order.json https://api.example.com/orders",
                "send a file",
            ),
            ("keyfob call -i https://api.example.com/orders", "with the status and headers of the response"),
        ),
        "docs/calls.md",
    ),
    "inspect": ManualPage(
        (
            (0, "such an API would accept it"),
            (3, "such an API would refuse it"),
            (7, "the issuer's keys could not be fetched; all other checks passed"),
        ),
        (
            ("keyfob inspect", "the access token of this login"),
            ("keyfob token | keyfob inspect - --audience https://api.example.com", "any token, for that API"),
        ),
        "docs/guard.md",
    ),
    "run": ManualPage(
        ((3, "no token is valid for long enough, or another program cannot use it"), *_USUAL),
        (
            ("keyfob run -- ./nightly.sh", "the token is in KEYFOB_ACCESS_TOKEN"),
            (
                "keyfob run --as GH_TOKEN --min-ttl 1h -- gh api /user",
                "in another variable, valid for an hour at least",
            ),
        ),
        "docs/commands.md#run",
    ),
    "setup": ManualPage(
        (
            (0, "done, or instructions were printed for a tool that is not installed"),
            (1, "a file could not be changed; the lines for it were printed"),
            (4, "a login is needed: keyfob login"),
        ),
        (
            ("keyfob setup git https://git.example.com", "git gets this login's token, for that server only"),
            ("keyfob setup aws --role-arn arn:aws:iam::123456789012:role/deploy", "AWS, with web identity"),
            ("keyfob setup docker registry.example.com --profile work", "with another login"),
            ("keyfob setup git https://git.example.com --remove", "undo it"),
        ),
        "docs/tools.md",
    ),
    "helper": ManualPage(
        ((0, "a token, or the protocol's reply for none"), (3, "the issuer refused"), *_USUAL),
        (("keyfob helper curl https://api.example.com/orders | curl -K -", "the only protocol for use by hand"),),
        "docs/tools.md",
    ),
    "whoami": ManualPage(
        ((0, "a user is logged in"), *_USUAL),
        (("keyfob whoami", "in words"), ("keyfob whoami --json --profile work", "for programs, of another login")),
        "docs/commands.md",
    ),
    "status": ManualPage(
        ((0, "logged in"), *_USUAL),
        (
            ("keyfob status", "the state as it is stored"),
            ("keyfob status --online", "the state at the issuer"),
            ("keyfob status --all --json", "all logins, for programs; the exit code is the highest"),
        ),
        "docs/commands.md#status",
    ),
    "logout": ManualPage(
        (
            (0, "the login was ended at the server and deleted here"),
            (1, "the login was deleted here, but a server was not reached"),
        ),
        (("keyfob logout", "this login"), ("keyfob logout --all", "every profile's")),
        "docs/commands.md#logout",
    ),
    "profile": ManualPage(
        ((0, "done"), (1, "removed, but a server was not reached"), _NO_VAULT),
        (
            ("keyfob profile list", "all logins and their states"),
            ("keyfob profile use work", "the login for commands without --profile"),
            ("keyfob profile remove work", "end the login, and delete it"),
        ),
        "docs/commands.md#profile",
    ),
    "switch": ManualPage(
        ((0, "done"), (4, "there is no login yet"), _NO_VAULT),
        (
            ("keyfob switch", "choose from a list"),
            ("keyfob switch kim@example.com", "the login of this user, profile or issuer"),
        ),
        "docs/commands.md#switch",
    ),
    "prompt": ManualPage(
        ((0, "printed, even if it is nothing"),),
        (
            ("PS1='$(keyfob prompt) \\$ '", "for bash"),
            ("setopt PROMPT_SUBST; PROMPT='$(keyfob prompt) %# '", "for zsh"),
        ),
        "docs/commands.md#prompt",
    ),
    "agent": ManualPage(
        ((0, "stopped by Ctrl-C"), (3, "a login has more than the agent may hand out"), _LOGIN_NEEDED, _NO_VAULT),
        (
            ("keyfob agent", "for the current login"),
            ("keyfob agent orders --audience https://api.example.com --scope read:orders", "for one API and one scope"),
        ),
        "docs/agent.md",
    ),
    "mcp": ManualPage(
        ((0, "done"), (3, "the server refused"), *_USUAL),
        (
            ("keyfob mcp login https://mcp.example.com/mcp --client-id ID", "find its issuer, and log in there"),
            ("keyfob mcp proxy https://mcp.example.com/mcp", "the command for an MCP client that uses stdio"),
        ),
        "docs/mcp.md",
    ),
    "explain": ManualPage(
        ((0, "explained"),),
        (("keyfob explain", "the current login"), ("keyfob explain --profile work --json", "for programs")),
        "docs/commands.md#explain",
    ),
    "doctor": ManualPage(
        ((0, "nothing is wrong"), (1, "something is")),
        (
            ("keyfob doctor", "all checks; the output is safe to paste"),
            ("keyfob doctor --tenant ./data", "also check a tenant of this computer"),
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
        ((0, "done"), (8, "that place cannot be used; nothing was changed")),
        (
            ("keyfob vault status", "where tokens are stored, and which places work"),
            ("keyfob vault move keyring", "encrypt them with a key in the system's keyring"),
            ("keyfob vault quick off", "store no token outside the vault"),
        ),
        "docs/vault.md",
    ),
    "serve": ManualPage(
        ((0, "stopped by Ctrl-C or SIGTERM"),),
        (
            ("keyfob serve", "a tenant for a first try, with one user"),
            ("keyfob serve tenant.toml --tls", "with the settings of a file, over https"),
            ("keyfob serve --wire rfc --port 0", "with the RFCs' statuses and error texts, on any free port"),
            (
                "keyfob serve --smtp smtp://post@mail.example.com --mail-from no-reply@example.com",
                "with e-mails; the mail server's password is in KEYFOB_SMTP_PASSWORD",
            ),
        ),
        "docs/tenant.md",
    ),
    "tenant": ManualPage(
        ((0, "done"),),
        (
            ("keyfob tenant init", "write a tenant.toml to start with"),
            ("keyfob tenant check tenant.toml", "check it for mistakes"),
            ("keyfob tenant apply tenant.toml", "show its changes, and apply them"),
            ("keyfob tenant users add pat@example.com", "add a user"),
        ),
        "docs/tenant.md",
    ),
    "new": ManualPage(
        ((0, "the project was created"), (2, "the name is invalid or taken")),
        (
            ("keyfob new orders", "for argparse"),
            ("keyfob new orders --framework typer", "for Typer; also click and cyclopts"),
        ),
        "docs/embed.md",
    ),
    "demo": ManualPage(
        ((0, "every call had the expected result"),),
        (
            ("keyfob demo", "log in yourself, in a browser"),
            ("keyfob demo --unattended", "a script logs in on the pages"),
            ("keyfob demo --phishing", "phish a device login, and see which rules prevent that"),
        ),
        "docs/login.md",
    ),
}


def end_of(name: str, notes: str) -> str:
    """Return the end of a command's help.

    Args:
        name: The command, or the command and a verb. Verbs have no `ManualPage`.
        notes: Paragraphs to print first, one per line; "" for none.
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
    """Return the text in lines of at most `width()` characters."""
    return textwrap.fill(
        text,
        width(),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def width() -> int:
    """Return the width of the help text: the width of the terminal, at most WIDEST."""
    return max(20, min(_columns() - 2, WIDEST))


def _columns() -> int:
    """Return the columns of the terminal. `shutil.get_terminal_size` is not used, since importing it takes 3 ms."""
    with contextlib.suppress(ValueError):
        if (named := int(os.environ.get("COLUMNS", "0"))) > 0:
            return named
    with contextlib.suppress(AttributeError, OSError, ValueError):  # stdout is closed, or is not a terminal
        if (found := os.get_terminal_size(sys.__stdout__.fileno()).columns) > 0:  # type: ignore[union-attr]
            return found
    return _USUAL_COLUMNS
