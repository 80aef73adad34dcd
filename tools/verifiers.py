"""The part of docs/interop.md about third-party libraries that validate tokens of keyfob; used by `tools.interop`.

A test in tests/wild fills a cell with the decorator `@takes((...), "library", ...)` or `@refuses(...)`; without `wires`
the cell is for both dialects. This tool reads the decorators from the source.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

BOTH = ("auth0", "rfc")
LIBRARIES = ("express-oauth2-jwt-bearer", "auth0-api-python", "PyJWT", "Authlib", "jose")
RESULTS = {"takes": "accepted", "refuses": "refused"}
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
    "## Libraries that validate tokens of keyfob",
    "",
    "The keyfob server issued the valid tokens over https; the tests forge the invalid tokens from public data. Each",
    "library is configured as its documentation describes, for one API that requires `read:orders`.",
)
NOTES = (
    "A dash means that the case does not apply: jose and PyJWT validate a token, not a request. Three libraries do not",
    "check the scope, so the API must check it. Authlib's validator supports only RFC 9068, which requires a `jti`;",
    "tokens of the profile `auth0` have none. express-oauth2-jwt-bearer accepts a token in the query, which RFC 9700",
    "forbids.",
)

Cells = dict[str, dict[str, dict[str, set[str]]]]


def plain(node: ast.expr) -> tuple[str, ...]:
    """Return the plain string or the tuple of plain strings that a node stands for.

    Raises:
        SystemExit: The node is another expression.
    """
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Tuple(elts=items):
            return tuple(word for item in items for word in plain(item))
        case _:
            raise SystemExit(f"tests/wild, line {node.lineno}: @takes and @refuses take plain strings")


def cells_in(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield the token, library, result and dialect of each decorator in a file."""
    for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        for decorator in test.decorator_list if isinstance(test, ast.FunctionDef) else []:
            match decorator:
                case ast.Call(
                    func=ast.Name(id="takes" | "refuses" as result), args=[tokens, *libraries], keywords=named
                ):
                    wires = next((plain(word.value) for word in named if word.arg == "wires"), BOTH)
                    for token in plain(tokens):
                        for library in (name for node in libraries for name in plain(node)):
                            yield from ((token, library, RESULTS[result], wire) for wire in wires)
                case _:
                    pass


def cells(folder: Path) -> Cells:
    """Return the results for each token and library, with the dialects of each result."""
    found: defaultdict[str, defaultdict[str, defaultdict[str, set[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(set))
    )
    for path in sorted(folder.glob("test_*.py")):
        for token, library, result, wire in cells_in(path):
            found[token][library][result].add(wire)
    return {
        token: {library: dict(results) for library, results in libraries.items()} for token, libraries in found.items()
    }


def shown(results: Mapping[str, set[str]]) -> str:
    """Return the text of a cell: each result, with its dialects if it is not for both."""
    parts = (
        result if wires == set(BOTH) else f"{result} ({', '.join(sorted(wires))})"
        for result, wires in sorted(results.items())
    )
    return ", ".join(parts) or "–"


def section(folder: Path, pinned: Mapping[str, str]) -> list[str]:
    """Return the lines of this section.

    Raises:
        SystemExit: The decorators and the lists above differ.
    """
    table = cells(folder)
    if different := ({library for row in table.values() for library in row} ^ set(LIBRARIES)) | (
        set(table) ^ set(TOKENS)
    ):
        raise SystemExit(f"tests/wild and tools/verifiers.py do not agree on {min(different)!r}")
    titles = [f"{library} {pinned.get(library.lower(), '')}".strip() for library in LIBRARIES]
    return [
        *INTRODUCTION,
        "",
        f"| token | {' | '.join(titles)} |",
        f"| --- |{' --- |' * len(LIBRARIES)}",
        *(
            f"| {token} | {' | '.join(shown(table[token].get(library, {})) for library in LIBRARIES)} |"
            for token in TOKENS
        ),
        "",
        *NOTES,
        "",
        "`keyfob.guard` accepts tokens that oidc-provider (npm) and Authlib issue, with RS256 and ES256. The guard",
        "refuses tokens of these servers that are for another audience, lack the scope, have expired, or were changed.",
        "",
    ]
