"""A release names its repository, its version and its changes."""

import re
import tomllib

import pytest

from tools import release
from tools.source import ROOT

ADDRESS = "https://code.example/somebody/keyfob"
PROJECT = release.PROJECT.read_text(encoding="utf-8")


def test_the_newest_section_of_the_changelog_is_of_this_version() -> None:
    newest = re.search(r"^## (\S+?)(?:,.*)?$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert newest is not None
    assert newest[1] == tomllib.loads(PROJECT)["project"]["version"]


def test_a_release_has_the_addresses_of_its_repository_and_nothing_else_is_changed() -> None:
    before, after = tomllib.loads(PROJECT), tomllib.loads(release.with_urls(PROJECT, ADDRESS))
    urls: dict[str, str] = after["project"].pop("urls")

    assert after == before
    assert urls["Source"] == ADDRESS
    for place in (url.partition("/blob/main/")[2] for url in urls.values()):
        assert (ROOT / place).exists()


def test_the_readme_of_a_release_leads_to_the_repository() -> None:
    text = release.with_links(release.README.read_text(encoding="utf-8"), ADDRESS)
    targets = re.findall(r"\]\(([^)]+)\)", text)

    assert f"({ADDRESS}/raw/main/docs/login.png)" in text
    assert f"({ADDRESS}/blob/main/docs/auth0.md)" in text
    assert [target for target in targets if not target.startswith("https://")] == []


@pytest.mark.parametrize(
    "words", [[], ["code.example"], ["https://code.example/x"], [ADDRESS, "more"], [f"{ADDRESS};x"]]
)
def test_another_word_than_an_address_changes_nothing(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(words) == 2

    assert "usage" in capsys.readouterr().err
    assert release.PROJECT.read_text(encoding="utf-8") == PROJECT


def test_the_workflow_of_a_release_says_where_it_runs() -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")

    assert 'python -m tools.release "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY"' in workflow
