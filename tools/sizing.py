"""Write the figures of docs/sizing.md and its plot from docs/sizing.json, which the benchmarks save.

    python -m tools.sizing            bring docs/sizing.md and docs/sizing.svg up to date
    python -m tools.sizing --check    only report whether they are up to date

The text of the page is written by hand, except for the figures between `<!-- figures: NAME -->` and `<!-- end -->`.
"""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from tools.source import ROOT, settle

DATA: Final = ROOT / "docs" / "sizing.json"
PAGE: Final = ROOT / "docs" / "sizing.md"
PLOT: Final = ROOT / "docs" / "sizing.svg"
BLOCK: Final = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
STORES: Final = ("SQLite", "PostgreSQL")
PEER: Final = "oidc-provider"
BIGGEST: Final = "1000000"
Found = Mapping[str, Any]

# The assumptions of the arithmetic, as the page states them.
ACTIVE: Final = 0.2  # of the users, on one day
PROGRAMS: Final = 2  # of each user, each with a refresh token
REFRESHES: Final = 16  # of an active user on a day: two programs, eight hours, access tokens for an hour
LOGINS: Final = 0.1  # of an active user on a day
POLLS: Final = 12  # of one login: a minute, every five seconds
PEAK: Final = 0.2  # of a day's work, in its busiest hour
BUSY: Final = 0.5  # of a core, at most
USERS: Final = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def table(head: str, rows: list[list[object]]) -> str:
    columns = head.count("|") + 1
    lines = [f"| {head} |", "|" + " --- |" * columns, *(f"| {' | '.join(map(str, row))} |" for row in rows)]
    return "\n".join(lines) + "\n"


def seconds(found: Found, work: str, store: str) -> tuple[float, float]:
    """Return the processor seconds of one request at the node and at its database."""
    if work == "login with a password":  # in memory, without HTTP, which is little beside the hash of the password
        one = found["scale"]["cpu"]["login"][store][BIGGEST]
        return one["node_us"] / 1e6, one["database_us"] / 1e6
    one = found["http"]["work"][work][store]
    return 1 / one["rate"], one["database_us"] / 1e6 if store == "PostgreSQL" else 0.0


def work(found: Found) -> str:
    """Return the table of requests for a second of processor time."""
    head = (
        "requests | SQLite, /s | PostgreSQL: node, /s | PostgreSQL: database, /s | oidc-provider, /s | "
        "PostgreSQL, node and database | SQLite | PostgreSQL"
    )
    rows: list[list[object]] = []
    for name in (*found["http"]["work"], "login with a password"):
        (one, _), (node, database) = (seconds(found, name, store) for store in STORES)
        peer = found["http"]["work"].get(name, {}).get(PEER)
        in_database = f"{1 / database:,.0f}" if database > 1e-4 else "–"
        row = [name, _rate(one), _rate(node), in_database]
        peers = ["", "", ""]
        if peer:
            beside = [f"{1 / own / peer['rate']:.2f} × {PEER}" for own in (one, node + database)]
            peers = [f"{peer['rate']:,.0f}", *beside]
        rows.append([*row, peers[0], f"{one / (node + database):.2f} × SQLite", *peers[1:]])
    return table(head, rows)


def growth(found: Found) -> str:
    """Return the table of processor times with many rows in the store, compared with an empty store."""
    rows: list[list[object]] = []
    for name in ("refresh", "poll"):
        for store in STORES:
            sizes = found["scale"]["cpu"][name][store]
            for size in sorted(sizes, key=int)[1:]:
                low, middle, high = sizes[size]["ratio"]
                rows.append([name, store, f"{int(size):,}", f"{middle:.2f} ×", f"{low:.2f}–{high:.2f}"])
    return table("request | store | refresh logins | processor time compared with an empty store | middle half", rows)


def stalls(found: Found) -> str:
    """Return the table of the stalls of the event loop."""
    rows: list[list[object]] = [
        [name, *(f"{one[at]:.0f}" for at in ("longest_ms", "p999_ms", "over_20_ms", "slowest_answer_ms"))]
        for name, one in found["scale"]["stalls"].items()
    ]
    return table("store | longest, ms | 99.9 % below, ms | longer than 20 ms | slowest answer, ms", rows)


def rows(found: Found) -> str:
    """Return the table of the bytes of each kind of row."""
    sizes = found["scale"]["bytes"]
    lines: list[list[object]] = [[name, *(f"{sizes[at][name]:.0f}" for at in STORES)] for name in sizes["SQLite"]]
    return table("rows of | SQLite, bytes | PostgreSQL, bytes", lines)


def peak(users: int) -> dict[str, float]:
    """Return the rate of each kind of request in a tenant's busiest hour, in requests a second."""
    day = users * ACTIVE * PEAK / 3600
    logins = day * LOGINS
    return {
        "login with a password": logins,
        "device request": logins,
        "pending poll": logins * POLLS,
        "refresh with rotation": day * REFRESHES,
    }


def cores(found: Found, users: int, store: str) -> tuple[float, float]:
    """Return the busy cores of all nodes, and those of the database, in the busiest hour."""
    needed = [(rate, *seconds(found, name, store)) for name, rate in peak(users).items()]
    return sum(rate * node for rate, node, _ in needed), sum(rate * database for rate, _, database in needed)


def stored(found: Found, users: int, store: str) -> float:
    """Return the bytes of a tenant without its audit log."""
    row: dict[str, float] = found["scale"]["bytes"][store]
    return users * (row["users"] + PROGRAMS * row["refresh logins"] + ACTIVE * row["sessions"])


def example(found: Found) -> str:
    """Return the table of rates, nodes, cores and data for tenants of several sizes."""
    lines: list[list[object]] = []
    for users in USERS:
        rate = peak(users)
        (alone, _), (node, database) = (cores(found, users, store) for store in STORES)
        events = users * ACTIVE * (REFRESHES + LOGINS)
        logged = events * found["scale"]["bytes"]["PostgreSQL"]["audit events"]
        lines.append([
            f"{users:,}",
            *(f"{rate[name]:,.1f}" for name in ("login with a password", "pending poll", "refresh with rotation")),
            f"{alone:.2f} of a core" if alone <= BUSY else "–",
            math.ceil(node / BUSY) + 1, math.ceil(database / BUSY),
            _bytes(stored(found, users, "PostgreSQL")), _bytes(logged),
        ])  # fmt: skip
    head = (
        "users | logins/s | polls/s | refreshes/s | SQLite | PostgreSQL: nodes | cores of the database | stored data | "
        "audit log of a day"
    )
    return table(head, lines)


def machine(found: Found) -> str:
    """Return the lines about the machine and the versions of the measurements."""
    scale, http = found["scale"], found["http"]
    growth = f"- growth, stalls, bytes, and logins with a password: {scale['machine']}; {scale['versions']}"
    return f"{growth}\n- requests over HTTP: {http['machine']}\n"


def plot(found: Found) -> str:
    """Return the plot: processor time of a request by the number of refresh logins, in light and dark."""
    left, top, width, height = 64, 24, 420, 220
    lines = [(name, store, found["scale"]["cpu"][name][store]) for name in ("refresh", "poll") for store in STORES]
    sizes = sorted(lines[0][2], key=int)
    spent: dict[tuple[str, str], list[float]] = {
        (name, store): [(one[size]["node_us"] + one[size]["database_us"]) / 1000 for size in sizes]
        for name, store, one in lines
    }
    most = math.ceil(max(map(max, spent.values())))
    first, last = math.log10(int(sizes[0])), math.log10(int(sizes[-1]))
    across = [left + width * (math.log10(int(size)) - first) / (last - first) for size in sizes]

    def up(value: float) -> float:
        return top + height - height * value / most

    parts = [
        f'<text x="{left}" y="14">processor time of a request, node and database, ms</text>',
        f'<text x="{left + width / 2}" y="{top + height + 40}" text-anchor="middle">refresh logins in the store</text>',
    ]
    for value in range(most + 1):
        parts.append(f'<path class="grid" d="M{left} {up(value):.0f}h{width}"/>')
        parts.append(f'<text x="{left - 8}" y="{up(value) + 4:.0f}" text-anchor="end">{value}</text>')
    for size, at in zip(sizes, across, strict=True):
        parts.append(f'<text x="{at:.0f}" y="{top + height + 20}" text-anchor="middle">{int(size):,}</text>')
    for (name, store), values in spent.items():
        kind = f"{name} {store.lower()}"
        points = [(f"{at:.0f}", f"{up(value):.1f}") for at, value in zip(across, values, strict=True)]
        parts.append(f'<polyline class="{kind}" points="{" ".join(map(",".join, points))}"/>')
        parts += [f'<circle class="{kind}" cx="{at}" cy="{above}" r="3"/>' for at, above in points]
    below = math.inf  # names of lines that end close to each other are set apart, from the lowest up
    for (name, store), values in sorted(spent.items(), key=lambda one: one[1][-1]):
        below = min(up(values[-1]) + 4, below - 14)
        parts.append(f'<text x="{left + width + 10}" y="{below:.0f}">{name}, {store}</text>')
    style = (
        "text{font:12px sans-serif;fill:#333}.grid{stroke:#ccc}polyline{fill:none;stroke-width:2}"
        ".sqlite{stroke:#0b62a8}.postgresql{stroke:#a34a00}circle.sqlite{fill:#0b62a8}circle.postgresql{fill:#a34a00}"
        ".poll{stroke-dasharray:5 4}circle{stroke-dasharray:none}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}"
        ".sqlite{stroke:#6cb6ff}.postgresql{stroke:#ffa657}circle.sqlite{fill:#6cb6ff}circle.postgresql{fill:#ffa657}}"
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {top + height + 52}" role="img">\n'
        f"<title>Processor time of a refresh and of a pending poll, by the number of logins in the store</title>\n"
        f"<style>{style}</style>\n{body}\n</svg>\n"
    )


FIGURES: Final[dict[str, Callable[[Found], str]]] = {
    "machine": machine, "work": work, "growth": growth, "stalls": stalls, "rows": rows, "example": example,
}  # fmt: skip


def page(found: Found, text: str) -> str:
    """Return the page with the present figures."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{FIGURES[block[2]](found)}\n{block[3]}", text)


def _rate(one: float) -> str:
    return f"{1 / one:,.0f}" if one < 0.01 else f"{1 / one:.1f}"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def main(*, check: bool) -> int:
    """Write the page and the plot, or check whether they are up to date."""
    found = json.loads(DATA.read_text(encoding="utf-8"))
    fresh = {PAGE: page(found, PAGE.read_text(encoding="utf-8")), PLOT: plot(found)}
    return max(settle(path, text, check=check, remedy="make docs") for path, text in fresh.items())


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
