"""Tell which program of others passes which flow at the tenant.

    python -m tools.interop            bring docs/interop.md up to date
    python -m tools.interop --check    only say whether it is

A cell stands when a test in tests/wild says so with `@passes("flow", "client", ..., wires=("rfc",))`; both dialects
where no `wires` are named. The words are read from the source, so the page can be made without the programs.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from tools import judged
from tools.house import ROOT, TESTS, settle

PAGE = ROOT / "docs" / "interop.md"
WILD = TESTS / "wild"
PEERS = WILD / "peers"
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

# What a reader should know of a program before it meets a tenant, seen in these tests.
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
ELSEWHERE = (
    "Where a dash stands, the program has no such flow of its own, or keeps nothing that a test could look at. Auth0",
    "has no introspection and does not name itself in the answer of the browser (`iss`), so those are `rfc` alone.",
)


def words(node: ast.expr) -> str:
    """Return a plain string of the source.

    Raises:
        SystemExit: It is something else, which cannot be read without running it.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise SystemExit(f"tests/wild, line {node.lineno}: @passes takes plain strings")


def cells_in(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each flow, client and dialect that the tests of a file stand for."""
    for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else []:
            if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "passes":
                flow, *clients = map(words, mark.args)
                named = [word.value for word in mark.keywords if word.arg == "wires"]
                wires = [words(item) for item in named[0].elts] if named and isinstance(named[0], ast.Tuple) else BOTH
                yield from ((flow, client, wire) for client in clients for wire in wires)


def cells() -> dict[str, dict[str, set[str]]]:
    """Return for each flow and client the dialects in which it passes."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted(WILD.glob("test_*.py")):
        for flow, client, wire in cells_in(path):
            found[flow][client].add(wire)
    return {flow: dict(clients) for flow, clients in found.items()}


def versions() -> dict[str, str]:
    """Return what is pinned, by name in lower case."""
    pins = (ROOT / "requirements" / "peers.txt").read_text(encoding="utf-8").splitlines()
    found = dict(line.split()[0].split("==") for line in pins if "==" in line and not line.startswith((" ", "#")))
    manifest = cast("dict[str, dict[str, str]]", json.loads((PEERS / "package.json").read_text(encoding="utf-8")))
    return found | manifest["dependencies"]


def shown(wires: set[str]) -> str:
    """Return what stands in a cell."""
    return "both" if wires == set(BOTH) else ", ".join(sorted(wires)) or "–"


def page() -> str:
    """Return docs/interop.md.

    Raises:
        SystemExit: A test names what is not on the lists, or no test names what is.
    """
    table, pinned = cells(), versions()
    if unlike := ({client for row in table.values() for client in row} ^ set(CLIENTS)) | (set(table) ^ set(FLOWS)):
        raise SystemExit(f"tests/wild and tools/interop.py do not agree on {min(unlike)!r}")
    titles = [f"{client} {pinned.get(client.lower(), '')}".strip() for client in CLIENTS]
    lines = [
        "# Programs of others, at our tenant",
        "",
        "Made by `make docs` from the tests in `tests/wild`, which `make test` runs: each starts the program in a",
        "process of its own, against a tenant on this machine, with a person who goes through the real pages. *Both*",
        "means the dialects `auth0` and `rfc`.",
        "",
        f"| flow | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(CLIENTS)}",
        *(f"| {flow} | {' | '.join(shown(table[flow].get(client, set())) for client in CLIENTS)} |" for flow in FLOWS),
        "",
        *ELSEWHERE,
        "",
        "## What to know",
        "",
        *(f"- {client} {note}" for client, note in NOTES.items()),
        "",
        *judged.section(WILD, pinned),
    ]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    """Do what the words on the command line say."""
    return settle(PAGE, page(), check="--check" in words, remedy="make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
