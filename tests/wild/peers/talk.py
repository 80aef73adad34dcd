"""How a program tells its test what it sees: lines of JSON, in both directions."""

import json
import sys


def ask(kind, **what):
    """Ask the person something, and wait for the answer."""
    print(json.dumps({"is": kind, **what}), flush=True)
    return json.loads(sys.stdin.readline())


def perform(flows, explain):
    """Run the flow that was asked for; `explain` says what the library's own error holds."""
    flow, told = sys.argv[1], json.loads(sys.argv[2])
    try:
        found = flows[flow](**told)
    except Exception as problem:
        said = {"is": "failed", "type": type(problem).__name__, "text": str(problem), **explain(problem)}
        print(json.dumps(said, default=str), flush=True)
    else:
        print(json.dumps({"is": "done", "found": found}, default=str), flush=True)
