"""URLs of PostgreSQL databases: what is refused, what is encrypted, and what is never shown."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from keyfob.errors import KeyfobError, Misuse
from keyfob.server.io.database_url import connect_arguments, has_password, shown
from keyfob.server.io.postgresql import PostgresStore

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _no_settings_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://keyfob:{SECRET}@db.example/keyfob",
        f"postgres://keyfob:{SECRET}@one.example,two.example/keyfob?target_session_attrs=primary",
        f"postgresql://db.example/keyfob?user=keyfob&password={SECRET}",
    ],
)
def test_a_password_in_a_url_is_seen_and_not_shown(url: str) -> None:
    assert has_password(url)
    assert SECRET not in shown(url)


def test_a_url_without_a_password_has_none() -> None:
    assert not has_password("postgresql://keyfob@db.example:5433/keyfob?sslmode=verify-full")
    assert shown("postgresql://keyfob@db.example:5433/keyfob?x=y") == "postgresql://db.example:5433/keyfob"


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://keyfob:{SECRET}@db.example/keyfob",
        f"postgresql://keyfob:{SECRET}#more@db.example/keyfob",
        f"postgresql://keyfob:{SECRET}/more@db.example/keyfob",
        f"postgresql://keyfob:{SECRET}?more@db.example/keyfob",
        f"postgresql://keyfob:{SECRET}?more=1@db.example/keyfob",
        f"postgresql://[{SECRET}/keyfob",
        SECRET,
        "",
    ],
)
def test_an_address_that_is_no_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(Misuse) as refused:
        connect_arguments(url)
    assert SECRET not in refused.value.message + refused.value.hint
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://keyfob:{SECRET}@localhost:port/keyfob",
        f"postgresql://keyfob:{SECRET}@localhost/keyfob?sslmode=perhaps",
        f"postgresql://keyfob:{SECRET}@/keyfob?host=/nowhere",
    ],
)
def test_a_database_that_cannot_be_connected_to_is_told_without_the_password(url: str) -> None:
    async def run() -> None:
        store = PostgresStore(url)
        try:
            await store.read(lambda transaction: transaction.users())
        finally:
            await store.close()

    with pytest.raises(KeyfobError) as refused:
        asyncio.run(run())
    assert SECRET not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "host", ["db.example", "192.0.2.1:5432", "localhost,db.example", "127.evil.example", "localhost.example", "[::2]:1"]
)
def test_a_connection_to_another_machine_is_encrypted_and_the_server_proves_its_name(host: str) -> None:
    context = connect_arguments(f"postgresql://keyfob@{host}/keyfob")["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_host_of_the_environment_is_another_machine_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    assert "ssl" in connect_arguments("postgresql:///keyfob")


@pytest.mark.parametrize(
    "address",
    ["localhost:5432/keyfob", "127.0.0.1/keyfob", "[::1]:5432/keyfob", "/keyfob?host=/run/postgresql", "/keyfob"],
)
def test_a_connection_within_this_machine_needs_no_certificate(address: str) -> None:
    url = f"postgresql://keyfob@{address}"
    assert connect_arguments(url) == {"dsn": url}


@pytest.mark.parametrize(
    "parameters", ["sslmode=verify-full", "sslrootcert=system", "sslmode=verify-full&sslrootcert=system"]
)
def test_the_authorities_of_this_machine_are_asked_if_no_others_are_named(parameters: str) -> None:
    context = connect_arguments(f"postgresql://keyfob@db.example/keyfob?{parameters}")["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname


def test_parameters_of_tls_are_passed_on() -> None:
    url = "postgresql://keyfob@db.example/keyfob"
    full = f"{url}?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    assert connect_arguments(full) == {"dsn": full}
    assert connect_arguments(f"{url}?sslmode=require") == {"dsn": f"{url}?sslmode=require"}
    own = f"{url}?sslrootcert=/etc/ca.pem"
    assert connect_arguments(own) == {"dsn": f"{own}&sslmode=verify-full"}
