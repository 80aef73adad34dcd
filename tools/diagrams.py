"""Draw the flows and the steps of a login in a browser, for docs/reference/diagrams.md.

    python -m tools.diagrams            bring the page and its pictures up to date
    python -m tools.diagrams --check    only report whether they are up to date

The flows are requests that tools/traces.py records. The steps come from the table that the server runs.
"""

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from keyfob.server.decide.browser_login import PAGE_OF, STEPS, Step
from tools.source import ROOT, settle, table
from tools.traces import FLOWS, Exchange, Party

FOLDER = ROOT / "docs" / "reference"
PAGE = FOLDER / "diagrams.md"
NAMES: Final[Mapping[Party, str]] = {
    "browser": "user's browser", "app": "app (client)", "server": "authorization server", "api": "API",
}  # fmt: skip
TOP = """\
# The flows, request by request

`make docs` runs each flow in memory and draws its requests. The client, the authorization server and the API are real.
The tables contain the names of parameters and members, without values. One arrow represents several consecutive pages.
"""
STEPS_TEXT = """\
## The steps of a login in a browser

The picture shows the steps of every login in a browser, for a device login or an authorization request. A step with ↻
may repeat; the steps on the right end the login. [The order of checks](../checks.md#the-pages) explains when a step
follows.

![The steps of a login in a browser, and which may follow which](flow-pages.svg)
"""
STYLE = (
    ".paper{fill:#fff;stroke:#d0d7de}text{font:12px sans-serif;fill:#24292f}.small{font-size:11px;fill:#57606a}"
    ".head{font-weight:bold}.box{fill:#eaf2fb;stroke:#0b62a8}.life{stroke:#b0b8c0;stroke-dasharray:3 4}"
    ".line{stroke:#0b62a8;fill:none;stroke-width:1.5}.back{stroke:#57606a;fill:none;stroke-dasharray:5 3}"
    ".tip{fill:#0b62a8}.end{fill:#f3f4f6;stroke:#b0b8c0}"
    "@media(prefers-color-scheme:dark){.paper{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.small{fill:#9aa4af}"
    ".box{fill:#14283d;stroke:#6cb6ff}.life{stroke:#4a525b}.line{stroke:#6cb6ff}.back{stroke:#9aa4af}.tip{fill:#6cb6ff}"
    ".end{fill:#1b2128;stroke:#4a525b}}"
)
TIP = (
    '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    '<path class="tip" d="M0,0L8,4L0,8z"/></marker></defs>'
)
COLUMN, LINE = 250, 15  # the distance of two parties, and of two lines of text
LETTER, SMALL_LETTER = 6.6, 5.9
BOX_LEFT, BOX_WIDTH, BOX_HEIGHT, ROW = 190, 150, 42, 78


def svg(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    """Return an SVG picture whose colours suit light and dark pages."""
    body = "\n".join([f'<rect class="paper" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="8"/>', *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{TIP}\n{body}\n</svg>\n"
    )


def text(x: float, y: float, words: str, kind: str = "plain") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="middle">{escape(words)}</text>'


def joined(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Return the exchanges, in which consecutive pages are joined to one exchange."""
    found: list[Exchange] = []
    for one in exchanges:
        if one.is_page and found and found[-1].is_page:
            before = found.pop()
            pages = before.sent if one.path in before.sent.split() else f"{before.sent} {one.path}"
            found.append(Exchange("browser", "server", pages, [], one.answer))
        else:
            found.append(Exchange("browser", "server", one.path, one.parameters, one.answer) if one.is_page else one)
    return found


def sequence(title: str, exchanges: Sequence[Exchange]) -> str:
    """Return the sequence diagram of a flow."""
    parties: list[Party] = [
        party for party in NAMES if any(party in {one.source, one.target} for one in flat(exchanges))
    ]
    at: dict[Party, float] = {party: COLUMN * (number + 0.5) + 20 for number, party in enumerate(parties)}
    parts: list[str] = []
    down = arrows(joined(exchanges), at, 66, parts)
    heads = [
        f'<line class="life" x1="{x:g}" y1="44" x2="{x:g}" y2="{down - 6}"/>'
        f'<rect class="box" x="{x - 78:g}" y="16" width="156" height="28" rx="6"/>{text(x, 34, NAMES[party], "head")}'
        for party, x in at.items()
    ]
    return svg(f"{title}, as a sequence of requests", COLUMN * len(parties) + 40, down + 8, [*heads, *parts])


def flat(exchanges: Sequence[Exchange]) -> Iterator[Exchange]:
    """Yield every exchange. The exchanges within an exchange follow that exchange."""
    for one in exchanges:
        yield one
        yield from flat(one.before_answer)


def arrows(exchanges: Sequence[Exchange], at: Mapping[Party, float], down: int, parts: list[str]) -> int:
    """Add the arrows of the exchanges to `parts`, and return the vertical position below the last arrow."""
    for one in exchanges:
        begin, end = at[one.source], at[one.target]
        wide = abs(end - begin)
        sent = textwrap.wrap(one.sent.replace(" /", " → /") if one.is_page else one.sent, int(wide / LETTER))
        names = [] if one.is_page else textwrap.wrap(", ".join(one.parameters), int(wide / SMALL_LETTER))
        for line, kind in [*((line, "plain") for line in sent), *((line, "small") for line in names)]:
            parts.append(text((begin + end) / 2, down, line, kind))
            down += LINE
        parts.append(line_to("line", f"M{begin:g},{down - 8}H{end:g}"))
        down = arrows(one.before_answer, at, down + 18, parts) if one.before_answer else down + 9
        for line in textwrap.wrap(one.answer, int(wide / SMALL_LETTER)):
            parts.append(text((begin + end) / 2, down, line, "small"))
            down += LINE
        if one.answer:
            parts.append(line_to("back", f"M{end:g},{down - 9}H{begin:g}"))
        down += 17 if one.answer else 9
    return down


def line_to(kind: str, path: str) -> str:
    return f'<path class="{kind}" marker-end="url(#tip)" d="{path}"/>'


def steps() -> str:
    """Return the picture of the steps of a login. The steps that end the login are beside the other steps."""
    going: list[Step] = [step for step, after in STEPS.items() if after]
    row: dict[Step, int] = {step: 30 + ROW * number for number, step in enumerate(going)}
    parts: list[str] = []
    lanes: list[int] = []  # the last row that each lane reaches
    for step, target in steps_between(going):
        begin, end = row[step] + BOX_HEIGHT // 2, row[target] + BOX_HEIGHT // 2
        if end - begin == ROW:
            parts.append(line_to("line", f"M{BOX_LEFT + BOX_WIDTH // 2},{row[step] + BOX_HEIGHT}V{row[target]}"))
            continue
        first, last = sorted((begin, end))
        lane = next((number for number, taken in enumerate(lanes) if taken <= first), len(lanes))
        lanes[lane : lane + 1] = [last]
        shift, kind = (6, "line") if end > begin else (14, "back")
        x = BOX_LEFT - 22 - 26 * lane
        parts.append(line_to(kind, f"M{BOX_LEFT},{begin + shift}H{x}V{end - shift}H{BOX_LEFT}"))
    for step in going:
        down = row[step]
        parts += box(step, down)
        parts += ends(down, [one for one in STEPS[step] if one not in row])
    return svg("The steps of a login in a browser", 700, max(row.values()) + BOX_HEIGHT + 24, parts)


def steps_between(going: Sequence[Step]) -> list[tuple[Step, Step]]:
    """Return each pair of a step and a step that may follow, without the steps that end the login."""
    return [(step, other) for step in going for other in STEPS[step] if other in going and other != step]


def box(step: Step, down: int) -> Iterator[str]:
    """Yield the box of a step, with its page."""
    again = " ↻" if step in STEPS[step] else ""
    yield f'<rect class="box" x="{BOX_LEFT}" y="{down}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
    yield text(BOX_LEFT + BOX_WIDTH / 2, down + 18, step + again, "head")
    yield text(BOX_LEFT + BOX_WIDTH / 2, down + 34, PAGE_OF[step], "small")


def ends(down: int, last: Sequence[Step]) -> Iterator[str]:
    """Yield an oval for each step that ends the login."""
    right = BOX_LEFT + BOX_WIDTH
    if last:
        yield line_to("line", f"M{right},{down + BOX_HEIGHT // 2}h24")
    for number, step in enumerate(last):
        left = right + 28 + 80 * number
        yield f'<rect class="end" x="{left}" y="{down + 9}" width="74" height="24" rx="12"/>'
        yield text(left + 37, down + 25, step)


def row_of(one: Exchange) -> list[str]:
    """Return an exchange as a row of a table."""
    sent = f"`{one.sent}`" if one.sent.partition(" ")[0].isupper() else one.sent
    return [
        f"{NAMES[one.source]} → {NAMES[one.target]}",
        sent,
        ", ".join(f"`{name}`" for name in one.parameters),
        one.answer,
    ]


def files() -> dict[Path, str]:
    """Return the text of the page and of each picture."""
    found: dict[Path, str] = {}
    parts = [TOP.rstrip()]
    for name, (title, run) in FLOWS.items():
        exchanges = run().exchanges
        found[FOLDER / f"flow-{name}.svg"] = sequence(title, exchanges)
        about = (run.__doc__ or "").strip()
        parts += [f"## {title}", about, f"![{title}: the requests in their order](flow-{name}.svg)"]
        parts += [
            table(["from → to", "request", "parameters", "response"], list(map(row_of, flat(exchanges)))).rstrip()
        ]
    found[FOLDER / "flow-pages.svg"] = steps()
    return {**found, PAGE: "\n\n".join([*parts, STEPS_TEXT])}


def main(words: list[str]) -> int:
    return max(settle(path, text, check="--check" in words, remedy="make docs") for path, text in files().items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
