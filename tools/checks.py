"""Print the order of the checks at /oauth/token and /authorize, and the steps of a login in a browser.

The text comes from the tables of checks that the server runs.

python -m tools.checks            bring docs/checks.md up to date
python -m tools.checks --check    fail if docs/checks.md is not up to date
"""

import sys
from typing import get_args

from keyfob.server.decide.authorization_checks import (
    AUTHORIZATION_CHECKS,
    KINDS,
    KINDS_OF,
    PAR,
    AtCallback,
    AuthorizationCheck,
    NextPage,
    OfDialect,
    OnPage,
)
from keyfob.server.decide.browser_login import PAGE_OF, STEPS
from keyfob.server.decide.check_table import Cell, cells_of
from keyfob.server.decide.token_checks import GRANTS_OF, TOKEN_CHECKS, Step, TokenCheck
from keyfob.server.settings.field_types import SHORT_GRANTS
from tools.source import ROOT, settle, table

PAGE = ROOT / "docs" / "checks.md"
TOP = """\
# The order of checks

The server runs the checks of a table from top to bottom. If a request has several errors, the response reports the
error of the first check that fails. `make docs` generates the tables on this page from the tables in the source:
[`decide/token_checks.py`](../src/keyfob/server/decide/token_checks.py),
[`decide/authorization_checks.py`](../src/keyfob/server/decide/authorization_checks.py) and, for the pages,
[`decide/browser_login.py`](../src/keyfob/server/decide/browser_login.py). [The wire](wire.md#every-refusal) lists the
status, error and text of each outcome.
"""
TOKEN = """\
## /oauth/token

The checks of a code or token run first on a snapshot of its record, and again in the transaction that redeems the code
or token. Therefore two simultaneous requests with the same code get the same responses as two successive requests.
"""
AUTHORIZATION = """\
## /authorize and /oauth/par

In the table, *page* means that a page shows the error to the user, since the redirect URI is not verified yet. Every
other error of /authorize is sent to the redirect URI; /oauth/par returns such an error with status 400. Before these
checks, /oauth/par runs the checks of the client and of the DPoP proof from the table of /oauth/token.
"""

PAGES = """\
## The pages

The pages contain the state of a login in a browser, encrypted ([0027](decisions/0027-a-browser-login-is-one-state.md)).
Each row of the table is an allowed change from one step of the login to the next; no other change is allowed
([picture](reference/diagrams.md#the-steps-of-a-login-in-a-browser)). From the step `factor` on, the state names the
user, the browser session, and the record of the unfinished login (`MfaLogin`), which the tenant creates after the
correct password. The user's connection is checked when the password is verified, at the second factor, when the login
is completed, and when tokens are issued. The response to a form is a redirect with status 303, so that neither a reload
nor "back" sends the form again.
"""


def page() -> str:
    """Return docs/checks.md."""
    names = {full: short for short, full in SHORT_GRANTS.items()}
    heads = [", ".join(f"`{names[grant]}`" for grant in grants) for grants in GRANTS_OF.values()]
    token = [[row.rule, *(_token_cell(row, column) for column in GRANTS_OF)] for row in TOKEN_CHECKS]
    authorization = [[row.rule, *(_kind_cell(row, kind) for kind in KINDS)] for row in AUTHORIZATION_CHECKS]
    parts = [TOP, TOKEN, table(["check", *heads], token), AUTHORIZATION]
    steps = [
        [f"`{step}`", f"`{PAGE_OF[step]}`", f"`{after}`", when]
        for step, row in STEPS.items()
        for after, when in row.items()
    ]
    tables = [table(["check", *KINDS], authorization), PAGES, table(["step", "page", "next step", "when"], steps)]
    return "\n".join([*parts, *tables])


def _token_cell(row: TokenCheck, column: str) -> str:
    found: list[Cell[object]] = [cell for name in (*get_args(Step), column) for cell in cells_of(getattr(row, name))]
    return ", ".join(f"`{cell.outcome}`" for cell in found)


def _kind_cell(row: AuthorizationCheck, kind: str) -> str:
    columns = [getattr(row, column) for column, kinds in KINDS_OF.items() if kind in kinds]
    return ", ".join(_refusal(cell, kind) for cells in columns for cell in cells_of(cells))


def _refusal(cell: object, kind: str) -> str:
    match cell:
        case OnPage():
            return "`invalid_request`" if kind == PAR else "*page*"
        case AtCallback():
            return f"`{cell.error}`"
        case OfDialect() | Cell():
            return f"[`{cell.outcome}`](wire.md#every-refusal)"
        case NextPage():
            return f"the {cell.page} page; with `prompt=none` `{cell.silent}`"
        case _:
            msg = f"no way to print {cell}"
            raise TypeError(msg)


if __name__ == "__main__":
    sys.exit(settle(PAGE, page(), check="--check" in sys.argv, remedy="make docs"))
