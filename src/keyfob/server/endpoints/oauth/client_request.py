"""Find out which program asks, and whether that is proven (RFC 6749 §2.3, §3.2.1; RFC 8705 §2-3; RFC 9449 §5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from keyfob.errors import InvalidToken, Malformed
from keyfob.jose.proofs import NonceNeeded, Nonces, judge_proof, nonce_at
from keyfob.protocol.certificate import thumbprint_of
from keyfob.protocol.client_authentication import Credentials
from keyfob.protocol.fields import Fields
from keyfob.protocol.http import NO_STORE, Headers, Request, Response, json_response
from keyfob.protocol.secret import Secret
from keyfob.protocol.tokens import TokenAnswer
from keyfob.server.decide.client import is_right_certificate, is_right_secret, judge_assertion, whose
from keyfob.server.decide.throttle import Failures, network_of, password_wait
from keyfob.server.endpoints.oauth.parameters import malformed
from keyfob.server.keyed_hash import keyed_hash
from keyfob.server.settings.registered import Application
from keyfob.server.site import Site
from keyfob.server.wire import Outcome, answer

_BASIC = (("www-authenticate", 'Basic realm="token", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a program that has shown who it is.

    Attributes:
        key_thumbprint: The key whose possession it has proven (RFC 9449), if any.
        certificate_thumbprint: The certificate that it has shown (RFC 8705 §3), if its tokens are bound to that.
        headers: To go with every answer.
        now: One moment for the whole request.
    """

    site: Site
    request: Request
    application: Application
    now: datetime
    key_thumbprint: str | None = None
    headers: Headers = ()
    certificate_thumbprint: str | None = None

    def refuse(self, outcome: Outcome, **words: str) -> Response:
        """An outcome in this tenant's dialect."""
        return answer(self.site.config.wire, outcome, headers=self.headers, words=words)

    def hand_over(self, tokens: TokenAnswer) -> Response:
        """Tokens."""
        return json_response(200, tokens.write(), headers=NO_STORE + self.headers)

    def note(self, code: str, **more: str) -> None:
        """Tell the audit log."""
        self.site.note(code, self.request, client_id=self.application.client_id, **more)


async def authenticate(site: Site, request: Request, fields: Fields) -> Call | Response:
    """Who asks; or the answer to a stranger, the same for an unknown program and a wrong secret."""
    used_header = (request.header("authorization") or "").lower().startswith("basic")
    headers = _BASIC if used_header else ()
    try:
        shown = Credentials.read(request.header("authorization"), fields)
    except Malformed as problem:
        if problem.field == "authorization":
            return answer(site.config.wire, "client_unknown", headers=headers)
        return malformed(site, problem)
    client_id, now = whose(shown), site.now()
    if not client_id:
        return site.refuse("client_missing")
    account = (f"client:{client_id}", network_of(request.peer))
    failures = site.failures.get(account)
    wait = password_wait(failures, now)
    if wait:
        return answer(site.config.wire, "too_many", headers=(("retry-after", str(int(wait.total_seconds()) + 1)),))
    application = site.config.application(client_id)
    if not await _is_proven(site, shown, application, request, now):
        if shown.proof is not None:
            site.failures.put(account, Failures((failures.count if failures else 0) + 1, now))
        site.note("fapi", request, client_id=client_id, description="the client is unknown or not proven")
        return answer(site.config.wire, "client_unknown", headers=headers)
    if failures is not None:
        site.failures.drop(account)
    assert application is not None, "what is proven is known"  # noqa: S101
    # A public program's refresh token would have to be bound as well (RFC 8705 §4); it can bind both to a key (DPoP).
    is_bound = bool(request.certificate) and not application.is_public
    bound_to = thumbprint_of(request.certificate) if is_bound else None
    return Call(site, request, application, now, certificate_thumbprint=bound_to)


async def _is_proven(
    site: Site, shown: Credentials, application: Application | None, request: Request, now: datetime
) -> bool:
    if shown.proof is None:
        if application is None or application.is_public:
            return application is not None
        place = site.config.for_certificates
        return is_right_certificate(application, request.certificate, place.authorities if place else ())
    # Compared also where the application is unknown: both take as long.
    fits = is_right_secret(application, keyed_hash(site.hash_keys.secrets, shown.proof))
    if application is None or shown.method not in application.auth_methods:
        return False
    if shown.method == "private_key_jwt":
        return await _is_asserted(site, shown.proof, application, now)
    return fits


async def _is_asserted(site: Site, assertion: Secret, application: Application, now: datetime) -> bool:
    issuer = site.config.issuer
    names = {issuer}
    if site.config.wire == "auth0":  # Auth0's SDKs write https, also for a tenant on plain http
        names.add("https://" + issuer.partition("://")[2])
    try:
        found = judge_assertion(assertion, application, frozenset(names), now)
    except InvalidToken:
        return False
    mark = keyed_hash(site.hash_keys.codes, f"jti {application.client_id} {found.token_id}")
    return await site.store.write(lambda transaction: transaction.use_once(mark, found.expires_at))


async def possess(call: Call) -> Call | Response:
    """The same call with the key that it has proven to hold; or the answer to a proof that will not do."""
    site, shown = call.site, call.request.header_values("dpop")
    if not shown:
        return call.refuse("proof_invalid", problem="a proof is needed") if call.application.requires_dpop else call
    nonce = (("dpop-nonce", nonce_at(site.hash_keys.nonces, call.now)),)
    wire = site.config.wire
    try:
        decision = judge_proof(
            Secret(shown[0]),
            method=call.request.method,
            address=site.config.address_of(call.request),
            now=call.now,
            nonces=Nonces(site.hash_keys.nonces, are_needed=call.application.is_public),
        )
    except InvalidToken as problem:
        return answer(wire, "proof_invalid", headers=nonce, words={"problem": problem.message})
    if isinstance(decision, NonceNeeded):
        return answer(wire, "proof_needs_nonce", headers=nonce)
    mark = keyed_hash(site.hash_keys.codes, decision.mark)
    if len(shown) > 1 or not await site.store.write(lambda transaction: transaction.use_once(mark, decision.until)):
        return answer(wire, "proof_invalid", headers=nonce, words={"problem": "the proof was used before"})
    return replace(call, key_thumbprint=decision.key_thumbprint, headers=nonce)
