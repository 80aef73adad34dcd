"""The part of docs/interop.md on foreign libraries that verify our tenant's tokens; `tools.interop` includes it.

A cell is filled by a test in tests/wild with the mark `@takes((...), "judge", ...)` or `@refuses(...)`; without `wires`
it is for both dialects. The marks are read from the source.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

BOTH = ("auth0", "rfc")
JUDGES = ("express-oauth2-jwt-bearer", "auth0-api-python", "PyJWT", "Authlib", "jose")
VERDICTS = {"takes": "taken", "refuses": "refused"}
TOKENS = (
    "good, a person's",
    "good, a machine's",
    "without the scope",
    "for another API",
    "expired",
    "changed signature",
    "changed payload",
    "alg none",
    "alg NoNe",
    "HS256 with the public key",
    "unknown kid",
    "rubbish",
    "empty",
    "none",
    "in the query",
)
INTRODUCTION = (
    "## Libraries that judge our tokens",
    "",
    "The tenant gives the tokens, over https; the rest is forged with what everybody may know. Each library is set up",
    "as its own pages say, for one API that asks for `read:orders`.",
)
NOTES = (
    "Where a dash stands, there is nothing to look at: jose and PyJWT are given a token, and not a request. Three",
    "leave the scope to the API. Authlib's validator is for RFC 9068 alone, and Auth0's own profile has no `jti`.",
    "express-oauth2-jwt-bearer takes a token from the query, where RFC 9700 forbids to send it.",
)

Cells = dict[str, dict[str, dict[str, set[str]]]]


def words(node: ast.expr) -> tuple[str, ...]:
    """Return the plain string or the tuple of plain strings that a node stands for.

    Raises:
        SystemExit: It is another expression.
    """
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Tuple(elts=items):
            return tuple(word for item in items for word in words(item))
        case _:
            raise SystemExit(f"tests/wild, line {node.lineno}: @takes and @refuses take plain strings")


def cells_in(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield the token, library, verdict and dialect of each mark in a file."""
    for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else []:
            match mark:
                case ast.Call(func=ast.Name(id="takes" | "refuses" as verdict), args=[tokens, *judges], keywords=named):
                    wires = next((words(word.value) for word in named if word.arg == "wires"), BOTH)
                    for token in words(tokens):
                        for judge in (name for node in judges for name in words(node)):
                            yield from ((token, judge, VERDICTS[verdict], wire) for wire in wires)
                case _:
                    pass


def cells(folder: Path) -> Cells:
    """Return for each token and library the verdicts, and the dialects of each."""
    found: defaultdict[str, defaultdict[str, defaultdict[str, set[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(set))
    )
    for path in sorted(folder.glob("test_*.py")):
        for token, judge, verdict, wire in cells_in(path):
            found[token][judge][verdict].add(wire)
    return {token: {judge: dict(verdicts) for judge, verdicts in judges.items()} for token, judges in found.items()}


def shown(verdicts: Mapping[str, set[str]]) -> str:
    """Return the text of a cell."""
    said = (
        verdict if wires == set(BOTH) else f"{verdict} ({', '.join(sorted(wires))})"
        for verdict, wires in sorted(verdicts.items())
    )
    return ", ".join(said) or "–"


def section(folder: Path, pinned: Mapping[str, str]) -> list[str]:
    """Return the lines of this part.

    Raises:
        SystemExit: The marks and the lists above differ.
    """
    table = cells(folder)
    if unlike := ({judge for row in table.values() for judge in row} ^ set(JUDGES)) | (set(table) ^ set(TOKENS)):
        raise SystemExit(f"tests/wild and tools/judged.py do not agree on {min(unlike)!r}")
    titles = [f"{judge} {pinned.get(judge.lower(), '')}".strip() for judge in JUDGES]
    return [
        *INTRODUCTION,
        "",
        f"| token | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(JUDGES)}",
        *(f"| {token} | {' | '.join(shown(table[token].get(judge, {})) for judge in JUDGES)} |" for token in TOKENS),
        "",
        *NOTES,
        "",
        "The other way round, our guard takes tokens that npm's oidc-provider and Authlib make, in RS256 and ES256,",
        "and refuses them for another audience, when they have expired, without the scope, and when they were changed.",
        "",
    ]
