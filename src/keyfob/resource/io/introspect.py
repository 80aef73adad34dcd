"""Introspect opaque tokens at their issuer (RFC 7662 §2.1). Concurrent requests with one token share one call."""

from __future__ import annotations

import logging
import secrets
import threading
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import InvalidToken, KeyfobError, Malformed, Unreachable
from keyfob.jose.tokens import sign
from keyfob.protocol.address import is_safe
from keyfob.protocol.base64url import base64url
from keyfob.protocol.client_authentication import AuthMethod, Credentials
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import form_request, media_type
from keyfob.protocol.introspection import IntrospectionAnswer, IntrospectionRequest
from keyfob.protocol.secret import Secret
from keyfob.resource.expiring_cache import ExpiringCache
from keyfob.resource.introspected import Introspection, IntrospectionOutcome, believed_until, check_answer
from keyfob.resource.io.fetch import SharedCall, fetch_metadata
from keyfob.resource.policy import Policy
from keyfob.resource.ports import Clock, Sender
from keyfob.resource.verify import Principal

_LOG: Final = logging.getLogger("keyfob.guard")
_ASSERTION_LIFE: Final = timedelta(minutes=1)
_ID_BYTES: Final = 16


class IssuerIntrospector:
    """An `Introspector` that is thread-safe."""

    def __init__(self, settings: Introspection, policy: Policy, send: Sender, clock: Clock) -> None:
        self.settings = settings
        self._policy = policy
        self._send = send
        self._clock = clock
        self._endpoint = settings.endpoint
        self._lock = threading.Lock()
        self._asking: dict[bytes, SharedCall[IntrospectionOutcome | None]] = {}
        # Two caches: made-up tokens must not evict the answers about active ones.
        self._active: ExpiringCache[Principal] = ExpiringCache(settings.most)
        self._inactive: ExpiringCache[InvalidToken] = ExpiringCache(settings.most)

    def known(self, digest: bytes, now: datetime) -> IntrospectionOutcome | None:
        return self._active.get(digest, now) or self._inactive.get(digest, now)

    def ask(self, token: Secret, digest: bytes) -> SharedCall[IntrospectionOutcome | None]:
        with self._lock:
            found = self._asking.get(digest)
            if found is None:
                found = self._asking[digest] = SharedCall(lambda: self._ask(token, digest))
            return found

    def _ask(self, token: Secret, digest: bytes) -> IntrospectionOutcome | None:
        try:
            return self._find(token, digest)
        except KeyfobError as problem:
            _LOG.warning("the issuer was not asked about a token: %s", problem.message)
            return None
        finally:
            with self._lock:
                del self._asking[digest]

    def _find(self, token: Secret, digest: bytes) -> IntrospectionOutcome:
        answer = self._exchange(token)
        now = self._clock()
        try:
            principal = check_answer(answer, self._policy, self.settings, now)
        except InvalidToken as problem:
            self._inactive.put(digest, problem, now + self.settings.life)
            return problem
        self._active.put(digest, principal, believed_until(principal, self.settings, now))
        return principal

    def _exchange(self, token: Secret) -> IntrospectionAnswer | None:
        """Send an introspection request. Return the response, or None if the token is not active.

        Raises:
            Malformed: The response does not follow RFC 7662. This is an error of the issuer, not of the token.
            Unreachable: The issuer does not answer, or does not accept this API's credentials.
        """
        credentials, headers = self._credentials().write()
        parameters = {**IntrospectionRequest(token).write(), **credentials}
        response = self._send(form_request(self._find_endpoint(), parameters, headers=headers))
        if response.status != 200:
            raise Unreachable(f"the issuer answers {response.status} when it is asked about a token")
        if media_type(response.header("content-type")) not in {"application/json", ""}:
            raise Malformed("introspection: the answer is not JSON", code="not-json")
        return IntrospectionAnswer.read(read_json(response.body, "introspection"))

    def _find_endpoint(self) -> str:
        if not self._endpoint:
            found = fetch_metadata(self._policy.issuer, self._send).introspection_endpoint
            if found is None or not is_safe(found):
                raise Malformed("the issuer's metadata names no safe introspection endpoint", code="metadata-missing")
            self._endpoint = found
        return self._endpoint

    def _credentials(self) -> Credentials:
        settings = self.settings
        if isinstance(settings.credential, Secret):
            method: AuthMethod = "client_secret_post" if settings.in_body else "client_secret_basic"
            return Credentials(method, settings.client_id, settings.credential)
        now = self._clock()
        claims = {
            "iss": settings.client_id,
            "sub": settings.client_id,
            "aud": self._policy.issuer,
            "jti": base64url(secrets.token_bytes(_ID_BYTES)),
            "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIFE).timestamp()),
        }
        assertion = sign(claims, settings.credential, token_type="JWT")
        return Credentials("private_key_jwt", settings.client_id, assertion)
