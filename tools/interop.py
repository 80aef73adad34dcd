"""List the flows that foreign clients pass at our tenant, and those by which keyfob logs in at foreign servers.

    python -m tools.interop            bring docs/interop.md up to date
    python -m tools.interop --check    only report whether it is

A cell is filled by a test in tests/wild with the mark `@passes("flow", "client", ..., wires=("rfc",))`; without `wires`
it is for both dialects. For servers the mark is `@logs_in("flow", "server", ...)`. The marks are read from the source,
so the page can be made without the programs.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from tools import judged
from tools.source import ROOT, TESTS, settle

PAGE = ROOT / "docs" / "interop.md"
WILD = TESTS / "wild"
PEERS = WILD / "peers"
Cells = dict[str, dict[str, set[str]]]
BOTH = ("auth0", "rfc")
CLIENTS = ("openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")

# From the first request to the last.
FLOWS = (
    "discovery",
    "device",
    "device, too fast",
    "device, declined",
    "code",
    "code, confidential",
    "code, iss",
    "code, declined",
    "wrong verifier",
    "PAR",
    "client credentials, Basic",
    "client credentials, Basic with +",
    "client credentials, post",
    "client credentials, private_key_jwt",
    "wrong secret",
    "password",
    "password-realm",
    "password, wrong",
    "password, guessed",
    "refresh",
    "userinfo",
    "introspection",
    "revoke",
    "DPoP",
)

# Peculiarities of each client that these tests have shown.
NOTES = {
    "openid-client": "wants `allowInsecureRequests` for plain http.",
    "oauth4webapi": "retries nothing: a nonce for DPoP is asked for and sent again by the caller.",
    "requests-oauth2client": "wants `testing=True` for plain http, and `aud=` the issuer with `private_key_jwt`; "
    "leaves the device endpoint out of what it discovers; cannot judge an ID token that comes with a DPoP-bound token "
    "(1.8 raises `TypeError`: pass `validate=False`).",
    "Authlib": "has no device login of its own: poll in a loop. Give `PrivateKeyJWT` the issuer and an `exp` within "
    "five minutes. It keeps ID tokens as they come.",
    "auth0-python": 'wants `protocol="http"` for plain http, and then still signs assertions for https, which the '
    "dialect `auth0` takes and `rfc` does not. It has no device login.",
    "curl": "does not escape what `--user` is given: a secret with `+` or `%` goes into the body, or is escaped by "
    "hand (RFC 6749 App. B). So it is with Authlib and requests-oauth2client in the header.",
}
SERVERS = ("oidc-provider", "glewlwyd", "django-oauth-toolkit")

LOGINS = (
    "device",
    "device, declined",
    "device, too fast",
    "device, nobody comes",
    "device, code used twice",
    "device, code of another program",
    "device, unknown program",
    "device, confidential",
    "code",
    "code, confidential",
    "code, consent",
    "code, declined",
    "client credentials, Basic",
    "client credentials, Basic with +",
    "client credentials, post",
    "client credentials, private_key_jwt",
    "client credentials, tls_client_auth",
    "client credentials, self_signed_tls_client_auth",
    "wrong secret",
    "refresh, a new one each time",
    "refresh, the same for ever",
    "userinfo",
    "its tokens, judged by keyfob.guard",
    "revoke",
    "revoke, confidential",
    "revoke, refused",
    "keyfob login, by device",
    "keyfob login, by browser",
    "keyfob login, as a machine",
)

# Peculiarities of each server that these tests have shown.
NOTES_ON_SERVERS = {
    "oidc-provider": "names no `interval`, so keyfob asks every five seconds. It knows an API as `resource`: say "
    "`--resource` and not `--audience`. In the browser it drops `offline_access` where the person is not asked "
    "(`prompt=consent`, OpenID Connect Core §11): there is no refresh token then, and keyfob says so. Its answer "
    "comes in a form (`form_post`).",
    "glewlwyd": "compares ports: register some, and say `--port` for each. It says `access_denied` of a device "
    "code that was spent, which reads as if the person had declined; nobody can decline there. It refuses with 400 "
    "or 403 and an empty body. It does not undo the escapes of a Basic header: let a secret with `+` travel in the "
    "body. As `private_key_jwt` it takes none but assertions for its token endpoint, and ours are for the issuer. "
    "It lets no public program revoke, and of the others those that may log in as machines. With `oauth-as-iss-id` "
    "it escapes the issuer twice in a form, and keyfob refuses that.",
    "django-oauth-toolkit": "says nothing of its device endpoint, and in what it publishes for OpenID Connect "
    "nothing of revocation: say `--endpoint device_authorization_endpoint=URL` and `--endpoint "
    "revocation_endpoint=URL`. A program has one grant there, so a login by code and one by browser are two "
    "programs. No ID token comes from a login by code, so nobody is named. It gives tokens again for a device code "
    "that has brought some.",
}
ELSEWHERE = (
    "Where a dash stands, the program has no such flow of its own, or keeps nothing that a test could look at. Auth0",
    "has no introspection and does not name itself in the answer of the browser (`iss`), so those are `rfc` alone.",
)
ELSEWHERE_ON_SERVERS = (
    "Where a dash stands, the server has no such thing, or it is told below. glewlwyd is Debian's, unpacked and not",
    "installed; where there is no apt, its tests are skipped.",
)


def words(node: ast.expr) -> str:
    """Return a plain string of the source.

    Raises:
        SystemExit: It is an expression.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise SystemExit(f"tests/wild, line {node.lineno}: @passes takes plain strings")


def cells_in(path: Path, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the flow, program and dialect of each mark of that name in a file."""
    for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else []:
            if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == name:
                flow, *programs = map(words, mark.args)
                named = [word.value for word in mark.keywords if word.arg == "wires"]
                wires = [words(item) for item in named[0].elts] if named and isinstance(named[0], ast.Tuple) else BOTH
                yield from ((flow, program, wire) for program in programs for wire in wires)


def cells(name: str, flows: tuple[str, ...], programs: tuple[str, ...]) -> Cells:
    """Return for each flow and program the dialects in which it passes.

    Raises:
        SystemExit: The marks and the lists above differ.
    """
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted(WILD.glob("test_*.py")):
        for flow, program, wire in cells_in(path, name):
            found[flow][program].add(wire)
    if unlike := ({program for row in found.values() for program in row} ^ set(programs)) | (set(found) ^ set(flows)):
        raise SystemExit(f"tests/wild and tools/interop.py do not agree on {min(unlike)!r}")
    return {flow: dict(row) for flow, row in found.items()}


def versions() -> dict[str, str]:
    """Return the pinned versions, by name in lower case."""
    pins = (ROOT / "requirements" / "peers.txt").read_text(encoding="utf-8").splitlines()
    found = dict(line.split()[0].split("==") for line in pins if "==" in line and not line.startswith((" ", "#")))
    manifest = cast("dict[str, dict[str, str]]", json.loads((PEERS / "package.json").read_text(encoding="utf-8")))
    return found | manifest["dependencies"]


def shown(wires: set[str]) -> str:
    """Return the text of a cell."""
    return "both" if wires == set(BOTH) else ", ".join(sorted(wires)) or "–"


def rows(table: Cells, flows: tuple[str, ...], programs: tuple[str, ...], show: Callable[[set[str]], str]) -> list[str]:
    """Return a table in Markdown."""
    pinned = versions()
    titles = [f"{program} {pinned.get(program.lower(), '')}".strip() for program in programs]
    return [
        f"| flow | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(programs)}",
        *(f"| {flow} | {' | '.join(show(table[flow].get(one, set())) for one in programs)} |" for flow in flows),
    ]


def page() -> str:
    """Return docs/interop.md.

    Raises:
        SystemExit: The marks and the lists above differ.
    """
    passed, logged_in = cells("passes", FLOWS, CLIENTS), cells("logs_in", LOGINS, SERVERS)
    lines = [
        "# keyfob beside programs of others",
        "",
        "Made by `make docs` from the tests in `tests/wild`, which `make test` runs, all on this machine, each",
        "program in a process of its own.",
        "",
        "## Programs at our tenant",
        "",
        "A person goes through the real pages. *Both* means the dialects `auth0` and `rfc`.",
        "",
        *rows(passed, FLOWS, CLIENTS, shown),
        "",
        *ELSEWHERE,
        "",
        "What to know:",
        "",
        *(f"- {client} {note}" for client, note in NOTES.items()),
        "",
        *judged.section(WILD, versions()),
        "## Servers that keyfob logs in at",
        "",
        "Servers as they come, with a person who goes through *their* pages; `keyfob.login` on this side.",
        "",
        *rows(logged_in, LOGINS, SERVERS, lambda wires: "yes" if wires else "–"),
        "",
        *ELSEWHERE_ON_SERVERS,
        "",
        "What to know:",
        "",
        *(f"- {server} {note}" for server, note in NOTES_ON_SERVERS.items()),
        "",
    ]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Run the command line."""
    return settle(PAGE, page(), check="--check" in words, remedy="make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
