import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keyfob.errors import KeyfobError, Misuse
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.serve import Registry
from keyfob.server.io.sqlite import SqliteStore
from keyfob.server.io.stores import is_tenant
from keyfob.server.records import BrowserSession, RefreshLogin
from keyfob.server.settings.schema import Table
from keyfob.server.settings.users import PersonWanted
from keyfob.testing.scene import quick_passwords

NOW = datetime.now(UTC)
PAT = PersonWanted("pat@example.com", "Pat", password=Secret("correct horse battery staple"))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(SqliteStore(tmp_path / "tenant.sqlite3"), bytes(32), passwords=quick_passwords())


def named(registry: Registry, name: str) -> Table:
    return {**registry.tables(), "tenant": {"name": name}}


def test_of_two_changes_at_once_the_second_is_refused_whole(registry: Registry, tmp_path: Path) -> None:
    with registry, Registry(SqliteStore(tmp_path / "tenant.sqlite3"), bytes(32)) as other:
        late = registry.plan_tables(named(registry, "late"))
        other.carry_out(other.plan_tables(named(other, "early")))
        with pytest.raises(Misuse, match="at the same time"):
            registry.carry_out(late)

        assert registry.config().name == "early"


def test_of_two_who_add_the_same_person_the_second_is_refused(registry: Registry) -> None:
    with registry:
        first, second = registry.plan_person(PAT), registry.plan_person(PAT)
        registry.carry_out(first)
        with pytest.raises(Misuse, match="at the same time"):
            registry.carry_out(second)

        assert len(registry.users()) == 1


def test_an_id_of_somebody_else_is_refused(registry: Registry) -> None:
    with registry:
        registry.carry_out(registry.plan_person(replace(PAT, user_id="auth0|1")))
        with pytest.raises(Misuse, match="another user has this user_id"):
            registry.carry_out(registry.plan_person(replace(PAT, email="bob@example.com", user_id="auth0|1")))
        with pytest.raises(Misuse, match="another user_id"):
            registry.plan_person(replace(PAT, user_id="auth0|2"))


@pytest.mark.parametrize("change", [{"is_blocked": True}, {}], ids=["a block", "the same password again"])
def test_a_block_and_a_new_password_log_out_everywhere(registry: Registry, change: dict[str, bool]) -> None:
    store = registry._store
    with registry:
        registry.carry_out(registry.plan_person(PAT))
        user = registry.user(PAT.email)
        later = NOW + timedelta(days=1)
        login = RefreshLogin(b"1" * 16, "cli", user.user_id, "a", Scope(), NOW, NOW, later, later, 1, (b"h" * 32,))
        session = BrowserSession(b"s" * 32, NOW, NOW, user.user_id, NOW)
        asyncio.run(store.write(lambda transaction: transaction.save_refresh(login)))
        asyncio.run(store.write(lambda transaction: transaction.save_session(session)))
        wanted = replace(PAT, password=None if change else PAT.password, **change)
        registry.carry_out(registry.plan_person(wanted))

        ended = asyncio.run(store.read(lambda transaction: transaction.refresh_by_id(login.login_id)))
        assert ended is not None
        assert ended.has_ended
        assert asyncio.run(store.read(lambda transaction: transaction.session(session.session_hash))) is None


def test_a_change_of_the_name_logs_nobody_out(registry: Registry) -> None:
    with registry:
        registry.carry_out(registry.plan_person(PAT))
        user = registry.user(PAT.email)
        session = BrowserSession(b"s" * 32, NOW, NOW, user.user_id, NOW)
        asyncio.run(registry._store.write(lambda transaction: transaction.save_session(session)))
        registry.carry_out(registry.plan_person(replace(PAT, name="Patricia", password=None)))

        assert registry.user(PAT.email).name == "Patricia"
        assert asyncio.run(registry._store.read(lambda transaction: transaction.session(session.session_hash)))


def test_a_folder_without_a_tenant_is_not_made_one_by_looking(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no tenant"):
        Registry.open(tmp_path / "data")

    assert not is_tenant(tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the open files of a process are listed on Linux")
def test_a_registry_that_another_key_does_not_open_leaves_no_file_open(tmp_path: Path) -> None:
    """From 3.13 on, Python warns of it."""
    for name in ("one", "other"):
        with Registry.open(tmp_path / name, creates=True, is_dev=True):
            pass
    [key] = (tmp_path / "other").glob("*key*")

    with pytest.raises(KeyfobError):
        Registry.open(tmp_path / "one", master_key=f"file:{key}")

    held = [link for link in Path("/proc/self/fd").iterdir() if str(tmp_path) in os.path.realpath(link)]
    assert held == []
