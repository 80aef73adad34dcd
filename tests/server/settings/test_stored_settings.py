import tomllib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Misuse
from keyfob.protocol.client_authentication import AUTH_METHODS
from keyfob.protocol.grants import AUTHORIZATION_CODE, GRANT_TYPES
from keyfob.protocol.secret import Secret
from keyfob.server.records import DEFAULT_CONNECTION, Document
from keyfob.server.settings.config import FACTORS, TenantConfig
from keyfob.server.settings.field_types import LONGEST_SPAN, read_span, write_span
from keyfob.server.settings.pictures import write_image
from keyfob.server.settings.registered import KINDS, Api, ApiGrant, Application, Connection, RefreshPolicy, Role
from keyfob.server.settings.stored_settings import (
    config_of,
    documents_of,
    read_documents,
    read_tables,
    write_documents,
    write_tables,
)
from keyfob.server.settings.toml import write_toml
from keyfob.server.start import ready_config

ISSUER = "https://login.example/"
WORDS = st.text(max_size=12)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='|"\\'), min_size=1, max_size=12)
SPANS = st.timedeltas(timedelta(microseconds=1), timedelta(days=9999))
URLS = st.sampled_from(["https://a.example/", "https://b.example/x?y=1", "http://127.0.0.1:9/cb"])
FLAGS = st.booleans()


@st.composite
def applications(draw: st.DrawFn, client_id: str, connections: list[str]) -> Application:
    kind = draw(st.sampled_from(KINDS))
    methods = st.just(("none",))
    if kind == "machine" or (kind == "web" and draw(FLAGS)):
        methods = st.lists(st.sampled_from(AUTH_METHODS[1:]), min_size=1, unique=True).map(tuple)
    found = draw(methods)
    allowed = [name for name in GRANT_TYPES if name != "client_credentials" or found != ("none",)]
    grants = tuple(draw(st.lists(st.sampled_from(allowed), unique=True)))
    callbacks = draw(st.lists(URLS, min_size=AUTHORIZATION_CODE in grants))
    idle = draw(SPANS)
    return Application(
        client_id,
        draw(WORDS),
        kind,
        grants,
        found,
        secret_hashes=tuple(draw(st.lists(st.binary(min_size=32, max_size=32), max_size=2))),
        callbacks=tuple(callbacks),
        logout_urls=tuple(draw(st.lists(URLS, max_size=2))),
        web_origins=tuple(draw(st.lists(URLS, max_size=2))),
        connections=tuple(draw(st.lists(st.sampled_from(connections), unique=True))) if connections else (),
        any_loopback_port=draw(FLAGS),
        is_first_party=draw(FLAGS),
        trusts_forwarded_for=draw(FLAGS),
        requires_dpop=draw(FLAGS),
        refresh=RefreshPolicy(draw(FLAGS), idle, idle + draw(SPANS), draw(st.just(timedelta()) | SPANS)),
        id_token_lifetime=draw(SPANS),
        requires_par=draw(FLAGS),
        icon=draw(st.none() | st.just("/icon.png")),
        maker=draw(st.none() | WORDS),
    )


def by_name(found: list) -> tuple:
    """As a store gives them."""
    return tuple(sorted(found, key=lambda one: getattr(one, "client_id", None) or getattr(one, "name", "")))


@st.composite
def configs(draw: st.DrawFn) -> TenantConfig:
    connections = draw(st.lists(WORDS | st.just(DEFAULT_CONNECTION), unique=True, max_size=3))
    ids = draw(st.lists(NAMES.filter(lambda name: not name.endswith("@clients")), unique=True, max_size=3))
    audiences = draw(st.lists(NAMES.filter(lambda name: name not in ids), unique=True, max_size=3))
    scopes = {audience: draw(st.dictionaries(NAMES, WORDS, max_size=3)) for audience in audiences}
    apis = [
        Api(
            audience,
            draw(WORDS),
            scopes[audience],
            draw(st.sampled_from(["auth0", "rfc9068"])),
            draw(st.sampled_from(["RS256", "PS256", "ES256", "Ed25519"])),
            *draw(st.tuples(FLAGS, FLAGS, FLAGS, FLAGS)),
            draw(st.sampled_from(["allow_all", "require_grant", "deny_all"])),
            draw(st.timedeltas(timedelta(microseconds=1), timedelta(days=30))),
        )
        for audience in sorted(audiences)
    ]
    pairs = [(audience, scope) for audience in audiences for scope in scopes[audience]]
    some = (
        st.lists(st.sampled_from(pairs), unique=True).map(lambda found: tuple(sorted(found))) if pairs else st.just(())
    )
    grants = [ApiGrant(one, at, tuple(sorted(scopes[at]))) for one in ids for at in audiences if draw(FLAGS)]
    roles = draw(st.lists(WORDS, unique=True, max_size=2))
    return TenantConfig(
        ISSUER,
        by_name([draw(applications(one, connections)) for one in ids]),
        tuple(apis),
        tuple(sorted(grants, key=lambda one: f"{one.client_id} {one.audience}")),
        by_name([Role(name, draw(some), draw(WORDS)) for name in roles]),
        by_name([Connection(name, draw(FLAGS)) for name in connections]),
        draw(WORDS),
        draw(st.sampled_from(["auth0", "rfc"])),
        draw(st.none() | st.sampled_from(audiences)) if audiences else None,
        draw(st.none() | st.sampled_from(connections)) if connections else None,
        draw(FLAGS),
        draw(st.sampled_from(["never", "enrolled", "always"])),
        tuple(draw(st.lists(st.sampled_from(FACTORS), unique=True))),
        draw(st.none() | FLAGS),
        tuple(draw(st.lists(URLS, max_size=2))),
        draw(st.sampled_from(["#000000", "#2454a6"])),
        draw(st.none() | st.just("/logo.png")),
        draw(SPANS),
        draw(SPANS),
        draw(st.timedeltas(timedelta(microseconds=1), timedelta(minutes=10))),
        draw(SPANS),
        draw(SPANS),
        draw(st.floats(0, 1, exclude_min=True)),
        *draw(st.tuples(*[st.integers(1, 10**6)] * 3)),
        enrolment_ends_logins=draw(FLAGS),
        logo_dark=draw(st.none() | st.just(write_image(b"<svg/>"))),
        favicon=draw(st.none() | URLS),
        support=draw(st.none() | st.just("mailto:help@example.com") | URLS),
        privacy=draw(st.none() | URLS),
        terms=draw(st.none() | URLS),
        sign_up=draw(FLAGS),
    )


def never(_: object) -> Secret:
    raise AssertionError


@given(configs())
def test_settings_come_back_from_documents_as_they_were(config: TenantConfig) -> None:
    documents = documents_of(config)

    assert config_of(documents, "https://other.example/") == config
    assert write_documents(read_documents(documents)) == documents


@given(configs())
def test_settings_come_back_from_toml_as_they_were(config: TenantConfig) -> None:
    tables = tomllib.loads(write_toml(write_tables(config)))

    assert tables == write_tables(config)
    assert read_tables(tables, issuer="https://other.example/", resolve=never) == config


@given(st.timedeltas(timedelta(), LONGEST_SPAN))
def test_a_length_of_time_comes_back_as_it_was(span: timedelta) -> None:
    assert read_span(write_span(span)) == span


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("15m", timedelta(minutes=15)),
        ("30d", timedelta(days=30)),
        ("1h30m", timedelta(minutes=90)),
        ("0s", timedelta()),
        ("90m", timedelta(minutes=90)),
        ("1.5s", timedelta(seconds=1.5)),
    ],
)
def test_a_length_of_time_is_said_in_units(text: str, span: timedelta) -> None:
    assert read_span(text) == span


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "5m1h", "1 h", "1h ", "٣m", 15, None, True, 1.5, "36500d1s"])
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(Misuse):
        read_span(text)


def test_what_is_as_it_would_be_anyway_is_left_out() -> None:
    ready = ready_config(ISSUER)
    plain = replace(ready, applications=(Application("keyfob-cli", "keyfob CLI"),))
    texts = {document.kind: document.text for document in documents_of(plain, names_issuer=False)}

    assert texts["tenant"] == '{"default_audience":"https://orders.example/"}'
    assert texts["application"] == '{"client_id":"keyfob-cli","name":"keyfob CLI"}'
    assert texts["connection"] == "{}"


def test_a_tenant_that_names_no_address_is_where_it_is_served() -> None:
    config = ready_config(ISSUER)

    assert config_of(documents_of(config, names_issuer=False), "https://b.example/").issuer == "https://b.example/"


def test_no_connection_at_all_is_not_the_usual_one() -> None:
    config = replace(ready_config(ISSUER), applications=(), connections=())

    assert config_of(documents_of(config), ISSUER).connections == ()


def test_public_keys_come_back_as_they_were() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "key_ops": ["verify"]}
    keys = replace(ready_config(ISSUER).applications[0], public_keys=(jwk,))
    config = replace(ready_config(ISSUER), applications=(keys,))

    assert config_of(documents_of(config), ISSUER) == config


def test_a_secret_in_clear_is_never_written() -> None:
    secret = "a very long secret that nobody may see"
    application = Application("app", "App", "web", auth_methods=("client_secret_post",), secrets=(Secret(secret),))
    with pytest.raises(Misuse) as refused:
        write_tables(replace(ready_config(ISSUER), applications=(application,)))

    assert secret not in refused.value.message + refused.value.hint


@pytest.mark.parametrize(
    "document",
    [
        Document("tenant", "tenant", "{"),
        Document("tenant", "tenant", "[]"),
        Document("planet", "x", "{}"),
        Document("api", "x", '{"audience":"x"}'),
        Document("application", "x", '{"client_id":"x","name":"x","secrets":[{"env":"HOME"}]}'),
        Document("application", "x", '{"client_id":"x","name":"x","from_the_future":true}'),
    ],
    ids=lambda document: document.text,
)
def test_a_damaged_document_is_refused_and_not_guessed_at(document: Document) -> None:
    with pytest.raises(Misuse):
        config_of([document], ISSUER)
