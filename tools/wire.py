"""Make docs/wire.md, the differences between the two dialects, from the table in `server/wire.py`.

python -m tools.wire            bring docs/wire.md up to date
python -m tools.wire --check    only report whether it is
"""

import sys

from keyfob.server import wire
from keyfob.server.endpoints.routes import ROUTES
from tools.source import ROOT, settle

PAGE = ROOT / "docs" / "wire.md"
TOP = """\
# The wire, in two dialects

`wire = "auth0"` (the default) answers with Auth0's statuses, errors and texts; `wire = "rfc"` with those of the
standards. This page is made from [`server/wire.py`](../src/keyfob/server/wire.py) by `make docs`.

Beyond the table:

| | `auth0` | `rfc` |
|---|---|---|
| a lapsed device code | `expired_token` once, then `invalid_grant` | `expired_token` for an hour |
| `iss` in authorization answers (RFC 9207) | no | yes, and announced |
| port of a native program's loopback callback | counts, unless `any_loopback_port` | does not matter (RFC 8252 §7.3) |
| `refresh_expires_in`, the life of a refresh token | not told | told with each |
| introspection (RFC 7662) | off, unless `introspection` | on, unless switched off |
| password grants in the metadata | listed where they are on | never listed (RFC 9700 §2.4) |
| a second factor is due in a password grant | `mfa_required` and an `mfa_token` | refused like a wrong password |
| /userinfo for a token without `openid` | 200 and `{}` | 403 `insufficient_scope` |
| /oauth/revoke answers | 200, empty | 200, `{}` |
| audience of a client assertion | the issuer; `https` is taken for `http` too | the issuer, alone |
| the request's name | `x-auth0-requestid` | `x-request-id` |

Both take forms and JSON, count `null` and `""` as absent, and refuse repeated parameters.

"""


def page() -> str:
    """Return docs/wire.md."""
    lines = ["## Every refusal", "", "| when | `auth0` | | `rfc` | |", "|---|---|---|---|---|"]
    for outcome, answers in wire.TABLE.items():
        lines.append(f"| `{outcome}` | {' | '.join(_cell(row) for row in answers)} |")
    lines += ["", "## What Auth0 leaves unsaid", ""]
    lines += ["Guesses, each a constant in `server/wire.py`; correct it there.", ""]
    guesses = sorted(name for name in vars(wire) if name.startswith("AUTH0_") and name != "AUTH0_API_REFUSED")
    lines += [f"- `{name}`: {_told(getattr(wire, name))}" for name in guesses]
    lines += ["", "## Addresses", ""]
    for path, (_, methods) in ROUTES.items():
        shown = f"{path}{{id}}" if path.endswith("/") else path
        lines.append(f"- `{shown}`: {', '.join(methods)}")
    return TOP + "\n".join(lines) + "\n"


def _cell(row: wire.Row) -> str:
    status, error, text = row
    return f"{status} {f'`{error}`' if error else ''} | {text or '(no body)'}"


def _told(value: int | str | wire.Row) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(settle(PAGE, page(), check="--check" in sys.argv, remedy="make docs"))
