"""Programs that prove themselves by a certificate, and tokens that are bound to it (RFC 8705)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.x509.oid import NameOID

from keyfob.client.auth.client_auth import write_assertion
from keyfob.client.model.credential import PrivateKey
from keyfob.errors import Malformed, Misuse
from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import write_proof
from keyfob.jose.shown import check_name, has_name, is_issued_by, read_certificate, read_certificates
from keyfob.protocol.certificate import der_of_pem, thumbprint_of
from keyfob.protocol.client_authentication import JWT_BEARER
from keyfob.protocol.dpop import Proof
from keyfob.protocol.fields import Fields
from keyfob.protocol.grants import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN
from keyfob.protocol.http import Headers, Request, Response, form_request
from keyfob.protocol.metadata import aliases
from keyfob.serve import ApiGrant, Application
from keyfob.server.decide.client import is_right_certificate
from keyfob.server.endpoints.oauth.metadata import describe_tenant
from keyfob.server.settings.config import ForCertificates, Wire
from keyfob.server.settings.stored_settings import config_of, documents_of
from keyfob.testing.example_tenant import (
    APIS,
    MACHINE_KEY,
    NATIVE,
    ORDERS,
    SIGNER,
    WEB_CALLBACK,
    example_config,
)
from keyfob.testing.scene import ISSUER, Scene, SceneWorld
from tests.server.wires import VERIFIER, claims_of, code_of, scene_of, told
from tests.tls import Made, make

MTLS = "https://mtls.login.example/"
AUTHORITY, FOREIGN = make("authority", is_authority=True), make("authority", is_authority=True)
ROBOT = make("robot", AUTHORITY)
OWN = make("own", is_authority=True)  # as `openssl req -x509` makes them
NAMED = Application(
    "named", "Named", "machine", (CLIENT_CREDENTIALS,), ("tls_client_auth",), certificate_name="subject:CN=robot"
)
KEPT = Application(
    "kept", "Kept", "machine", (CLIENT_CREDENTIALS,), ("self_signed_tls_client_auth",),
    certificates=(OWN.certificate.decode(),),
)  # fmt: skip
SHOP = Application(
    "shop", "Shop", "web", (AUTHORIZATION_CODE, REFRESH_TOKEN), ("tls_client_auth",), callbacks=(WEB_CALLBACK,),
    certificate_name="subject:CN=robot",
)  # fmt: skip


def certified(wire: Wire = "auth0", *, place: bool = True) -> Scene:
    return scene_of(
        wire,
        applications=(NAMED, KEPT, SHOP, SIGNER, NATIVE),
        grants=(*(ApiGrant(name, ORDERS, ("read:orders",)) for name in ("named", "kept", "signer")),),
        for_certificates=ForCertificates(MTLS, (AUTHORITY.der,)) if place else None,
    )


def ask(
    scene: Scene, shown: Made | bytes | None, path: str = "/oauth/token", headers: Headers = (), **form: str
) -> Response:
    request = form_request(f"{MTLS}x", form, headers=headers)
    der = shown.der if isinstance(shown, Made) else shown or b""
    return asyncio.run(scene.tenant.app.answer(replace(request, url=path, certificate=der, peer="127.0.0.1")))


def as_itself(scene: Scene, client_id: str, shown: Made | None, **more: str) -> Response:
    return ask(scene, shown, grant_type=CLIENT_CREDENTIALS, client_id=client_id, audience=ORDERS, **more)


# Who it is.


@pytest.mark.parametrize(("client_id", "shown"), [("named", ROBOT), ("kept", OWN)])
def test_the_right_certificate_gets_a_token_that_is_bound_to_it(client_id: str, shown: Made) -> None:
    """[AS-8705-01] [AS-8705-02]"""
    answer = as_itself(certified(), client_id, shown)
    assert answer.status == 200, answer.body
    members = json.loads(answer.body)
    assert members["token_type"] == "Bearer"
    assert claims_of(members["access_token"])["cnf"] == {"x5t#S256": thumbprint_of(shown.der)}


@pytest.mark.parametrize(
    ("client_id", "shown"),
    [
        ("named", None),
        ("named", make("another", AUTHORITY)),
        ("named", make("robot", FOREIGN)),
        ("named", make("robot")),
        ("kept", None),
        ("kept", make("own")),
        ("kept", make("own", OWN)),
        ("kept", ROBOT),
        ("signer", ROBOT),
        ("nobody", ROBOT),
    ],
)
@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_any_other_or_none_is_refused_as_a_wrong_secret_is(wire: Wire, client_id: str, shown: Made | None) -> None:
    """[AS-8705-01]"""
    answer = as_itself(certified(wire), client_id, shown)
    assert (answer.status, told(answer)[1]) == (401, {"auth0": "access_denied", "rfc": "invalid_client"}[wire])


def test_a_name_counts_only_where_an_authority_of_the_tenant_has_signed_it_itself() -> None:
    """[AS-8705-01]: what another application has on record is let in by TLS as well, and so is what that has signed."""
    for shown in (make("robot", OWN), make("robot", make("between", OWN, is_authority=True))):
        assert as_itself(certified(), "named", shown).status == 401
    assert as_itself(certified(place=False), "named", ROBOT).status == 401


def test_the_client_id_has_to_be_said() -> None:
    """[AS-8705-01]: RFC 8705 §2."""
    answer = ask(certified("rfc"), ROBOT, grant_type=CLIENT_CREDENTIALS, audience=ORDERS)
    assert (answer.status, told(answer)[1]) == (400, "invalid_request")


def test_no_header_speaks_for_a_certificate() -> None:
    """[AS-8705-01] [AS-9700-02]"""
    pem = ROBOT.certificate.decode()
    headers = (
        ("client-cert", f":{pem}:"),
        ("x-forwarded-client-cert", f"Hash={thumbprint_of(ROBOT.der)}"),
        ("ssl-client-cert", urlencode({"": pem})[1:]),
    )
    form = {"grant_type": CLIENT_CREDENTIALS, "client_id": "named", "audience": ORDERS}
    assert ask(certified(), None, headers=headers, **form).status == 401


def test_a_secret_or_an_assertion_proves_no_program_that_has_a_certificate_alone() -> None:
    """[AS-8705-01]"""
    assert as_itself(certified(), "named", ROBOT, client_secret="x" * 40).status == 401


# What a token is bound to.


def test_a_person_s_token_and_its_renewal_are_bound_too_and_the_next_certificate_may_renew_it() -> None:
    """[AS-8705-02]: another's refresh token is bound to the program itself, whatever it shows of its name."""
    scene = certified("rfc")
    code = code_of(
        scene, client_id="shop", redirect_uri=WEB_CALLBACK, scope="openid offline_access read:orders", audience=ORDERS
    )
    first = ask(
        scene, ROBOT, grant_type=AUTHORIZATION_CODE, client_id="shop", code=code, redirect_uri=WEB_CALLBACK,
        code_verifier=VERIFIER,
    )  # fmt: skip
    members = json.loads(first.body)
    assert claims_of(members["access_token"])["cnf"] == {"x5t#S256": thumbprint_of(ROBOT.der)}
    following = make("robot", AUTHORITY)
    again = ask(scene, following, grant_type=REFRESH_TOKEN, client_id="shop", refresh_token=members["refresh_token"])
    renewed = json.loads(again.body)["access_token"]
    assert claims_of(renewed)["cnf"] == {"x5t#S256": thumbprint_of(following.der)}
    for shown, status in ((following, 200), (ROBOT, 401), (None, 401)):
        request = Request(
            "GET", "/userinfo", (("authorization", f"Bearer {renewed}"),), certificate=shown.der if shown else b""
        )
        assert asyncio.run(scene.tenant.app.answer(request)).status == status


def test_a_program_that_proves_itself_otherwise_gets_bound_tokens_where_it_shows_a_certificate() -> None:
    """[AS-8705-02]: RFC 8705 §3 is apart from §2."""
    scene = certified()
    assertion = write_assertion(SceneWorld(scene, lambda _: None), PrivateKey(MACHINE_KEY), "signer", ISSUER)
    shown = {"client_assertion": assertion.reveal(), "client_assertion_type": JWT_BEARER}
    answer = as_itself(scene, "signer", ROBOT, **shown)
    token = json.loads(answer.body)["access_token"]
    assert claims_of(token)["cnf"] == {"x5t#S256": thumbprint_of(ROBOT.der)}


def test_a_public_program_s_certificate_is_not_looked_at() -> None:
    """[AS-8705-02]: its refresh token would have to be bound as well (RFC 8705 §4); a key binds both (DPoP)."""
    scene = certified()
    code = code_of(scene, client_id="native", scope="openid offline_access read:orders", audience=ORDERS)
    answer = ask(
        scene, ROBOT, grant_type=AUTHORIZATION_CODE, client_id="native", code=code,
        redirect_uri="http://127.0.0.1:8484/callback", code_verifier=VERIFIER,
    )  # fmt: skip
    assert "cnf" not in claims_of(json.loads(answer.body)["access_token"])


def test_a_proof_at_the_address_for_certificates_is_for_that_address() -> None:
    """[AS-8705-02]: bound to both."""
    scene, key = certified(), SigningKey.generate("ES256")
    for base, status in ((MTLS, 200), (ISSUER, 400)):
        said = Proof(scene.time.random(8).hex(), "POST", f"{base}oauth/token", scene.time.now(), None, None)
        headers = (("dpop", write_proof(said, key).reveal()),)
        form = {"grant_type": CLIENT_CREDENTIALS, "client_id": "named", "audience": ORDERS}
        answer = ask(scene, ROBOT, headers=headers, **form)
        assert answer.status == status
        if status == 200:
            cnf = claims_of(json.loads(answer.body)["access_token"])["cnf"]
            assert cnf == {"jkt": key.key_id, "x5t#S256": thumbprint_of(ROBOT.der)}


# What the tenant says of itself.


@pytest.mark.parametrize("wire", ["auth0", "rfc"])
def test_metadata_says_so_and_names_the_address(wire: Wire) -> None:
    """[AS-8705-02]"""
    config = replace(example_config(ISSUER, wire), for_certificates=ForCertificates(MTLS))
    members = describe_tenant(config).write()
    assert members["tls_client_certificate_bound_access_tokens"] is True
    assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(members["token_endpoint_auth_methods_supported"])  # type: ignore[call-overload]
    said = aliases(Fields(members, "metadata"))
    assert said["token_endpoint"] == f"{MTLS}oauth/token"
    assert {name: members[name] for name in said} == {name: url.replace(MTLS, ISSUER) for name, url in said.items()}


def test_without_such_an_address_metadata_is_silent() -> None:
    members = describe_tenant(example_config(ISSUER)).write()
    assert not {"tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases"} & members.keys()
    assert "tls_client_auth" not in members["token_endpoint_auth_methods_supported"]  # type: ignore[operator]


# What is registered.


def test_what_is_registered_is_kept_and_the_address_is_not() -> None:
    config = replace(
        example_config(ISSUER), applications=(NAMED, KEPT), apis=APIS, grants=(), for_certificates=ForCertificates(MTLS)
    )
    kept = config_of(documents_of(config), ISSUER)
    assert {one.client_id: one for one in kept.applications} == {"named": NAMED, "kept": KEPT}
    assert kept.for_certificates is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: replace(NAMED, certificate_name=None), "need each other"),
        (lambda: replace(NAMED, auth_methods=("private_key_jwt",)), "need each other"),
        (lambda: replace(KEPT, certificates=()), "need each other"),
        (lambda: replace(KEPT, auth_methods=("private_key_jwt",)), "need each other"),
        (lambda: replace(KEPT, certificates=KEPT.certificates * 3), "more than 2"),
        (lambda: replace(KEPT, certificates=("x",)), "not a certificate"),
        (lambda: replace(KEPT, certificates=(KEPT.certificates[0] + OWN.key.decode(),)), "contain a private key"),
        (lambda: replace(NAMED, certificate_name="CN=robot"), "is no name"),
        (lambda: replace(NAMED, kind="native"), "is public"),
    ],
)
def test_what_could_not_work_is_refused_and_no_key_is_repeated(spoil: Callable[[], Application], said: str) -> None:
    with pytest.raises(Misuse, match=said) as raised:
        spoil().check()
    assert OWN.key.decode().splitlines()[1] not in f"{raised.value.message}{raised.value.hint}"


# Whose certificate it is.


def made_for(*names: x509.GeneralName) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc"), x509.NameAttribute(NameOID.COMMON_NAME, "robot"),
    ])  # fmt: skip
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


HAS_ALL = made_for(
    x509.DNSName("robot.example"), x509.DNSName("Other.Robot.Example"), x509.DNSName("*.example"),
    x509.RFC822Name("robot@Example.com"), x509.UniformResourceIdentifier("spiffe://example/robot"),
    x509.IPAddress(ip_address("::1")),
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "is_its"),
    [
        ("dns:robot.example", True),
        ("dns:ROBOT.example", True),
        ("dns:other.robot.example", True),
        ("dns:other.example", False),
        ("dns:*.example", True),
        ("uri:spiffe://example/robot", True),
        ("uri:spiffe://example/ROBOT", False),
        ("ip:0:0:0:0:0:0:0:1", True),
        ("ip:127.0.0.1", False),
        ("email:robot@example.com", True),
        ("email:Robot@example.com", False),
        ("subject:CN=robot,O=Example\\, Inc", True),
        ("subject:O=Example\\, Inc,CN=robot", False),
        ("subject:CN=robot", False),
        ("serial:1", False),
    ],
)
def test_a_name_is_compared_as_a_whole(name: str, is_its: bool) -> None:
    """[AS-8705-01]: one registered value (RFC 8705 §2.1.2)."""
    assert has_name(HAS_ALL, name) is is_its


def test_only_the_host_of_an_address_is_compared_without_case() -> None:
    quoted = made_for(x509.RFC822Name('"a@B"@Example.com'))
    assert has_name(quoted, 'email:"a@B"@EXAMPLE.com')
    assert not has_name(quoted, 'email:"a@b"@example.com')


def test_a_certificate_without_names_or_none_at_all_has_none() -> None:
    assert not has_name(made_for(), "dns:robot.example")
    assert not has_name(b"", "dns:robot.example")
    assert not has_name(b"x", "subject:CN=robot")
    assert not is_issued_by(b"x", (AUTHORITY.der,))
    assert not is_issued_by(ROBOT.der, (b"x", OWN.der))
    assert is_issued_by(ROBOT.der, (OWN.der, AUTHORITY.der))


@pytest.mark.parametrize("name", ["", "robot", "dns:", "ip:x", "subject:", "subject:x", "serial:1", ":"])
def test_what_is_no_name_is_said_to_be_none(name: str) -> None:
    with pytest.raises(Malformed) as refused:
        check_name(name)
    assert refused.value.field == "certificate_name"


def test_each_of_a_clients_own_certificates_authenticates_it() -> None:
    """So that one can follow the other."""
    client = replace(KEPT, certificates=(OWN.certificate.decode(), ROBOT.certificate.decode()))
    assert is_right_certificate(client, OWN.der, ())
    assert is_right_certificate(client, ROBOT.der, ())
    assert not is_right_certificate(client, make("own", is_authority=True).der, ())


@pytest.mark.parametrize("name", ["uri:spiffe://example:8443/robot", "ip:::1", "dns:robot.example", "subject:CN=robot"])
def test_a_name_of_each_kind_may_have_colons_of_its_own(name: str) -> None:
    check_name(name)


def test_an_authority_whose_key_cannot_sign_has_issued_nothing() -> None:
    """As an agreement key; its name alone is that of the issuer."""
    robot = x509.load_der_x509_certificate(ROBOT.der)
    named = (
        x509.CertificateBuilder()
        .subject_name(robot.issuer)
        .issuer_name(robot.issuer)
        .public_key(x25519.X25519PrivateKey.generate().public_key())
        .serial_number(1)
        .not_valid_before(robot.not_valid_before_utc)
        .not_valid_after(robot.not_valid_after_utc)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    assert not is_issued_by(ROBOT.der, (named.public_bytes(serialization.Encoding.DER),))


def test_certificates_are_read_from_a_text_in_their_order() -> None:
    text = f"hello\n{ROBOT.certificate.decode()}\n{AUTHORITY.certificate.decode()}bye"
    assert read_certificates(text) == (ROBOT.der, AUTHORITY.der)
    assert read_certificate(text) == der_of_pem(text) == ROBOT.der
    for nothing in ("", "hello", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"):
        with pytest.raises(Malformed) as refused:
            read_certificates(nothing)
        assert refused.value.field == "certificate"
