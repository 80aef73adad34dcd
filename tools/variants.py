"""Write examples/variants: what differs in an example with another framework or credential, each as a diff.

python -m tools.variants            bring the diffs up to date
python -m tools.variants --check    fail if a diff is not up to date, or no longer applies

`keyfob new` is the source of its frameworks. Each other diff is its own source: only its line numbers are updated.
"""

import os
import subprocess
import sys
from difflib import unified_diff
from pathlib import Path
from tempfile import TemporaryDirectory

from keyfob.cli.commands.new import FRAMEWORKS, project
from tools.source import ROOT, settle

EXAMPLES = ROOT / "examples"
FOLDER = EXAMPLES / "variants"
OF_NEW = {FOLDER / f"shop-{framework}.diff": framework for framework in FRAMEWORKS if framework != "argparse"}
Files = dict[str, str]


def base(diff: Path) -> Files:
    """Return the files that a diff changes: an example, or the project that `keyfob new shop` writes."""
    example = diff.stem.partition("-")[0]
    return project("shop", "argparse") if example == "shop" else _read(EXAMPLES / example)


def variant(diff: Path) -> Files:
    """Return the files of a variant; raise `CalledProcessError` if its diff does not apply."""
    if diff in OF_NEW:
        return project("shop", OF_NEW[diff])
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(base(diff), folder)
        # git ignores a diff without a word if the folder belongs to another repository.
        apart = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.resolve().parent)}
        _ = subprocess.run(["git", "apply", "-C1", diff], cwd=folder, env=apart, check=True)
        return _read(folder)


def pages() -> dict[Path, str]:
    """Return the text of each diff."""
    return {diff: _between(base(diff), variant(diff)) for diff in sorted({*OF_NEW, *FOLDER.glob("*.diff")})}


def write(files: Files, folder: Path) -> None:
    """Write the files into a folder."""
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        _ = path.write_text(text, encoding="utf-8", newline="\n")


def _read(folder: Path) -> Files:
    paths = (path for path in folder.rglob("*") if path.suffix in {".md", ".py", ".toml", ".yml"})
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def _between(before: Files, after: Files) -> str:
    return "".join(
        line
        for place in sorted({*before, *after})
        for line in unified_diff(
            before.get(place, "").splitlines(keepends=True),
            after.get(place, "").splitlines(keepends=True),
            f"a/{place}" if place in before else "/dev/null",
            f"b/{place}" if place in after else "/dev/null",
        )
    )


if __name__ == "__main__":
    sys.exit(max(settle(diff, text, check="--check" in sys.argv, remedy="make docs") for diff, text in pages().items()))
