"""The phishing lab of `keyfob demo --phishing`: attacks on device logins, for each policy and kind of victim."""

from __future__ import annotations

from typing import Final

from keyfob.cli import output
from keyfob.testing.phishing_lab import POLICIES, VICTIMS, attack, row_of, saves

# The attacks that are printed step by step, each with a policy and a victim.
_STORIES: Final = (
    ("none", "clicks on a link"),
    ("the defaults", "heeds warnings"),
    ("number_back = true", "logs in again"),
    ('nearness = "deny"', "reads numbers out"),
    ("notice = true", "reads the e-mail"),
)
_HEADINGS: Final = ("policy in [tenant.device]", "elsewhere: in if a user", "same network: in if a user")
_CAREFUL: Final = ("heeds warnings", "reads the e-mail")


def run_lab() -> None:
    """Print the steps of some attacks, and then a table of the attacks that succeed under each policy."""
    output.result(
        "A device login is phished (RFC 10027): the page is genuine, the code is fresh, and the attacker waits."
    )
    output.result(
        "No request leaves this process. For each policy and when to use it, see: keyfob help docs/phishing.md"
    )
    for policy, victim in _STORIES:
        output.result("")
        output.result(f"{policy}, a user who {victim}")
        loot = attack(POLICIES[policy], VICTIMS[victim], tell=lambda line: output.result(f"  {line}"))
        end = "is in, until the user has ended the login" if loot.has_ended else "is in" if loot.is_in else "is not in"
        output.result(f"  => the attacker {end}")
    output.result("")
    output.result("What still gets through, for an attacker elsewhere and for one in the user's own network:")
    output.result(_line(_HEADINGS))
    for policy in POLICIES:
        output.result(_line(row_of(policy)))
    for careful in _CAREFUL:
        safe = [policy for policy in POLICIES if saves(policy, careful)]
        output.result("")
        output.result(f"A user who {careful} is safe in the end with: {'; '.join(safe)}")


def _line(cells: tuple[str, ...]) -> str:
    first, second, third = cells
    return f"{first:<27} {second:<27} {third}"
