"""Generate docs/interop.md: third-party clients at the keyfob server, and keyfob at third-party servers.

    python -m tools.interop            bring docs/interop.md up to date
    python -m tools.interop --check    only report whether it is

A test in tests/wild fills a cell with the decorator `@passes("flow", "client", ..., wires=("rfc",))`; without `wires`
it is for both dialects. For servers the decorator is `@logs_in("flow", "server", ...)`. The decorators are read from
the source, so the programs are not needed.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from tools import verifiers
from tools.source import ROOT, TESTS, settle

PAGE = ROOT / "docs" / "interop.md"
WILD = TESTS / "wild"
PEERS = WILD / "peers"
Cells = dict[str, dict[str, set[str]]]
BOTH = ("auth0", "rfc")
CLIENTS = ("openid-client", "oauth4webapi", "requests-oauth2client", "Authlib", "auth0-python", "curl")

# In the order of the table.
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

# Properties of each client that these tests have shown.
NOTES = {
    "openid-client": "requires `allowInsecureRequests` for plain http.",
    "oauth4webapi": "does not retry a request that needs a DPoP nonce: the caller sends it again.",
    "requests-oauth2client": "requires `testing=True` for plain http, and `aud=` the issuer with `private_key_jwt`. It "
    "omits the device endpoint from the discovered metadata. It cannot validate an ID token that is issued with a "
    "DPoP-bound token (1.8 raises `TypeError`: pass `validate=False`).",
    "Authlib": "does not implement the device flow: poll in a loop. Give `PrivateKeyJWT` the issuer and an `exp` "
    "within five minutes. It does not validate ID tokens.",
    "auth0-python": 'requires `protocol="http"` for plain http. It still signs client assertions for https, which the '
    "dialect `auth0` accepts and `rfc` does not. It does not implement the device flow.",
    "curl": "does not encode the value of `--user`: send a secret with `+` or `%` in the body, or encode it yourself "
    "(RFC 6749 App. B). Authlib and requests-oauth2client do not encode it in the header either.",
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

# Properties of each server that these tests have shown.
NOTES_ON_SERVERS = {
    "oidc-provider": "sends no `interval`, so keyfob polls every five seconds. It identifies an API by `resource`: use "
    "`--resource` instead of `--audience`. In the browser it drops `offline_access` if the user is not asked for "
    "consent (`prompt=consent`, OpenID Connect Core §11). There is no refresh token then, and keyfob reports that. Its "
    "authorization response is a form (`form_post`).",
    "glewlwyd": "compares the ports of redirect URIs: register some of them, and pass `--port` for each. It answers "
    "`access_denied` for a spent device code, which looks as if the user had declined; its pages have no way to "
    "decline. It refuses with 400 or 403 and an empty body. It does not decode the Basic header: send a secret with "
    "`+` in the body. With `private_key_jwt` it accepts only assertions for its token endpoint, and those of keyfob "
    "are for the issuer. Only confidential clients with the client credentials grant can revoke tokens. With "
    "`oauth-as-iss-id` it encodes the issuer twice in a form, and keyfob "
    "refuses that.",
    "django-oauth-toolkit": "has no device endpoint in its metadata, and no revocation endpoint in its OpenID Connect "
    "metadata: use `--endpoint device_authorization_endpoint=URL` and `--endpoint revocation_endpoint=URL`. A client "
    "has one grant there, so the device flow and the browser flow need two clients. The device flow returns no ID "
    "token, so the user is not identified. It issues tokens again for a spent device code.",
}
ELSEWHERE = (
    "A dash means that the program does not implement the flow, or that it stores nothing that a test can check. Auth0",
    "has no introspection and no `iss` in the authorization response, so only `rfc` is tested there.",
)
ELSEWHERE_ON_SERVERS = (
    "A dash means that the server does not support the flow, or that a note below explains it. glewlwyd is the package",
    "of Debian, unpacked and not installed; its tests are skipped on systems without apt.",
)


def plain(node: ast.expr) -> str:
    """Return the string that a node stands for.

    Raises:
        SystemExit: The node is not a plain string.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise SystemExit(f"tests/wild, line {node.lineno}: @passes takes plain strings")


def cells_in(path: Path, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the flow, program and dialect of each decorator of that name in a file."""
    for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for decorator in test.decorator_list if isinstance(test, ast.FunctionDef) else []:
            if isinstance(call := decorator, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
                flow, *programs = map(plain, call.args)
                named = [word.value for word in call.keywords if word.arg == "wires"]
                wires = [plain(item) for item in named[0].elts] if named and isinstance(named[0], ast.Tuple) else BOTH
                yield from ((flow, program, wire) for program in programs for wire in wires)


def cells(name: str, flows: tuple[str, ...], programs: tuple[str, ...]) -> Cells:
    """Return the dialects in which each program passes each flow.

    Raises:
        SystemExit: The decorators and the lists above differ.
    """
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted(WILD.glob("test_*.py")):
        for flow, program, wire in cells_in(path, name):
            found[flow][program].add(wire)
    if different := ({program for row in found.values() for program in row} ^ set(programs)) | (
        set(found) ^ set(flows)
    ):
        raise SystemExit(f"tests/wild and tools/interop.py do not agree on {min(different)!r}")
    return {flow: dict(row) for flow, row in found.items()}


def versions() -> dict[str, str]:
    """Return the pinned version of each program, by its name in lower case."""
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
        SystemExit: The decorators and the lists above differ.
    """
    passed, logged_in = cells("passes", FLOWS, CLIENTS), cells("logs_in", LOGINS, SERVERS)
    lines = [
        "# Interoperability",
        "",
        "Generated by `make docs` from the tests in `tests/wild`. `make test` runs them on one machine, each program in",
        "its own process.",
        "",
        "## Clients at the keyfob server",
        "",
        "A scripted user opens the real pages. *Both* means the dialects `auth0` and `rfc`.",
        "",
        *rows(passed, FLOWS, CLIENTS, shown),
        "",
        *ELSEWHERE,
        "",
        "Notes:",
        "",
        *(f"- {client} {note}" for client, note in NOTES.items()),
        "",
        *verifiers.section(WILD, versions()),
        "## keyfob at other servers",
        "",
        "`keyfob.login` logs in at unmodified servers. A scripted user opens the pages of the server.",
        "",
        *rows(logged_in, LOGINS, SERVERS, lambda wires: "yes" if wires else "–"),
        "",
        *ELSEWHERE_ON_SERVERS,
        "",
        "Notes:",
        "",
        *(f"- {server} {note}" for server, note in NOTES_ON_SERVERS.items()),
        "",
    ]
    return "\n".join(lines)


def main(words: list[str]) -> int:
    return settle(PAGE, page(), check="--check" in words, remedy="make docs")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
