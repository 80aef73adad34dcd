"""Authenticate the client of a request, and check its DPoP proof (RFC 6749 §2.3; RFC 8705 §2-3; RFC 9449 §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.proofs import NonceNeeded, Nonces, Possession, judge_proof, nonce_at
from keyfob.light import light_dataclass
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import NO_STORE, Headers, Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.check_table import FailedCheck, first_failed_check
from keyfob.server.decide.client import ClientFacts, audiences_of, claimed_client_id
from keyfob.server.decide.throttle import Failures, network_of
from keyfob.server.decide.token_checks import CLIENT, PROOF
from keyfob.server.decide.token_facts import ProofFacts
from keyfob.server.endpoints.oauth.parameters import problem_text
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.settings.registered import Application
from keyfob.server.site import Site
from keyfob.server.wire import Outcome, answer, retry_after

_BASIC = (("www-authenticate", 'Basic realm="token", charset="UTF-8"'),)


@light_dataclass(frozen=True, slots=True)
class ClientRequest:
    """A request of an authenticated client.

    Attributes:
        now: The time of the request, the same for all its checks.
        key_thumbprint: The thumbprint of the DPoP proof's key (RFC 9449), if any.
        headers: The headers of every response to this request.
        certificate_thumbprint: The thumbprint of the certificate that the issued tokens are bound to (RFC 8705 §3), if
            any.
    """

    site: Site
    request: Request
    application: Application
    now: datetime
    key_thumbprint: str | None = None
    headers: Headers = ()
    certificate_thumbprint: str | None = None

    def refuse(self, outcome: Outcome, **words: str) -> Response:
        return answer(self.site.config.wire, outcome, headers=self.headers, words=words)

    def refuse_with(self, outcome: Outcome, more: Mapping[str, object]) -> Response:
        """Return the error response of an outcome, with additional JSON members."""
        return answer(self.site.config.wire, outcome, headers=self.headers, more=more)

    def token_response(self, tokens: TokenAnswer) -> Response:
        return json_response(200, tokens.write(), headers=NO_STORE + self.headers)

    def note(self, code: str, **more: str) -> None:
        self.site.note(code, self.request, client_id=self.application.client_id, **more)


async def authenticate(site: Site, request: Request, fields: Fields) -> ClientRequest | Response:
    """Authenticate the client, and return its request. If this fails, return the error response.

    An unknown client and a wrong secret get the same response.
    """
    authorization = request.header("authorization")
    headers = _BASIC if authorization is not None and authorization.lower().startswith("basic") else ()
    facts = _client_facts(site, request, fields, authorization)
    refused = first_failed_check(CLIENT, facts)
    if refused is None and facts.has_assertion:
        replay_key = keyed_hash(site.hash_keys.codes, f"jti {facts.client_id} {facts.assertion.token_id}")
        until = facts.assertion.expires_at
        if not await site.store.write(lambda transaction: transaction.use_once(replay_key, until)):
            refused = first_failed_check(CLIENT, replace(facts, is_new=False))
    if refused is not None:
        return _refuse(site, request, facts, refused, headers)
    if facts.failures is not None:
        site.client_failures.drop(_account(request, facts.client_id))
    application = facts.application
    assert application is not None, "an authenticated client is registered"  # noqa: S101
    # If a public client's access token were bound, its refresh token would have to be bound too (RFC 8705 §4). Public
    # clients can use DPoP.
    is_bound = bool(request.certificate) and not application.is_public
    bound_to = thumbprint_of(request.certificate) if is_bound else None
    return ClientRequest(site, request, application, facts.now, certificate_thumbprint=bound_to)


def _client_facts(site: Site, request: Request, fields: Fields, authorization: str | None) -> ClientFacts:
    config, now = site.config, site.now()
    try:
        presented = Credentials.read(authorization, fields)
    except Malformed as problem:
        return ClientFacts(None, problem, now)
    mtls, client_id = config.for_certificates, claimed_client_id(presented)
    return ClientFacts(
        presented,
        None,
        now,
        config.application(client_id),
        b"" if presented.proof is None else keyed_hash(site.hash_keys.secrets, presented.proof),
        request.certificate,
        mtls.authorities if mtls else (),
        audiences_of(config) if presented.method == "private_key_jwt" else frozenset(),
        site.client_failures.get(_account(request, client_id)),
        client_id=client_id,
    )


def _account(request: Request, client_id: str) -> tuple[str, str]:
    return client_id, network_of(request.peer)


def _refuse(site: Site, request: Request, facts: ClientFacts, refused: FailedCheck, headers: Headers) -> Response:
    """Refuse a client that has not authenticated. If the failure may be a guess (`is_a_guess`), count it."""
    wire = site.config.wire
    if refused.outcome == "too_many":
        site.limited("client-secrets", request, client_id=facts.client_id)
        return answer(wire, refused.outcome, headers=retry_after(facts.wait))
    if facts.problem is not None:
        words = {"problem": problem_text(facts.problem)}
        challenge = headers if refused.outcome == "client_unknown" else ()
        return answer(wire, refused.outcome, headers=challenge, words=words)
    if refused.outcome == "client_missing":
        return answer(wire, refused.outcome)
    if facts.is_a_guess():
        count = facts.failures.count if facts.failures else 0
        site.client_failures.put(_account(request, facts.client_id), Failures(count + 1, facts.now))
    site.note("fapi", request, client_id=facts.client_id, description="the client is unknown or not proven")
    return answer(wire, refused.outcome, headers=headers)


async def check_dpop(call: ClientRequest) -> ClientRequest | Response:
    """Check the DPoP proof.

    Return the request with the proof's key, or the error response. If the request has no proof and needs none, return
    the request unchanged.
    """
    site, presented = call.site, call.request.header_values("dpop")
    if not presented and not call.application.requires_dpop:
        return call  # a fast path for the usual request, whose result the table of checks would also give
    facts = ProofFacts(call.application.requires_dpop, len(presented))
    if presented:
        facts = replace(facts, verdict=_judge(call, presented[0]))
    refused, possession = first_failed_check(PROOF, facts), facts.verdict
    if not presented:
        assert refused is not None, "a missing proof fails a check"  # noqa: S101
        return call.refuse(refused.outcome, problem="a proof is needed")
    nonce = (("dpop-nonce", nonce_at(site.hash_keys.nonces, call.now)),)
    if refused is None and isinstance(possession, Possession):
        replay_key, until = keyed_hash(site.hash_keys.codes, possession.mark), possession.until
        if await site.store.write(lambda transaction: transaction.use_once(replay_key, until)):
            return replace(call, key_thumbprint=possession.key_thumbprint, headers=nonce)
        refused = first_failed_check(PROOF, replace(facts, is_new=False))
    assert refused is not None, "a proof that was not refused is new"  # noqa: S101
    problem = possession.message if isinstance(possession, InvalidToken) else "the proof was used before"
    return answer(site.config.wire, refused.outcome, headers=nonce, words={"problem": problem})


def _judge(call: ClientRequest, proof: str) -> Possession | NonceNeeded | InvalidToken:
    site = call.site
    try:
        return judge_proof(
            Secret(proof),
            method=call.request.method,
            address=site.config.address_of(call.request),
            now=call.now,
            nonces=Nonces(site.hash_keys.nonces, are_needed=call.application.is_public),
        )
    except InvalidToken as problem:
        return problem
