"""Every message survives the wire, and any bytes are read or refused."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import Malformed
from keyfob.protocol.claims import AccessClaims, IdClaims
from keyfob.protocol.device import DEFAULT_INTERVAL, DeviceAnswer, DeviceRequest
from keyfob.protocol.fields import Fields, read_form, read_json
from keyfob.protocol.grants import (
    TOKEN_EXCHANGE,
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    DeviceCodeGrant,
    Grant,
    MfaOobGrant,
    MfaOtpGrant,
    MfaRecoveryGrant,
    PasswordGrant,
    RefreshGrant,
    TokenRequest,
)
from keyfob.protocol.http import form_request, json_response
from keyfob.protocol.metadata import ServerMetadata, aliases, well_known
from keyfob.protocol.multifactor import AssociateRequest
from keyfob.protocol.oauth_error import OAuthError
from keyfob.protocol.revocation import RevocationRequest
from keyfob.protocol.scope import Scope
from keyfob.protocol.secret import Secret
from keyfob.protocol.target import Target
from keyfob.protocol.tokens import TokenAnswer

words = st.text(min_size=1, max_size=40)
secrets = words.map(Secret)
scopes = st.sets(st.text(st.sampled_from("abz:.!#[]~/"), min_size=1, max_size=12), max_size=5).map(Scope.of)
spans = st.integers(0, 10**7).map(lambda seconds: timedelta(seconds=seconds))
moments = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
addresses = st.sampled_from(["https://login.example/", "http://127.0.0.1:8000/x?y=z", "https://[::1]/activate"])


def over_form(parameters: dict[str, str]) -> Fields:
    return read_form(form_request("https://login.example/", parameters).body, "request")


def over_json(members: dict[str, object]) -> Fields:
    return read_json(json_response(200, members).body, "answer")


targets = st.builds(Target, words.filter(lambda word: " " not in word), st.booleans()) | st.just(Target())
some_scopes = st.none() | scopes.filter(bool)
GRANTS = (
    st.builds(AuthorizationCodeGrant, secrets, st.none() | words, st.none() | secrets)
    | st.builds(ClientCredentialsGrant, targets, some_scopes, st.none() | words)
    | st.builds(DeviceCodeGrant, secrets)
    | st.builds(MfaOobGrant, secrets, secrets, st.none() | secrets)
    | st.builds(MfaOtpGrant, secrets, secrets)
    | st.builds(MfaRecoveryGrant, secrets, secrets)
    | st.builds(PasswordGrant, words, secrets, targets, some_scopes)
    | st.builds(PasswordGrant, words, secrets, targets, some_scopes, st.just(value=True), st.none() | words)
    | st.builds(RefreshGrant, secrets, some_scopes)
)


@given(st.builds(DeviceRequest, words, scopes, targets))
def test_a_device_request_survives_the_wire(message: DeviceRequest) -> None:
    """[C-6749-02] [C-6749-03]: form-encoded, nothing twice, nothing empty."""
    assert DeviceRequest.read(over_form(message.write())) == message
    assert "" not in message.write().values()


@given(
    st.builds(
        DeviceAnswer,
        secrets,
        words,
        addresses,
        spans,
        st.integers(0, 300).map(lambda seconds: timedelta(seconds=seconds)),
        st.none() | addresses,
    )
)
def test_a_device_answer_survives_the_wire(message: DeviceAnswer) -> None:
    assert DeviceAnswer.read(over_json(message.write())) == message


@given(words, GRANTS)
def test_a_token_request_survives_the_wire(client_id: str, grant: Grant) -> None:
    message = TokenRequest(client_id, grant)
    assert TokenRequest.read(over_form(message.write())) == message
    assert TokenRequest.read(over_json(dict(message.write()))) == message


@given(
    st.builds(
        TokenAnswer, secrets, st.just("Bearer"), st.none() | spans, st.none() | scopes, st.none() | secrets, st.none()
    )
)
def test_a_token_answer_survives_the_wire(message: TokenAnswer) -> None:
    """[AS-6749-07]: absent members are left out, never null."""
    written = message.write()
    assert None not in written.values()
    assert TokenAnswer.read(over_json(written)) == message


@given(words, secrets)
def test_a_revocation_survives_the_wire(client_id: str, token: Secret) -> None:
    message = RevocationRequest(client_id, token)
    assert RevocationRequest.read(over_form(message.write())) == message


@given(st.sampled_from(["invalid_grant", "slow_down", "x"]), st.text(max_size=500))
def test_an_error_is_written_in_the_allowed_characters_and_survives(code: str, description: str) -> None:
    """[AS-6749-08]."""
    written = OAuthError(code, description).write()
    shown = str(written.get("error_description", ""))
    assert all(" " <= letter <= "~" and letter not in '"\\' for letter in shown)
    assert OAuthError.read(over_json(written)) == OAuthError(code, shown)


@pytest.mark.parametrize("profile", ["auth0", "rfc9068"])
@given(st.data())
def test_access_claims_survive_the_token(profile: str, data: st.DataObject) -> None:
    strict = profile == "rfc9068"
    message = data.draw(
        st.builds(
            AccessClaims,
            issuer=words,
            subject=words,
            audience=st.lists(words, min_size=1, max_size=3).map(tuple),
            client_id=words,
            issued_at=moments,
            expires_at=moments,
            scope=scopes,
            permissions=st.none() | st.lists(words, max_size=3).map(tuple),
            token_id=words if strict else st.none(),
            grant_type=st.none() if strict else st.none() | words,
        )
    )
    assert AccessClaims.read(over_json(message.write("rfc9068" if strict else "auth0"))) == message


@given(
    st.builds(
        IdClaims,
        issuer=words,
        subject=words,
        audience=st.lists(words, min_size=1, max_size=3).map(tuple),
        issued_at=moments,
        expires_at=moments,
        nonce=st.none() | words,
        authorized_party=st.none() | words,
        auth_time=st.none() | moments,
        person=st.dictionaries(st.sampled_from(["email", "name"]), words).map(
            lambda found: tuple(sorted(found.items()))
        ),
    )
)
def test_id_claims_survive_the_token(message: IdClaims) -> None:
    assert IdClaims.read(over_json(message.write())) == message


def test_metadata_survives_the_wire_and_empty_members_are_left_out() -> None:
    """[AS-8414-01]: empty arrays are omitted."""
    message = ServerMetadata("https://login.example/", "https://login.example/t", scopes_supported=("openid",))
    written = message.write()
    assert written.keys() == {"issuer", "token_endpoint", "scopes_supported"}
    assert ServerMetadata.read(over_json(written), issuer=message.issuer) == message


READERS: dict[str, Callable[[Fields], object]] = {
    "device request": DeviceRequest.read,
    "device answer": DeviceAnswer.read,
    "token request": TokenRequest.read,
    "token answer": TokenAnswer.read,
    "revocation": RevocationRequest.read,
    "error": OAuthError.read,
    "access claims": AccessClaims.read,
    "id claims": IdClaims.read,
    "metadata": lambda fields: ServerMetadata.read(fields, issuer="https://login.example/"),
}
NAMES = [
    *("access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token", "device_code", "user_code"),
    *("verification_uri", "interval", "client_id", "grant_type", "error", "error_description", "issuer", "iss"),
    *("sub", "aud", "exp", "iat", "nbf", "token_endpoint", "jwks_uri", "token", "permissions", "azp", "nonce"),
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("reader", READERS)
@given(st.dictionaries(st.sampled_from(NAMES), anything))
def test_any_members_are_read_or_refused(reader: str, members: dict[str, object]) -> None:
    """[C-6749-19] [C-8628-02]."""
    try:
        READERS[reader](Fields(members, "message"))
    except Malformed as refused:
        assert refused.field or refused.code == "wrong-issuer"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_refused(raw: bytes) -> None:
    try:
        found = read_form(raw, "form")
    except Malformed:
        return
    assert all(isinstance(value, str) and value for value in found.values.values())


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_json_or_refused(raw: bytes) -> None:
    try:
        found = read_json(raw, "json")
    except Malformed as refused:
        assert refused.code == "not-json"
        return
    assert isinstance(found.values, dict)


@pytest.mark.parametrize(
    "raw", [b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":Infinity}', b"[" * 100_000, b'"x"', b"\xff\xfe{\x00}\x00"]
)
def test_json_that_two_readers_could_read_differently_is_refused(raw: bytes) -> None:
    """[RS-7515-02]."""
    with pytest.raises(Malformed):
        read_json(raw, "json")


@pytest.mark.parametrize(
    ("raw", "passes"),
    [
        (b"client_id=a&client_id=b", False),
        (b"client_id=a&client_id=a", True),
        (b"scope=a&scope=a", False),
        (b"scope=&scope=a", True),
        (b"audience=a&audience=b", True),
        (b"x=%ff", False),
        (b"foo=bar", True),
    ],
)
def test_a_parameter_is_sent_once(raw: bytes, *, passes: bool) -> None:
    """[AS-6749-04] [AS-6749-03] [AS-6749-05]."""
    if passes:
        read_form(raw, "form")
    else:
        with pytest.raises(Malformed):
            read_form(raw, "form")


def test_the_form_encoding_is_that_of_appendix_b() -> None:
    """[C-6749-02]: RFC 6749 App. B."""
    assert form_request("https://a/", {"x": " %&+£€"}).body == b"x=+%25%26%2B%C2%A3%E2%82%AC"
    assert read_form(b"x=+%25%26%2B%C2%A3%E2%82%AC", "form").text("x") == " %&+£€"


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        ("https://a.example", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        ("https://a.example/", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"),
        ("https://a.example/t1", "/t1/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/t1"),
        ("https://a.example/t1/", "/t1/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/t1"),
    ],
)
def test_metadata_lies_where_the_standards_say(issuer: str, openid: str, oauth: str) -> None:
    """[C-8414-01]."""
    assert well_known(issuer) == (f"https://a.example{openid}", f"https://a.example{oauth}")


@pytest.mark.parametrize(
    "named", ["https://a.example", "https://A.example/", "https://a.example:443/", "http://a.example/"]
)
def test_metadata_of_another_issuer_is_discarded(named: str) -> None:
    """[C-8414-02]."""
    with pytest.raises(Malformed) as refused:
        ServerMetadata.read(
            Fields({"issuer": named, "token_endpoint": "https://a.example/t"}, "m"), issuer="https://a.example/"
        )
    assert refused.value.code == "wrong-issuer"


@pytest.mark.parametrize("token_type", ["bearer", "BEARER", "Bearer"])
def test_the_token_type_is_read_in_any_case(token_type: str) -> None:
    """[C-6749-16]."""
    assert TokenAnswer.read(Fields({"access_token": "t", "token_type": token_type}, "answer")).token_type == "Bearer"


@pytest.mark.parametrize("token_type", ["mac", None, 7, "", "DPoP"])
def test_a_token_of_a_type_we_cannot_use_is_refused(token_type: object) -> None:
    """[C-6749-16]."""
    with pytest.raises(Malformed):
        TokenAnswer.read(Fields({"access_token": "t", "token_type": token_type}, "answer"))


def test_a_device_answer_without_interval_means_five_seconds() -> None:
    """[C-8628-03]."""
    members = {"device_code": "d", "user_code": "u", "verification_uri": "https://a.example/", "expires_in": "900"}
    answer = DeviceAnswer.read(Fields(members, "answer"))
    assert (answer.interval, answer.expires_in) == (DEFAULT_INTERVAL, timedelta(minutes=15))


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://a.example/ x",
        "https://a\x1b[2J",
        "//a.example",
        "https://",
        7,
        "https://user@a.example/",
        "https://a.example:99999/",
        "https://a.example\\@b",
    ],
)
def test_an_address_that_is_no_web_address_is_refused(address: object) -> None:
    """[C-6749-06]."""
    members = {"device_code": "d", "user_code": "u", "verification_uri": address, "expires_in": 900}
    with pytest.raises(Malformed):
        DeviceAnswer.read(Fields(members, "answer"))


@pytest.mark.parametrize("text", ['a"b', "a\\b", "ä", "a\x00", "a\tb"])
def test_a_scope_with_a_forbidden_character_is_refused(text: str) -> None:
    """[AS-6749-11]."""
    with pytest.raises(Malformed):
        Scope.read(text)


def test_scope_is_a_set() -> None:
    """[AS-6749-11]: order and repeats mean nothing, case does."""
    assert Scope.read("b a  b") == Scope.read("a b")
    assert Scope.read("A") != Scope.read("a")
    assert Scope.read("a") <= Scope.read("a b")
    assert (Scope.read("a b") & Scope.read("b c")).write() == "b"
    assert (Scope.read("a b") - Scope.read("b c")).write() == "a"


def test_a_long_scope_does_not_stay_in_memory() -> None:
    """[FS-03] Anybody may send 64 KiB of scopes, each time other ones."""
    scope = Scope.read(" ".join(map(str, range(10_000))))
    assert len(scope.write().split()) == 10_000
    names = weakref.ref(scope.names)
    del scope
    gc.collect()
    assert names() is None


def test_an_interval_of_hours_is_refused() -> None:
    members = {"device_code": "d", "user_code": "u", "verification_uri": "https://a.example/", "expires_in": 900}
    with pytest.raises(Malformed):
        DeviceAnswer.read(Fields({**members, "interval": 301}, "answer"))


@given(st.integers(0, 10**11) | st.floats(0, 10**11))
def test_a_moment_is_what_its_number_says_whatever_was_read_before(said: float) -> None:
    """What is remembered of whole seconds is found by a number that is equal: 1, 1.0 and true are."""
    for number in (int(said), said, float(int(said))):
        assert Fields({"exp": number}, "token").time("exp") == datetime.fromtimestamp(number, UTC)
    for wrong in (True, False, -1, 10**12, float("nan"), float("inf"), str(int(said)), None, [said]):
        with pytest.raises(Malformed):
            Fields({"exp": wrong}, "token").time("exp")


@pytest.mark.parametrize("factor", ["otp", "email"])
def test_a_request_for_a_second_factor_is_read_as_it_was_written(factor: Literal["otp", "email"]) -> None:
    asked = AssociateRequest(factor)
    assert AssociateRequest.read(Fields(asked.write(), "request")) == asked


@pytest.mark.parametrize(
    "members", [{"authenticator_types": ["oob"], "oob_channels": ["sms"]}, {"authenticator_types": ["x"]}]
)
def test_a_second_factor_of_another_kind_is_none_of_ours(members: dict[str, object]) -> None:
    assert AssociateRequest.read(Fields(members, "request")) == AssociateRequest(None)


def test_a_request_for_a_second_factor_names_its_type() -> None:
    with pytest.raises(Malformed, match="authenticator_types is missing"):
        AssociateRequest.read(Fields({}, "request"))


@pytest.mark.parametrize("alone", ["actor_token", "actor_token_type"])
def test_the_token_of_an_actor_and_its_type_come_together(alone: str) -> None:
    """RFC 8693 §2.1."""
    asked = {"grant_type": TOKEN_EXCHANGE, "subject_token": "s", "subject_token_type": "urn:x", alone: "a"}
    with pytest.raises(Malformed, match="come together"):
        TokenRequest.read(Fields(asked, "token request"))


def test_the_aliases_of_endpoints_are_an_object() -> None:
    """RFC 8705 §5."""
    assert aliases(Fields({}, "metadata")) == {}
    with pytest.raises(Malformed, match="mtls_endpoint_aliases is not an object"):
        aliases(Fields({"mtls_endpoint_aliases": "https://mtls.example"}, "metadata"))


@pytest.mark.parametrize("error", ["two words", "é", "line\n", "x" * 1000])
def test_an_error_that_is_no_plain_word_is_no_oauth_error(error: str) -> None:
    """RFC 6749 §5.2."""
    with pytest.raises(Malformed, match="not a plain word"):
        OAuthError.read(Fields({"error": error}, "answer"))


def test_the_answer_to_an_exchange_tells_its_type() -> None:
    """RFC 8693 §2.2.1."""
    answer = TokenAnswer(Secret("at"), issued_token_type="urn:ietf:params:oauth:token-type:access_token")
    assert TokenAnswer.read(Fields(answer.write(), "answer")) == answer
