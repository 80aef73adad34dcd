"""Each row of the table of checks at /oauth/token refuses the fault that it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from keyfob.jose.keys import SigningKey
from keyfob.jose.proofs import nonce_at, write_proof
from keyfob.jose.tokens import sign
from keyfob.protocol.client_authentication import JWT_BEARER as ASSERTION
from keyfob.protocol.dpop import Proof
from keyfob.protocol.grants import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    DEVICE_CODE,
    JWT_BEARER,
    MFA_OOB,
    MFA_OTP,
    MFA_RECOVERY_CODE,
    PASSWORD,
    REFRESH_TOKEN,
)
from keyfob.protocol.http import Headers, Response, form_request
from keyfob.protocol.secret import Secret
from keyfob.serve import Tenant, TenantConfig
from keyfob.server.decide.check_table import cells_of
from keyfob.server.decide.token_checks import GRANTS_OF, STEPS, TOKEN_CHECKS, Step
from keyfob.server.keyed_hash import keyed_hash, read_refresh
from keyfob.server.ports import Transaction
from keyfob.server.settings.config import Wire
from keyfob.server.wire import TABLE, Outcome
from keyfob.testing.example_tenant import CALLBACK, MACHINE_KEY, ORDERS, SECRET
from keyfob.testing.scene import EMAIL, ISSUER, Scene, quick_passwords
from keyfob.testing.scene import PASSWORD as TYPED
from keyfob.testing.surroundings import FakeSurroundings
from tests.server.endpoints.oauth.test_password import code_for, enrolled, mfa_token
from tests.server.wires import (
    VERIFIER,
    approve,
    code_of,
    device_codes,
    redeem,
    scene_of,
    text_of,
    token,
    told,
)
from tools import checks

KEY = SigningKey.generate("ES256")
MASTER = FakeSurroundings().random(32)  # the first that a scene draws
HASHES = Scene().tenant._site.hash_keys  # of every scene
CLIENTS = {CLIENT_CREDENTIALS: "machine", PASSWORD: "legacy", MFA_OTP: "legacy", MFA_OOB: "legacy"}
CLIENTS |= {MFA_RECOVERY_CODE: "legacy"}


class Attempt:
    """A scene in which one token request is good; the tenant it is sent to may have other settings."""

    def __init__(self, grant: str) -> None:
        self.scene = scene_of(mfa="always", name="Example") if grant.startswith("http") else scene_of()
        self.client_id = CLIENTS.get(grant, "native")
        self.parameters = {"grant_type": grant, "client_id": self.client_id, **_good(self.scene, grant)}
        if self.client_id == "machine":
            self.parameters["client_secret"] = SECRET.reveal()
        self.tenant = self.scene.tenant

    def configure(self, changes: list[Callable[[TenantConfig], TenantConfig]]) -> None:
        """Another tenant on the same store, as if it had been configured so."""
        config = self.scene.config
        for change in changes:
            config = change(config)
        made = Tenant.create(
            config, store=self.scene.store, master=MASTER, surroundings=self.scene.time, passwords=quick_passwords()
        )
        self.tenant = asyncio.run(made)

    def send(self, headers: Headers = (), **changed: str) -> Response:
        kept = {name: value for name, value in {**self.parameters, **changed}.items() if value}
        request = replace(form_request(f"{ISSUER}oauth/token", kept, headers=headers), peer="192.0.2.7")
        return asyncio.run(self.tenant.app.answer(request))

    def change(self, record: Mapping[str, Any], user: Mapping[str, Any]) -> None:
        async def save(transaction: Transaction) -> None:
            await _change_record(transaction, self.parameters, record)
            found = await transaction.user_by_email(EMAIL)
            assert found is not None
            await transaction.save_user(replace(found, **user))

        asyncio.run(self.scene.store.write(save))


def _good(scene: Scene, grant: str) -> dict[str, str]:
    match grant:
        case "authorization_code":
            return {"code": code_of(scene), "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        case "refresh_token":
            return {"refresh_token": text_of(redeem(scene, code_of(scene, scope="offline_access")), "refresh_token")}
        case "client_credentials":
            return {"audience": ORDERS}
        case "password":
            return {"username": EMAIL, "password": TYPED, "audience": ORDERS}
        case _ if grant == DEVICE_CODE:
            codes = device_codes(scene)
            approve(scene, codes)
            return {"device_code": str(codes["device_code"])}
        case _:
            return _good_factor(scene, grant)


def _good_factor(scene: Scene, grant: str) -> dict[str, str]:
    secret, recovery = enrolled(scene)
    pending = mfa_token(scene)
    if grant == MFA_OTP:
        return {"mfa_token": pending, "otp": code_for(scene, secret)}
    if grant == MFA_RECOVERY_CODE:
        return {"mfa_token": pending, "recovery_code": recovery}
    # A code by e-mail, which an enrolled user is not asked for here, so its record is written as if it had been sent.
    binding = keyed_hash(HASHES.codes, keyed_hash(HASHES.codes, Secret(pending)) + b"123456")
    sent = {"oob_hash": keyed_hash(HASHES.codes, Secret("oob")), "binding_hash": binding}
    until = scene.time.now() + timedelta(minutes=5)

    async def save(transaction: Transaction) -> None:
        await _change_record(transaction, {"mfa_token": pending}, {**sent, "oob_expires_at": until})

    asyncio.run(scene.store.write(save))
    return {"mfa_token": pending, "oob_code": "oob", "binding_code": "123456"}


async def _change_record(transaction: Transaction, parameters: Mapping[str, str], record: Mapping[str, Any]) -> None:
    if "code" in parameters:
        code = await transaction.code(keyed_hash(HASHES.codes, Secret(parameters["code"])))
        assert code is not None
        await transaction.save_code(replace(code, **record))
    elif "device_code" in parameters:
        device = await transaction.device_by_code(keyed_hash(HASHES.codes, Secret(parameters["device_code"])))
        assert device is not None
        await transaction.save_device(replace(device, **record))
    elif "refresh_token" in parameters:
        parts = read_refresh(Secret(parameters["refresh_token"]), HASHES.refresh)
        login = None if parts is None else await transaction.refresh_by_id(parts.login_id)
        assert login is not None
        await transaction.save_refresh(replace(login, **record))
    elif "mfa_token" in parameters:
        pending = await transaction.mfa_login(keyed_hash(HASHES.codes, Secret(parameters["mfa_token"])))
        assert pending is not None
        await transaction.save_mfa_login(replace(pending, **record))


@dataclass(frozen=True)
class Fault:
    """What makes one row fail. Two faults that want different things of the same place do not go together."""

    row: str
    outcome: Outcome
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Callable[[Attempt], Headers] | None = None
    config: Callable[[TenantConfig], TenantConfig] | None = None
    record: Mapping[str, Any] = field(default_factory=dict[str, Any])
    user: Mapping[str, Any] = field(default_factory=dict[str, Any])
    before: Callable[[Attempt], None] | None = None
    alone: frozenset[str] = frozenset()  # rows whose fault undoes this one

    def goes_with(self, other: Fault) -> bool:
        if other.row in self.alone or self.row in other.alone:
            return False
        pairs = ((self.parameters, other.parameters), (self.record, other.record), (self.user, other.user))
        return all(one.get(name, two[name]) == two[name] for one, two in pairs for name in two)


def set_application(**changed: object) -> Callable[[TenantConfig], TenantConfig]:
    def change(config: TenantConfig) -> TenantConfig:
        known = [replace(one, **changed) for one in config.applications]  # type: ignore[arg-type]
        return replace(config, applications=tuple(known))

    return change


def without_grants_but(keep: Callable[[str], bool]) -> Callable[[TenantConfig], TenantConfig]:
    def change(config: TenantConfig) -> TenantConfig:
        known = [replace(one, grants=tuple(filter(keep, one.grants))) for one in config.applications]
        return replace(config, applications=tuple(known))

    return change


def set_apis(**changed: object) -> Callable[[TenantConfig], TenantConfig]:
    return lambda config: replace(config, apis=tuple(replace(one, **changed) for one in config.apis))  # type: ignore[arg-type]


def proof(attempt: Attempt, nonce: str) -> tuple[str, str]:
    said = Proof("one", "POST", f"{ISSUER}oauth/token", attempt.scene.time.now(), None, nonce)
    return "dpop", write_proof(said, KEY).reveal()


def stale_nonce(attempt: Attempt) -> Headers:
    return (proof(attempt, "stale"),)


def two_proofs(attempt: Attempt) -> Headers:
    return (proof(attempt, nonce_at(HASHES.nonces, attempt.scene.time.now())),) * 2


def fail_often(attempt: Attempt) -> None:
    for _ in range(5):
        attempt.send(client_secret="wrong")


def guess_often(attempt: Attempt) -> None:
    for _ in range(10):
        attempt.send(password="wrong", otp="000000", binding_code="000000", recovery_code="wrong")


def poll_once(attempt: Attempt) -> None:
    attempt.change({"stage": "confirmed"}, {})
    attempt.send()


PROOFS = frozenset({"proof_needed", "proof", "proof_nonce", "proof_replay"})
GONE = {"client_id": "another"}
PAST = timedelta(days=-1)
# A public client has no secret that could be guessed.
WITH_SECRET = set_application(kind="web", auth_methods=("client_secret_post",), secrets=(SECRET,))
NEEDS_PROOF = set_application(requires_dpop=True)
EVERY = (
    Fault("parameters", "request_malformed", {"grant_type": ""}),
    Fault("basic_header", "client_unknown", headers=lambda _: (("authorization", "Basic %"),)),
    Fault("one_method", "request_malformed", {"client_secret": "a", "client_assertion": "b"}),
    Fault("client_id", "client_missing", {"client_id": ""}),
    Fault("client_failures", "too_many", {"client_secret": "wrong"}, config=WITH_SECRET, before=fail_often),
    Fault("client", "client_unknown", {"client_secret": "wrong"}),
    Fault(
        "client_grant",
        "grant_refused",
        config=without_grants_but(lambda _: False),
        alone=frozenset({"factor_possible"}),
    ),
    Fault("proof_needed", "proof_invalid", config=NEEDS_PROOF, alone=PROOFS),
    Fault("proof", "proof_invalid", headers=lambda _: (("dpop", "x"),), alone=PROOFS),
    Fault("proof_nonce", "proof_needs_nonce", headers=stale_nonce, alone=PROOFS),
    Fault("proof_replay", "proof_invalid", headers=two_proofs, alone=PROOFS),
)
FACTORS = {MFA_OTP, MFA_OOB, MFA_RECOVERY_CODE}
FACTOR = (
    Fault("known", "mfa_token_unknown", record=GONE),
    Fault("open", "mfa_token_unknown", record={"is_spent": True}),
    Fault("unexpired", "mfa_token_expired", record={"expires_at": FakeSurroundings().now() + PAST}),
    Fault("token_key", "mfa_token_unknown", record={"key_thumbprint": "another"}),
    Fault("account", "mfa_token_unknown", user={"is_blocked": True}),
    Fault("tries", "attempts_many", before=guess_often),
)
FAULTS: dict[str, tuple[Fault, ...]] = {
    AUTHORIZATION_CODE: (
        Fault("known", "authorization_code_unknown", record=GONE),
        Fault("redirect_uri", "authorization_code_unknown", {"redirect_uri": "app.example:/cb"}),
        Fault("verifier", "verifier_wrong", {"code_verifier": "x" * 43}),
        Fault("code_key", "authorization_code_unknown", record={"key_thumbprint": "another"}),
        Fault("unused", "authorization_code_unknown", record={"is_spent": True}),
        Fault("unexpired", "authorization_code_unknown", record={"expires_at": FakeSurroundings().now() + PAST}),
        Fault("account", "authorization_code_unknown", user={"is_blocked": True}),
    ),
    DEVICE_CODE: (
        Fault("known", "code_unknown", record=GONE),
        Fault("open", "code_unknown", record={"stage": "redeemed"}),
        Fault("verifier", "verifier_wrong", {"code_verifier": "x" * 43}),
        Fault("not_denied", "denied", record={"stage": "denied"}),
        Fault("unexpired", "expired", record={"expires_at": FakeSurroundings().now() + PAST}),
        Fault("pace", "slow_down", record={"stage": "confirmed"}, before=poll_once),
        Fault("decided", "pending", record={"stage": "confirmed"}),
        Fault("number", "number_missing", record={"number_hash": b"number"}),
        Fault("account", "code_unknown", user={"is_blocked": True}),
    ),
    REFRESH_TOKEN: (
        Fault("readable", "refresh_unknown", {"refresh_token": "x"}),
        Fault("known", "refresh_unknown", record=GONE),
        Fault("open", "refresh_unknown", record={"has_ended": True}),
        Fault("unused", "refresh_unknown", record={"current_hashes": (b"another",)}),
        Fault("unexpired", "refresh_unknown", record={"expires_at": FakeSurroundings().now() + PAST}),
        Fault("token_key", "refresh_unknown", record={"key_thumbprint": "another"}),
        Fault("scope", "scope_widened", {"scope": "read:orders"}),
        Fault("user", "refresh_orphaned", record={"user_id": "auth0|nobody"}),
        Fault("account", "refresh_unknown", user={"is_blocked": True}),
    ),
    CLIENT_CREDENTIALS: (
        Fault("organization", "organization_refused", {"organization": "example"}),
        Fault("api_named", "audience_missing", {"audience": ""}),
        Fault("api", "audience_unknown", {"audience": "https://nowhere.example/"}),
        Fault("api_grant", "api_refused", config=lambda config: replace(config, grants=())),
        Fault("scope", "scope_refused", {"scope": "write:orders"}),
    ),
    PASSWORD: (
        Fault("passwords_on", "password_off", config=lambda config: replace(config, allows_password=False)),
        Fault(
            "connection",
            "directory_missing",
            config=lambda config: replace(config, default_directory=None),
            alone=frozenset({"realm", "connection_passwords"}),
        ),
        Fault("realm", "realm_unknown", {"realm": "nowhere"}),
        Fault(
            "connection_passwords",
            "password_off",
            config=lambda config: replace(
                config, connections=tuple(replace(one, allows_password=False) for one in config.connections)
            ),
        ),
        Fault("api", "audience_unknown", {"audience": "https://nowhere.example/"}),
        Fault("api_grant", "api_closed", config=set_apis(users="deny_all")),
        Fault("tries", "attempts_many", before=guess_often),
        Fault("password", "password_wrong", {"password": "wrong"}),
        Fault("not_blocked", "user_blocked", user={"is_blocked": True}),
        Fault(
            "factor_possible",
            "mfa_refused",
            config=lambda config: without_grants_but(lambda name: name not in FACTORS)(replace(config, mfa="always")),
        ),
        Fault("factor", "mfa_required", config=lambda config: replace(config, mfa="always")),
    ),
    MFA_OTP: (*FACTOR, Fault("otp", "otp_wrong", {"otp": "000000"})),
    MFA_OOB: (
        Fault("binding_code", "request_malformed", {"binding_code": ""}),
        *FACTOR,
        Fault("oob_code", "binding_code_wrong", {"oob_code": "another"}),
    ),
    MFA_RECOVERY_CODE: (*FACTOR, Fault("recovery_code", "recovery_code_wrong", {"recovery_code": "wrong"})),
}
ORDER = [row.name for row in TOKEN_CHECKS]
# These have tests of their own below, or elsewhere.
APART = {"offered", "assertion_replay"}


def rows_of(grant: str) -> list[str]:
    """The rows of the table that hold for a grant."""
    mine = [column for column, grants in GRANTS_OF.items() if grant in grants]
    return [row.name for row in TOKEN_CHECKS if any(getattr(row, name) for name in (*get_args(Step), *mine))]


def outcome_is(response: Response, outcome: Outcome) -> bool:
    status, error, text = TABLE[outcome][0]
    found = told(response)
    return found[:2] == (status, error) and found[2].startswith(text.partition("{")[0])


def refused(grant: str, *faults: Fault) -> Response:
    """A request with all of these faults."""
    attempt = Attempt(grant)
    attempt.configure([fault.config for fault in faults if fault.config])
    for fault in faults:
        if fault.before:
            fault.before(attempt)
    record = {name: value for fault in faults for name, value in fault.record.items()}
    user = {name: value for fault in faults for name, value in fault.user.items()}
    attempt.change(record, user)
    headers = tuple(header for fault in faults if fault.headers for header in fault.headers(attempt))
    changed = {name: value for fault in faults for name, value in fault.parameters.items()}
    return attempt.send(headers, **changed)


@pytest.mark.parametrize("grant", FAULTS)
def test_without_a_fault_there_are_tokens(grant: str) -> None:
    attempt = Attempt(grant)
    attempt.configure([])

    response = attempt.send()

    assert response.status == 200, response.body


@pytest.mark.parametrize("grant", FAULTS)
def test_each_row_of_a_grant_refuses_what_fails_it(grant: str) -> None:
    for fault in (*EVERY, *FAULTS[grant]):
        response = refused(grant, fault)

        assert outcome_is(response, fault.outcome), (fault.row, response.body)


@pytest.mark.parametrize("grant", FAULTS)
def test_every_row_of_a_grant_has_a_fault_here(grant: str) -> None:
    only = {MFA_OTP: "otp", MFA_OOB: "oob_code", MFA_RECOVERY_CODE: "recovery_code"}
    others = {"binding_code"} if grant in FACTORS - {MFA_OOB} else set[str]()
    others |= {row for factor, row in only.items() if factor != grant}

    assert {fault.row for fault in (*EVERY, *FAULTS[grant])} == set(rows_of(grant)) - APART - others


def test_a_grant_that_is_not_offered_is_refused_before_its_client_is_looked_at() -> None:
    response = token(scene_of(), grant_type=JWT_BEARER, assertion="x", client_id="nobody")

    assert outcome_is(response, "grant_unsupported")


def test_an_assertion_that_was_used_before_is_refused_before_the_grant() -> None:
    scene = scene_of()
    now = int(scene.time.now().timestamp())
    claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "jti": "one", "exp": now + 60}
    shown = {
        "client_assertion": sign(claims, MACHINE_KEY, token_type="JWT").reveal(),
        "client_assertion_type": ASSERTION,
    }
    assert token(scene, grant_type=CLIENT_CREDENTIALS, audience=ORDERS, **shown).status == 200

    response = token(scene, grant_type=PASSWORD, username=EMAIL, password=TYPED, **shown)

    assert outcome_is(response, "client_unknown")


@pytest.mark.parametrize("wire", get_args(Wire))
def test_every_refusal_of_the_table_is_a_row_of_the_wire(wire: Wire) -> None:
    columns = [*get_args(Step), *GRANTS_OF]
    outcomes = {cell.outcome for row in TOKEN_CHECKS for name in columns for cell in cells_of(getattr(row, name))}

    assert all(TABLE[outcome][wire == "rfc"][1] for outcome in outcomes)


def test_the_rows_for_every_grant_come_first_and_a_step_is_made_whole_before_the_next() -> None:
    steps = [step for row in TOKEN_CHECKS for step in get_args(Step) if getattr(row, step)]
    first = [row for row in TOKEN_CHECKS if any(getattr(row, step) for step in get_args(Step))]

    assert steps == sorted(steps, key=STEPS.index)
    assert TOKEN_CHECKS[: len(first)] == tuple(first)
    assert len(ORDER) == len(set(ORDER))


def test_the_page_is_what_the_tables_say() -> None:
    assert checks.PAGE.read_text(encoding="utf-8") == checks.page()
