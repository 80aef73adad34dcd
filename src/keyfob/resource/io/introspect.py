"""Ask the issuer about tokens that only it can read (RFC 7662 §2.1), once for everybody."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyfob.errors import InvalidToken, KeyfobError, Malformed, Unreachable
from keyfob.jose.tokens import sign
from keyfob.protocol.address import is_safe
from keyfob.protocol.client_authentication import AuthMethod, Credentials
from keyfob.protocol.fields import read_json
from keyfob.protocol.http import form_request, media_type
from keyfob.protocol.introspection import IntrospectionAnswer, IntrospectionRequest
from keyfob.protocol.secret import Secret
from keyfob.resource.expiring_cache import Remembered
from keyfob.resource.introspected import Introspection, believed_until, judge_answer
from keyfob.resource.io.fetch import Sender, find_metadata
from keyfob.resource.io.shared_call import Flight
from keyfob.resource.policy import Policy
from keyfob.resource.verify import Principal

_LOG: Final = logging.getLogger("keyfob.guard")
_ASSERTION_LIFE: Final = timedelta(minutes=1)
_ID_BYTES: Final = 16
_OK: Final = 200

Outcome = Principal | InvalidToken


@dataclass
class Inquiry:
    """One question that is under way, and then its outcome. `outcome` None means that there was no usable answer."""

    flight: Flight
    outcome: Outcome | None = None


class Introspector:
    """Thread-safe. All who ask about the same token at the same time share one question."""

    def __init__(self, settings: Introspection, policy: Policy, send: Sender, clock: Callable[[], datetime]) -> None:
        """Know whom to ask, and how; ask nothing yet."""
        self.settings = settings
        self._policy = policy
        self._send = send
        self._clock = clock
        self._endpoint = settings.endpoint
        self._lock = threading.Lock()
        self._inquiries: dict[bytes, Inquiry] = {}
        # Tokens that live and tokens that do not, apart: whoever makes up tokens must not push out those of others.
        self._good: Remembered[Principal] = Remembered(settings.most)
        self._bad: Remembered[InvalidToken] = Remembered(settings.most)

    def known(self, digest: bytes, now: datetime) -> Outcome | None:
        """What was learnt a moment ago, if anything."""
        return self._good.get(digest, now) or self._bad.get(digest, now)

    def ask(self, token: Secret, digest: bytes) -> Inquiry:
        """A question to wait for."""
        with self._lock:
            found = self._inquiries.get(digest)
            if found is None:
                found = Inquiry(Flight(lambda: self._run(token, digest)))
                self._inquiries[digest] = found
            return found

    def _run(self, token: Secret, digest: bytes) -> None:
        inquiry = self._inquiries[digest]
        try:
            inquiry.outcome = self._find(token, digest)
        except KeyfobError as problem:
            _LOG.warning("the issuer was not asked about a token: %s", problem.message)
        finally:
            with self._lock:
                del self._inquiries[digest]

    def _find(self, token: Secret, digest: bytes) -> Outcome:
        answer = self._exchange(token)
        now = self._clock()
        try:
            principal = judge_answer(answer, self._policy, self.settings, now)
        except InvalidToken as problem:
            self._bad.put(digest, problem, now + self.settings.life)
            return problem
        self._good.put(digest, principal, believed_until(principal, self.settings, now))
        return principal

    def _exchange(self, token: Secret) -> IntrospectionAnswer | None:
        """The issuer's answer. What it sends in place of one counts for nothing, and blames no token.

        Raises:
            Malformed: It is no answer of RFC 7662.
            Unreachable: There is none, or it does not know us.
        """
        parameters, headers = self._credentials().write()
        asked = {**IntrospectionRequest(token).write(), **parameters}
        response = self._send(form_request(self._where(), asked, headers=headers))
        if response.status != _OK:
            raise Unreachable(f"the issuer answers {response.status} when it is asked about a token")
        if media_type(response.header("content-type")) not in {"application/json", ""}:
            raise Malformed("introspection: the answer is not JSON", code="not-json")
        return IntrospectionAnswer.read(read_json(response.body, "introspection"))

    def _where(self) -> str:
        if not self._endpoint:
            found = find_metadata(self._policy.issuer, self._send).introspection_endpoint
            if found is None or not is_safe(found):
                raise Malformed("the issuer's metadata names no safe introspection endpoint", code="metadata-missing")
            self._endpoint = found
        return self._endpoint

    def _credentials(self) -> Credentials:
        settings = self.settings
        if isinstance(settings.credential, Secret):
            method: AuthMethod = "client_secret_post" if settings.in_body else "client_secret_basic"
            return Credentials(method, settings.client_id, settings.credential)
        import secrets  # 3 ms, and only where a key proves who asks

        now = self._clock()
        claims = {
            "iss": settings.client_id,
            "sub": settings.client_id,
            "aud": self._policy.issuer,
            "jti": base64.urlsafe_b64encode(secrets.token_bytes(_ID_BYTES)).decode("ascii"),
            "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIFE).timestamp()),
        }
        assertion = sign(claims, settings.credential, token_type="JWT")
        return Credentials("private_key_jwt", settings.client_id, assertion)
