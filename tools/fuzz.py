"""Send odd requests to every endpoint of a tenant in memory: no 500, no hang, no growth of memory.

python -m tools.fuzz              for two minutes
python -m tools.fuzz 600          for ten
python -m tools.fuzz 60 7         for one, beginning with seed 7
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sized
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote_from_bytes

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from keyfob.protocol.http import FORM, JSON, Headers, Request
from keyfob.server.decide import limits
from keyfob.server.endpoints.routes import ROUTES
from keyfob.server.settings.config import TenantConfig
from keyfob.server.site import LimitedDict, Site
from keyfob.testing.example_tenant import CALLBACK, ORDERS, SECRET, example_config
from keyfob.testing.pair import ask
from keyfob.testing.scene import EMAIL, ISSUER, PASSWORD, Scene

LONGEST_ANSWER_S = 5.0
MOST_GROWTH = 30 << 20
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
BATCH = 400
_NAMES = [
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "grant_type",
    "scope",
    "audience",
    "resource",
    "organization",
    "device_code",
    "refresh_token",
    "token",
    "token_type_hint",
    "code",
    "redirect_uri",
    "code_verifier",
    "username",
    "password",
    "realm",
    "mfa_token",
    "otp",
    "oob_code",
    "binding_code",
    "recovery_code",
    "authenticator_types",
    "oob_channels",
    "challenge_type",
    "response_type",
    "response_mode",
    "state",
    "nonce",
    "prompt",
    "max_age",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "request",
    "request_uri",
    "returnTo",
    "id_token_hint",
    "post_logout_redirect_uri",
    "logout_hint",
    "user_code",
    "csrf",
    "button",
    "email",
]
_HEADERS = ("authorization", "dpop", "cookie", "origin", "x-forwarded-for", "forwarded", "auth0-forwarded-for")


class Target:
    """A tenant in which a login of every kind has begun. Some requests contain codes and tokens of these logins."""

    def __init__(self, config: TenantConfig | None = None) -> None:
        self.scene = Scene(config or replace(example_config(ISSUER), allows_password=True))
        own = {"client_id": "native", "scope": "openid offline_access"}
        codes = json.loads(self.scene.post("oauth/device/code", **own).body)
        person = self.scene.person()
        person.open(codes["verification_uri_complete"])
        person.press("confirm")
        password = {"grant_type": "password", "client_id": "legacy", "username": EMAIL, "password": PASSWORD}
        password["scope"] = own["scope"]
        tokens = json.loads(self.scene.post("oauth/token", **password, audience=ORDERS).body)
        form = person.page.forms[0].values
        self.cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
        self.texts = (codes["device_code"], codes["user_code"], *tokens.values(), *form.values())
        self.values = tuple(str(text) for text in self.texts if text)
        self.accepted = _accepted(codes, tokens, form)
        self.requests = nearly_right(self) | requests(self)  # once: Hypothesis caches every strategy that is made

    @property
    def site(self) -> Site:
        return self.scene.tenant._site  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def send(self, request: Request, scheme: str = "https") -> None:
        """Send a request.

        Raises:
            AssertionError: The answer is an error of the server, or a table is larger than its limit.
            TimeoutError: There was no answer in time.
        """
        sent = Request(request.method, request.url.replace("https", scheme, 1), request.headers, request.body)

        async def answered() -> None:
            response = await asyncio.wait_for(ask(self.scene.tenant.app, sent, peer="192.0.2.7"), LONGEST_ANSWER_S)
            _must(response.status < 500 and b"Traceback" not in response.body, f"answered with {response.status}")

        asyncio.run(answered())
        for name in Site.__dataclass_fields__:
            table: object = getattr(self.site, name)
            is_table = isinstance(table, LimitedDict)
            _must(not is_table or len(cast("Sized", table)) <= limits.REMEMBERED, f"{name} has no limit")

    def rest(self) -> None:
        """Advance the clock, so that rows expire, and delete the records that are kept for tests."""
        self.scene.time.go(timedelta(minutes=2))
        self.scene.events.clear()
        self.scene.outbox.sent.clear()
        self.scene.pair.sent.clear()


def _accepted(codes: dict[str, str], tokens: dict[str, str], form: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """Return requests of each kind: a path and the parameters."""
    native, web = {"client_id": "native"}, {"client_id": "web", "client_secret": SECRET.reveal()}
    user = {"username": EMAIL, "password": PASSWORD, "client_id": "legacy", "audience": ORDERS}
    asked = {**native, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s", "nonce": "n"}
    asked |= {"code_challenge": "x" * 43, "code_challenge_method": "S256", "prompt": "login", "max_age": "1"}
    mfa = {"client_id": "legacy", "mfa_token": "t"}
    factors = {"http://auth0.com/oauth/grant-type/mfa-otp": {"otp": "000000"}}
    factors["http://auth0.com/oauth/grant-type/mfa-oob"] = {"oob_code": "x", "binding_code": "1"}
    factors["http://auth0.com/oauth/grant-type/mfa-recovery-code"] = {"recovery_code": "ABCD"}
    grants: dict[str, dict[str, str]] = {
        "urn:ietf:params:oauth:grant-type:device_code": {**native, "device_code": codes["device_code"]},
        "refresh_token": {"client_id": "legacy", "refresh_token": tokens["refresh_token"], "scope": "openid"},
        "authorization_code": {**native, "code": "x", "redirect_uri": CALLBACK, "code_verifier": "x" * 43},
        "client_credentials": {"client_id": "machine", "client_secret": SECRET.reveal(), "audience": ORDERS},
        "password": user,
        "http://auth0.com/oauth/grant-type/password-realm": {**user, "realm": "Username-Password-Authentication"},
        **{grant: {**mfa, **code} for grant, code in factors.items()},
    }
    return [
        *(("/oauth/token", {"grant_type": grant, **more}) for grant, more in grants.items()),
        ("/oauth/device/code", {**native, "scope": "openid", "audience": ORDERS}),
        ("/oauth/revoke", {**native, "token": tokens["refresh_token"], "token_type_hint": "refresh_token"}),
        ("/oauth/introspect", {**web, "token": tokens["access_token"]}),
        ("/oauth/par", asked),
        ("/authorize", asked),
        ("/mfa/challenge", {**mfa, "challenge_type": "otp oob", "authenticator_id": "x"}),
        ("/mfa/associate", {**mfa, "authenticator_types": "otp"}),
        ("/userinfo", {"access_token": tokens["access_token"]}),
        ("/activate", {"user_code": codes["user_code"], **form}),
        *(
            (path, {**form, "email": EMAIL, "password": PASSWORD, "code": "1"})
            for path in ("/u/login", "/u/mfa", "/u/consent")
        ),
        ("/oidc/logout", {**native, "id_token_hint": "x", "post_logout_redirect_uri": CALLBACK, "state": "s"}),
    ]


def _must(holds: bool, problem: str) -> None:  # noqa: FBT001
    if not holds:
        raise AssertionError(problem)


def _repeated(text: str, times: int) -> str:
    return text * times


def _joined(scheme: str, value: str) -> str:
    return scheme + value


def _odd() -> st.SearchStrategy[str]:
    known = (
        "native",
        "web",
        "machine",
        "signer",
        "legacy",
        "authorization_code",
        "password",
        "refresh_token",
        "x" * 43,
    )
    signs = ("\x00", "\r\n", "é", "€", "\U0001f511", "%", "%ff", "a.b.c", "a.b.c.d.e", "-1", "1e400", "9" * 5000)
    fixed = st.sampled_from([*known, *signs, SECRET.reveal(), EMAIL, PASSWORD, ORDERS, CALLBACK, "S256", "none", ""])
    long = st.builds(_repeated, st.sampled_from(["a", "é", "=", "[", "x "]), st.integers(0, 9000))
    return fixed | st.text(max_size=40) | long


def requests(target: Target) -> st.SearchStrategy[Request]:
    """Return a strategy of requests to all endpoints: forms, JSON, queries, headers, and bodies of any bytes."""
    values = st.sampled_from(target.values) | _odd()
    names = st.sampled_from(_NAMES) | st.text(max_size=10)
    pairs = st.lists(st.tuples(names, values), max_size=12)

    def encoded(parameters: list[tuple[str, str]]) -> bytes:
        parts = ((quote_from_bytes(_bytes(name)), quote_from_bytes(_bytes(value))) for name, value in parameters)
        return "&".join(f"{name}={value}" for name, value in parts).encode()

    scalars: st.SearchStrategy[Any] = values | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True)
    nested = st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
    )
    objects = st.dictionaries(names, nested, max_size=12).map(lambda members: json.dumps(members).encode())
    lone = objects.map(lambda body: body.replace(b"\\u", b"\\ud8", 1))
    forms = pairs.map(encoded)
    schemes = st.sampled_from(["Bearer ", "DPoP ", "Basic ", ""])
    headers = st.lists(
        st.tuples(st.sampled_from(_HEADERS), st.builds(_joined, schemes, values)),
        max_size=4,
    )
    kinds = st.sampled_from([FORM, JSON, "text/plain", ""])
    methods = st.sampled_from(["GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"])
    paths = st.sampled_from([*ROUTES, "/", "/nowhere", "/mfa/authenticators/otp%7Cx"])
    cookies = st.sampled_from([target.cookie, "", "keyfob=x", "=;=;="])

    def made(
        method: str, path: str, query: bytes, kind: str, more: list[tuple[str, str]], cookie: str, body: bytes
    ) -> Request:
        own: Headers = (("content-type", kind), ("cookie", cookie))
        sent = tuple((name, _bytes(value).decode("latin-1")[:8000]) for name, value in more)
        return Request(method, f"{ISSUER}{path[1:]}?{query.decode()}", own + sent, body)

    queries = st.just(b"") | forms
    bodies = forms | objects | lone | st.binary(max_size=200)
    return st.builds(made, methods, paths, queries, kinds, headers, cookies, bodies)


def nearly_right(target: Target) -> st.SearchStrategy[Request]:
    """Return a strategy of valid requests with one or two odd values, which pass the first checks."""
    odd = st.dictionaries(st.integers(0, 20), st.sampled_from(target.values) | _odd(), min_size=1, max_size=2)

    def made(base: tuple[str, dict[str, str]], wrong: dict[int, str], is_json: bool) -> Request:  # noqa: FBT001
        path, parameters = base
        names = list(parameters)
        changed = parameters | {names[at % len(names)]: value for at, value in wrong.items()}
        pairs = ((name, quote_from_bytes(_bytes(value))) for name, value in changed.items())
        form = "&".join(f"{name}={value}" for name, value in pairs)
        own = (("content-type", JSON if is_json else FORM), ("cookie", target.cookie), ("origin", ISSUER[:-1]))
        if path.startswith("/authorize"):
            return Request("GET", f"{ISSUER}{path[1:]}?{form}", own)
        return Request("POST", f"{ISSUER}{path[1:]}", own, json.dumps(changed).encode() if is_json else form.encode())

    return st.builds(made, st.sampled_from(target.accepted), odd, st.booleans())


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def memory() -> int:
    """Return the resident memory of this process in bytes, or 0 if the system does not report it."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096
    except OSError:
        return 0


def run(target: Target, number: int, examples: int = BATCH) -> None:
    """Send one batch of requests. The batch number is the seed."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(request=target.requests, scheme=st.sampled_from(["https", "http"]))
    def batch(request: Request, scheme: str) -> None:
        target.send(request, scheme)

    batch()
    target.rest()


def main(words: list[str]) -> int:
    seconds, number = (float(words[0]) if words else 120.0), (int(words[1]) if words[1:] else 0)
    first, target, sent = number, Target(), 0
    run(target, number)  # fills caches
    before, until = memory(), time.monotonic() + seconds
    while time.monotonic() < until:
        number += 1
        run(target, number)
        sent += BATCH
    growth = memory() - before
    print(f"{sent} requests, seeds {first} to {number}; memory grew by {growth / (1 << 20):.1f} MiB")
    return 0 if growth < MOST_GROWTH else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
