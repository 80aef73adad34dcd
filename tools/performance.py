"""Write the figures of docs/performance.md and its plot from docs/sizing.json, which the benchmarks save.

    python -m tools.performance            bring docs/performance.md and docs/performance.svg up to date
    python -m tools.performance --check    only report whether they are up to date

`make performance` runs the benchmarks before it runs this tool. The text around the figures is written by hand.
"""

import json
import sys
from collections.abc import Callable
from typing import Final

from tools.sizing import BLOCK, DATA, Found, table
from tools.source import ROOT, settle

PAGE: Final = ROOT / "docs" / "performance.md"
PLOT: Final = ROOT / "docs" / "performance.svg"
NOW, BEFORE, PEER = "SQLite", "SQLite, before", "oidc-provider"
SERVERS: Final = {NOW: "keyfob", BEFORE: "keyfob, before", PEER: PEER, "zitadel/oidc": "zitadel/oidc"}
MINT_RS256_MORE_US: Final = 55  # than the signature itself
IN_PROCESS: Final = {
    "healthz": 20.0, "pending poll": 32.0, "mint ES256": 85.0, "device request, 32 at once": 75.0,
    "refresh with rotation, 32 at once": 430.0,
}  # fmt: skip
OVER_HTTP: Final = {
    "mint RS256": 1.4, "mint ES256": 1.8, "pending poll": 2.2, "device request": 1.5, "refresh with rotation": 1.5,
}  # fmt: skip
REFRESH_ON_POSTGRESQL: Final = 1.0
ONE_NODE, TWO_NODES = "PostgreSQL", "PostgreSQL, two nodes"
TWO_OF_ONE: Final = 1.7
OF_RAW_RS256: Final = 0.6
P99: Final = 0.5


def machine(found: Found) -> str:
    """Return the lines about the measuring machine, and about the servers and the revision compared."""
    http, stages = found["http"], found["stages"]
    others = "; ".join(f"{name} {version}" for name, version in http["versions"].items())
    return (
        f"- in process: {stages['machine']}\n- over HTTP: {http['machine']}; {others}\n"
        f"- before: revision {stages['base'] or http['base']}\n"
    )


def in_process(found: Found) -> str:
    """Return the table of whole requests in process, before and now, with their aims."""
    works, base = found["stages"]["works"], found["stages"]["base"]
    rows: list[list[object]] = []
    for name, row in works.items():
        aim = aim_us(found, name)
        before = [f"{row[base]:.0f}", f"{row[base] / row['now']:.2f} ×"] if base else ["–", "–"]
        met = "" if aim is None else verdict(is_met=row["now"] <= aim)
        shown = "–" if aim is None else f"≤ {aim:.0f}"
        rows.append([name, before[0], f"{row['now']:.0f}", before[1], shown, met])
    return table("request | before, us | now, us | faster | aim, us | met", rows)


def aim_us(found: Found, name: str) -> float | None:
    """Return the aim for a request in process, in microseconds, or None if there is no aim."""
    if name == "mint RS256":
        signature: float = found["stages"]["stages"]["bare RS256"]["now"]
        return signature + MINT_RS256_MORE_US
    return IN_PROCESS.get(name)


def stages(found: Found) -> str:
    """Return the table of the stages of a poll and a client credentials request, before and now."""
    base = found["stages"]["base"]
    rows: list[list[object]] = [
        [name, f"{row[base]:.1f}" if base in row else "–", f"{row['now']:.1f}"]
        for name, row in found["stages"]["stages"].items()
    ]
    return table("stage | before, us | now, us", rows)


def over_http(found: Found) -> str:
    """Return the table of requests for a second of processor time, compared with oidc-provider."""
    rows: list[list[object]] = []
    for work, servers in found["http"]["work"].items():
        for name, one in servers.items():
            low, middle, high = one["ratios"][0], one["ratios"][len(one["ratios"]) // 2], one["ratios"][-1]
            aim = aim_ratio(work, name)
            shown, met = ("–", "") if aim is None else (f"≥ {aim:.1f}", verdict(is_met=middle >= aim))
            server = SERVERS.get(name, f"keyfob on {name}")
            rows.append([work, server, f"{one['rate']:,.0f}", f"{middle:.2f} ({low:.2f}–{high:.2f})", shown, met])
    return table("request | server | requests for a second of processor time | × oidc-provider | aim | met", rows)


def aim_ratio(work: str, server: str) -> float | None:
    """Return the aimed ratio between a server and oidc-provider, or None if there is no aim."""
    if server == NOW:
        return OVER_HTTP[work]
    return REFRESH_ON_POSTGRESQL if server == ONE_NODE and work.startswith("refresh") else None


def two_nodes(found: Found) -> str:
    """Return the table of the requests that were measured with two nodes, compared with one node."""
    rows: list[list[object]] = []
    for work, servers in found["http"]["work"].items():
        if TWO_NODES in servers:
            one, two = servers[ONE_NODE]["rate"], servers[TWO_NODES]["rate"]
            met = verdict(is_met=two >= TWO_OF_ONE * one)
            rows.append([work, f"{one:,.0f}", f"{two:,.0f}", f"{two / one:.2f}", f"≥ {TWO_OF_ONE}", met])
    return table("request | one node | two nodes | × one | aim | met", rows)


def latency(found: Found) -> str:
    """Return the table of the 99th percentiles of the response times, compared with oidc-provider."""
    rows: list[list[object]] = []
    for work, servers in found["http"]["work"].items():
        own, peer = servers[NOW]["p99_ms"], servers[PEER]["p99_ms"]
        others = [f"{servers[name]['p99_ms']:.1f}" if name in servers else "–" for name in SERVERS]
        rows.append([work, *others, f"{own / peer:.2f}", f"≤ {P99}", verdict(is_met=own <= P99 * peer)])
    names = " | ".join(f"{name}, ms" for name in SERVERS.values())
    return table(f"request, 99 of 100 below | {names} | × oidc-provider | aim | met", rows)


def signing(found: Found) -> str:
    """Return the table that compares client credentials requests with bare signatures on one core."""
    rows: list[list[object]] = []
    for algorithm, raw in found["http"]["raw"].items():
        ratio = found["http"]["work"][f"mint {algorithm}"][NOW]["rate"] / raw
        aim = (f"≥ {OF_RAW_RS256:.2f}", verdict(is_met=ratio >= OF_RAW_RS256)) if algorithm == "RS256" else ("–", "")
        rows.append([f"mint {algorithm}", f"{raw:,.0f}", f"{ratio:.2f}", *aim])
    return table("request | bare signatures for a second of processor time | × these | aim | met", rows)


def verdict(*, is_met: bool) -> str:
    return "yes" if is_met else "**no**"


def plot(found: Found) -> str:
    """Return the plot: processor time of a request over HTTP by server, in light and dark."""
    works = found["http"]["work"]
    left, top, width, bar, gap = 150, 30, 330, 14, 18
    longest = max(1e6 / one["rate"] for servers in works.values() for name, one in servers.items() if name in SERVERS)
    parts = [f'<text x="{left}" y="14">processor time of a request over HTTP, us</text>']
    down = top
    for work, servers in works.items():
        parts.append(f'<text x="{left - 8}" y="{down + 11}" text-anchor="end">{work}</text>')
        for name in (one for one in SERVERS if one in servers):
            spent = 1e6 / servers[name]["rate"]
            long = width * spent / longest
            kind = f"s{list(SERVERS).index(name)}"
            parts.append(f'<rect class="{kind}" x="{left}" y="{down}" width="{long:.1f}" height="{bar - 2}"/>')
            label = f"{spent:.0f} {SERVERS[name]}"
            parts.append(f'<text x="{left + long + 6:.1f}" y="{down + 11}">{label}</text>')
            down += bar
        down += gap
    style = (
        "text{font:12px sans-serif;fill:#333}.s0{fill:#0b62a8}.s1{fill:#8fb8dc}.s2{fill:#a34a00}.s3{fill:#6b7a2a}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.s0{fill:#6cb6ff}.s1{fill:#31577d}.s2{fill:#ffa657}"
        ".s3{fill:#b8c96a}}"
    )
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {down}" role="img">\n'
        f"<title>Processor time of a request over HTTP, by request and server</title>\n"
        f"<style>{style}</style>\n{body}\n</svg>\n"
    )


FIGURES: Final[dict[str, Callable[[Found], str]]] = {
    "machine": machine, "in_process": in_process, "stages": stages, "over_http": over_http, "latency": latency,
    "signing": signing, "two_nodes": two_nodes,
}  # fmt: skip


def page(found: Found, text: str) -> str:
    """Return the page with the present figures."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{FIGURES[block[2]](found)}\n{block[3]}", text)


def main(*, check: bool) -> int:
    """Write the page and the plot, or check whether they are up to date."""
    found = json.loads(DATA.read_text(encoding="utf-8"))
    fresh = {PAGE: page(found, PAGE.read_text(encoding="utf-8")), PLOT: plot(found)}
    return max(settle(path, text, check=check, remedy="make docs") for path, text in fresh.items())


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
