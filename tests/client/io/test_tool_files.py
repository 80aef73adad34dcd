"""The file of bound origins: which tool may get a token of which login, for which origin."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.client.io.origin_files import ToolFile
from keyfob.client.io.vault.vault_file import ProfileFiles
from keyfob.errors import Misuse, VaultUnavailable
from keyfob.io import bound_origins
from tests.client.scripts import PROFILE

A, B = "https://a.example:443", "https://b.example:443"
WORK = replace(PROFILE, name="work")


def test_an_origin_is_bound_to_one_login_of_a_tool(tmp_path: Path) -> None:
    file = ToolFile(tmp_path)
    file.add("git", A, PROFILE)
    file.add("docker", A, PROFILE)

    file.add("git", A, WORK)

    assert file.origins("git", PROFILE) == []
    assert file.origins("git", WORK) == [A]
    assert file.origins("docker", PROFILE) == [A]


def test_profiles_of_a_tool_that_names_them_may_share_an_origin(tmp_path: Path) -> None:
    file = ToolFile(tmp_path)
    file.add("aws", A, PROFILE)
    file.add("aws", A, WORK, replaces=False)

    assert (file.origins("aws", PROFILE), file.origins("aws", WORK)) == ([A], [A])
    assert file.remove("aws", A)
    assert not file.remove("aws", A)
    assert not (tmp_path / bound_origins.NAME).exists()


def test_another_issuer_client_or_api_under_the_same_name_is_another_login(tmp_path: Path) -> None:
    file = ToolFile(tmp_path)
    file.add("git", A, PROFILE)

    for change in ({"issuer": "https://other.example/"}, {"client_id": "other"}, {"audience": "other"}):
        assert file.origins("git", replace(PROFILE, **change)) == []


def test_the_file_is_bounded(tmp_path: Path) -> None:
    lines = [bound_origins.Bound("git", f"https://{at}.example:443", "default", "0" * 32) for at in range(200)]
    path = tmp_path / bound_origins.NAME
    path.write_bytes(bound_origins.write(lines))
    path.chmod(0o600)

    with pytest.raises(Misuse, match="200"):
        ToolFile(tmp_path).add("git", A, PROFILE)
    assert len(ToolFile(tmp_path).load()) == 200


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / bound_origins.NAME
    path.write_bytes(b"keyfob-tools 2\nunknown\n")
    path.chmod(0o600)

    for change in (lambda: ToolFile(tmp_path).add("git", A, PROFILE), lambda: ToolFile(tmp_path).remove("git", A)):
        with pytest.raises(VaultUnavailable, match="another version"):
            change()
    assert path.read_bytes() == b"keyfob-tools 2\nunknown\n"


@given(st.binary(max_size=300))
def test_damaged_lines_bind_nothing(content: bytes) -> None:
    assert all(len(line.name) == 3 for line in bound_origins.read(content))
    assert bound_origins.read(b"keyfob-tools 1\n" + content.replace(b" ", b"")) == []


def test_threads_lose_no_line(tmp_path: Path) -> None:
    origins = [f"https://{at}.example:443" for at in range(20)]
    threads = [threading.Thread(target=ToolFile(tmp_path).add, args=("git", one, PROFILE)) for one in origins]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ToolFile(tmp_path).origins("git", PROFILE)) == sorted(origins)


def test_settings_that_were_written_again_are_compared_again(tmp_path: Path) -> None:
    file = ToolFile(tmp_path)
    ProfileFiles(tmp_path).save(PROFILE)
    file.add("git", A, PROFILE)
    file.add("git", B, WORK)
    [first, other] = file.load()
    ProfileFiles(tmp_path).save(PROFILE)

    file.refresh(PROFILE)

    assert first.seen != "-"
    assert other.seen == "-"
    assert {line.origin: line.seen for line in file.load()} == {
        A: bound_origins.state_of(str(tmp_path), PROFILE.name), B: "-",
    }  # fmt: skip
    assert file.load()[0].seen != first.seen
