"""Generate docs/interop.md: third-party clients at the keyfob server, and keyfob at third-party servers.

    python -m tools.interop            bring docs/interop.md up to date
    python -m tools.interop --check    only report whether the page is up to date

A test in tests/wild fills a cell with the decorator `@passes("flow", "client", ..., wires=("rfc",))`; without `wires`
the cell is for both dialects. For servers the decorator is `@logs_in("flow", "server", ...)`. This tool reads the
decorators from the source, so the third-party programs need not be installed.
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
    "requests-oauth2client": "requires `testing=True` for plain http, and the issuer as `aud=` with `private_key_jwt`. "
    "The library omits the device endpoint from the discovered metadata. If the access token is bound to a DPoP key, "
    "the library cannot validate the ID token (1.8 raises `TypeError`: pass `validate=False`).",
    "Authlib": "does not implement the device flow: your program must poll in a loop. To `PrivateKeyJWT`, pass the "
    "issuer and an `exp` that is at most five minutes from now. Authlib does not validate ID tokens.",
    "auth0-python": 'requires `protocol="http"` for plain http. Even then, the library signs client assertions with '
    "the https address of the issuer as audience, which the dialect `auth0` accepts and the dialect `rfc` refuses. The "
    "library does not implement the device flow.",
    "curl": "does not encode the value of `--user` as RFC 6749 App. B requires: send a secret with `+` or `%` in the "
    "body, or encode the secret yourself. Authlib and requests-oauth2client do not encode the header either.",
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
    "oidc-provider": "sends no `interval`, so keyfob polls every five seconds. The server identifies an API by "
    "`resource`: use `--resource`, not `--audience`. In the browser flow, the server drops `offline_access` unless it "
    "asks the user for consent (`prompt=consent`, OpenID Connect Core §11). Without `offline_access` there is no "
    "refresh token, and keyfob reports this. The server sends the authorization response as a form (`form_post`).",
    "glewlwyd": "compares the ports of redirect URIs: register several redirect URIs, and pass the port of each with "
    "`--port`. For a used device code, the server returns `access_denied`, as if the user had declined. The server's "
    "pages have no button to decline. The server refuses requests with 400 or 403 and an empty body. The server does "
    "not decode the Basic header: send a secret with `+` in the body. With `private_key_jwt`, the server accepts only "
    "assertions for its token endpoint, but keyfob's assertions are for the issuer. Only confidential clients with "
    "the client credentials grant can revoke tokens. With the setting `oauth-as-iss-id`, the server escapes the "
    "parameter `iss` of a `form_post` response twice. keyfob then refuses the response, since `iss` is another text "
    "than the issuer.",
    "django-oauth-toolkit": "has no device endpoint in its metadata, and no revocation endpoint in its OpenID Connect "
    "metadata: use `--endpoint device_authorization_endpoint=URL` and `--endpoint revocation_endpoint=URL`. At this "
    "server, a client has only one grant, so the device flow and the browser flow need two clients. The device flow "
    "returns no ID token, so the user is not identified. The server issues tokens again for a used device code.",
}
ELSEWHERE = (
    "A dash means that the program does not implement the flow, or that a test cannot see whether the program handles",
    "it. Auth0 has no introspection and no `iss` in the authorization response, so these are tested with the dialect",
    "`rfc` only.",
)
ELSEWHERE_ON_SERVERS = (
    "A dash means that the server does not support the flow, or that a note below explains the missing test. glewlwyd",
    "is Debian's package, unpacked but not installed; the tests of glewlwyd are skipped on systems without apt.",
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
    """Yield the flow, program and dialect of each decorator with the given name in a file."""
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
    """Return the text of a cell: the dialects in which a flow passes."""
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
        "`make docs` generates this page from the tests in `tests/wild`. `make test` runs these tests on one machine,",
        "each program in its own process.",
        "",
        "## Clients at the keyfob server",
        "",
        "In these tests, third-party programs log in at a keyfob server, and a scripted user opens the server's pages.",
        "*Both* means that the tests pass with the dialects `auth0` and `rfc`.",
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
        "In these tests, `keyfob.login` logs in at unmodified servers, and a scripted user opens the server's pages.",
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
