"""Generate docs/wire.md, the differences between the two dialects, from the table in `server/wire.py`.

python -m tools.wire            bring docs/wire.md up to date
python -m tools.wire --check    only report whether the page is up to date
"""

import sys

from keyfob.server import wire
from keyfob.server.endpoints.routes import ROUTES
from tools.source import ROOT, settle

PAGE = ROOT / "docs" / "wire.md"
TOP = """\
# The wire, in two dialects

With `wire = "auth0"` (the default), responses have the statuses, errors and texts of Auth0. With `wire = "rfc"`,
responses have the statuses and errors of the standards. `make docs` generates this page from
[`server/wire.py`](../src/keyfob/server/wire.py).

Other differences between the two dialects:

| | `auth0` | `rfc` |
|---|---|---|
| error for an expired device code | `expired_token` once, then `invalid_grant` | `expired_token` for an hour |
| `iss` in authorization responses (RFC 9207) | absent | present, and announced in the metadata |
| port of a native client's loopback redirect URI | compared; ignored with `any_loopback_port` | ignored (RFC 8252 \
§7.3) |
| the members that show when a login ends: `refresh_expires_in` (Keycloak's name), `refresh_token_timeout`, \
`authorization_expires_in` (draft-ietf-oauth-refresh-token-expiration) | absent | present with each refresh token |
| format of access tokens | the API's `profile` | the API's `profile`; some APIs and clients require `rfc9068`, since \
they require the `typ` `at+jwt` |
| introspection (RFC 7662) | enabled only by `introspection = true` | disabled only by `introspection = false` |
| password grants in the metadata | listed if enabled | not listed (RFC 9700 §2.4) |
| a password grant that requires a second factor | `mfa_required` and an `mfa_token` | refused like a wrong password |
| /userinfo for a token without `openid` | 200 and `{}` | 403 `insufficient_scope` |
| response of /oauth/revoke | 200 `application/json`, empty | 200 `application/json`, `{}` |
| accepted audience of a client assertion | the issuer, also with `https` in place of `http` | the issuer only |
| header with the ID of the request | `x-auth0-requestid` | `x-request-id` |

In both dialects, the tenant accepts forms and JSON, treats `null` and `""` as absent, and refuses repeated parameters.
The metadata lists the client authentication method `none` only if an application is public. The tenant accepts a second
slash before `/.well-known/`. If a `request_uri` was not pushed, the tenant refuses the request with the error
`request_uri_not_supported`. Scripts may send the header `mcp-protocol-version` (CORS).

The dialect determines the responses of the endpoints. The `profile` of an API determines the format of its tokens, in
both dialects. Authlib, iddawc and oauth4webapi require `profile = "rfc9068"`.

"""


def page() -> str:
    """Return docs/wire.md."""
    lines = ["## Every refusal", "", "| when | `auth0` | | `rfc` | |", "|---|---|---|---|---|"]
    for outcome, answers in wire.TABLE.items():
        lines.append(f"| `{outcome}` | {' | '.join(_cell(row) for row in answers)} |")
    lines += ["", "## What Auth0 does not document", ""]
    lines += ["Auth0 does not document these values of the dialect `auth0`, so they are assumptions. Each value is a"]
    lines += ["constant in `server/wire.py`.", ""]
    guesses = sorted(name for name in vars(wire) if name.startswith("AUTH0_") and name != "AUTH0_API_REFUSED")
    lines += [f"- `{name}`: {_value(getattr(wire, name))}" for name in guesses]
    lines += ["", "## Addresses", ""]
    for path, (_, methods) in ROUTES.items():
        shown = f"{path}{{id}}" if path.endswith("/") else path
        lines.append(f"- `{shown}`: {', '.join(methods)}")
    return TOP + "\n".join(lines) + "\n"


def _cell(row: wire.Row) -> str:
    status, error, text = row
    return f"{status} {f'`{error}`' if error else ''} | {text or '(no body)'}"


def _value(value: int | str | wire.Row) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(settle(PAGE, page(), check="--check" in sys.argv, remedy="make docs"))
