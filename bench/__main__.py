"""Run the benchmarks one after the other: `make bench`, or `make bench ARGS=guard` for one.

Timings on a shared machine vary. Only the ratio of two measurements in one run is meaningful.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
HELPERS = {"base", "filling", "measure"}
NAMES = sorted(path.stem for path in HERE.glob("[a-z]*.py") if path.stem not in HELPERS)


def main(words: list[str]) -> int:
    sys.path[:0] = [str(HERE), str(HERE.parent)]
    unknown = [word for word in words if word not in NAMES]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in words or NAMES:
        module = importlib.import_module(name)
        print(f"\n{(module.__doc__ or name).partition(chr(10))[0]}")
        module.main()
    return 0


raise SystemExit(main(sys.argv[1:]))
