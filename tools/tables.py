"""Generate the tables within pages: metrics, audit events, and the types and defaults of tenant.toml.

    python -m tools.tables            bring docs/audit.md, docs/operations.md and docs/tenant.md up to date
    python -m tools.tables --check    only report whether they are up to date

The text around a table is written by hand, and so are the descriptions of tenant.toml's keys.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Final

from keyfob.protocol.http import Response
from keyfob.server.audit_event import CODES, MEMBERS, OWN_PREFIX
from keyfob.server.io.metrics import PrometheusMeter
from keyfob.server.settings.schema import ARRAYS, DEVICE, REFRESH, TENANT, Key, TableSchema
from keyfob.server.settings.users import USER
from keyfob.testing.scene import Scene
from tools.source import ROOT, settle
from tools.tenant_schema import ROW, SECTION

DOCS = ROOT / "docs"
SHAPES: Final[Mapping[str, TableSchema]] = {
    "tenant": TENANT,
    "refresh": REFRESH,
    "device": DEVICE,
    "users": USER,
    **{name: shape for name, (_, shape, _) in ARRAYS.items()},
}
REQUIRED, NOT_SET = "required", "not set"  # in place of a default


def audit(text: str) -> str:
    """Return docs/audit.md with the members and codes of `server/audit_event.py`."""
    members = [(f"`{name}`", means) for name, means in MEMBERS.items()]
    codes = [
        (f"`{code}`", outcome, means + (" (keyfob's own)" if code.startswith(OWN_PREFIX) else ""))
        for code, (outcome, means) in CODES.items()
    ]
    return with_table(with_table(text, "member", members), "code", codes)


def metrics(text: str) -> str:
    """Return docs/operations.md with the metrics of a tenant's registry."""
    return with_table(text, "metric", list(metric_rows()))


def metric_rows() -> Iterator[Sequence[str]]:
    """Yield a row for each metric of a tenant. Each metric is used once, since its labels are unknown before."""
    meter = PrometheusMeter()
    Scene().tenant.measure(meter, lambda: 0)
    meter.request("/healthz", 200, 0.1)
    meter.token("password", Response(200))
    meter.limited("requests")
    meter.transaction("read", 0.1, has_failed=True)
    for metric in meter.registry.collect():
        if metric.name.startswith("keyfob"):
            suffix = {"counter": "_total", "info": "_info"}.get(metric.type, "")
            labels = sorted({name for sample in metric.samples for name in sample.labels} - {"le"})
            shown = ", ".join(f"`{name}`" for name in labels)
            yield f"`{metric.name}{suffix}`", metric.type, shown, metric.documentation


def settings(text: str) -> str:
    """Return docs/tenant.md with the keys, types and defaults of `server/settings/schema.py`."""

    def section(found: re.Match[str]) -> str:
        words = {key: words for key, _, _, words in ROW.findall(found[0])}
        keys = SHAPES[found[1]].keys.values()
        if missing := [key.name for key in keys if key.name not in words]:
            raise SystemExit(f"docs/tenant.md: add a row with a description of {', '.join(missing)} to {found[1]}")
        rows = [(f"`{key.name}`", key.type.description, default_of(key), words[key.name]) for key in keys]
        return with_table(found[0], "key", rows)

    return SECTION.sub(section, text)


def default_of(key: Key) -> str:
    """Return the default of a key as a cell."""
    if key.default is MISSING:
        return REQUIRED
    if key.default is None:
        return NOT_SET
    if key.name in {"refresh", "device"}:
        return "see below"
    return f"`{json.dumps(key.type.write(key.default))}`"


def with_table(text: str, first: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a text with new rows in the table whose first column has this title.

    Raises:
        SystemExit: The text has no table with this title, or several.
    """
    pattern = re.compile(rf"^(\| *{first} *\|.*\n\|[-:| ]+\|\n)(?:\|.*\n)*", re.MULTILINE)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"there must be one table that begins with the column {first}")
    body = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return pattern.sub(lambda found: found[1] + body, text)


PAGES: Final[Mapping[Path, Callable[[str], str]]] = {
    DOCS / "audit.md": audit,
    DOCS / "operations.md": metrics,
    DOCS / "tenant.md": settings,
}


def main(words: list[str]) -> int:
    codes = [
        settle(path, fresh(path.read_text(encoding="utf-8")), check="--check" in words, remedy="make docs")
        for path, fresh in PAGES.items()
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
