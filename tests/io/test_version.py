import subprocess
import sys
from importlib.metadata import version

from keyfob.io.version import installed_version
from tools.source import ROOT

FROM_SOURCE = (
    "import sys; sys.path.insert(0, sys.argv[1]); from keyfob.io.version import installed_version as v; print([v()])"
)


def test_the_version_is_that_of_the_installed_package() -> None:
    assert installed_version() == version("keyfob")


def test_from_source_there_is_no_version_and_no_error() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", FROM_SOURCE, str(ROOT / "src")], capture_output=True, text=True, check=False
    )

    assert (ran.stdout, ran.stderr) == ("['']\n", "")
