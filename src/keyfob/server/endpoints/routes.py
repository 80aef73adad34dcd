"""The endpoint and the response policy of each path. The response to an unknown path is JSON (RFC 9110 §15.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from keyfob.protocol.http import Request, Response
from keyfob.server.decide.limits import PUSHES_ONE_IN
from keyfob.server.endpoints.health import health, ready
from keyfob.server.endpoints.oauth import mfa
from keyfob.server.endpoints.oauth.device_code import device_code
from keyfob.server.endpoints.oauth.introspect import introspect
from keyfob.server.endpoints.oauth.metadata import jwks, metadata
from keyfob.server.endpoints.oauth.par import push
from keyfob.server.endpoints.oauth.revoke import revoke
from keyfob.server.endpoints.oauth.token import token
from keyfob.server.endpoints.oauth.userinfo import userinfo
from keyfob.server.endpoints.pages import (
    account,
    account_passkey,
    activate,
    consent,
    end_login,
    images,
    login,
    new_password,
    second_factor,
    sign_up,
)
from keyfob.server.endpoints.pages.authorize import authorize, show_answer
from keyfob.server.endpoints.pages.logout import done as logout_done
from keyfob.server.endpoints.pages.logout import oidc_logout, v2_logout
from keyfob.server.endpoints.response_policy import ResponsePolicy, apply_policy
from keyfob.server.site import Site
from keyfob.server.wire import answer

Endpoint = Callable[[Site, Request], Awaitable[Response]]

PAGE: Final = ResponsePolicy()
FORM_PAGE: Final = ResponsePolicy(limits_forms=True)
PUBLIC: Final = ResponsePolicy(cors="any")
CLIENT: Final = ResponsePolicy(cors="registered", is_limited=True)
CLIENT_UTF8: Final = ResponsePolicy(cors="registered", is_limited=True, names_charset=True)
PUSH: Final = ResponsePolicy(cors="registered", is_limited=True, one_in=PUSHES_ONE_IN, names_charset=True)
# These paths work even if the store does not: settings are not reloaded, and requests are not limited.
PROBES: Final = frozenset({"/healthz", "/readyz"})
ONE_AUTHENTICATOR: Final = "/mfa/authenticators/"

ROUTES: Final[dict[str, tuple[ResponsePolicy, dict[str, Endpoint]]]] = {
    "/.well-known/openid-configuration": (PUBLIC, {"GET": metadata}),
    "/.well-known/oauth-authorization-server": (PUBLIC, {"GET": metadata}),
    "/.well-known/jwks.json": (PUBLIC, {"GET": jwks}),
    "/oauth/device/code": (CLIENT, {"POST": device_code}),
    "/oauth/token": (CLIENT, {"POST": token}),
    "/oauth/revoke": (CLIENT, {"POST": revoke}),
    "/oauth/par": (PUSH, {"POST": push}),
    "/oauth/introspect": (CLIENT, {"POST": introspect}),
    "/userinfo": (CLIENT_UTF8, {"GET": userinfo, "POST": userinfo}),
    "/mfa/authenticators": (CLIENT_UTF8, {"GET": mfa.list_authenticators}),
    ONE_AUTHENTICATOR: (CLIENT_UTF8, {"DELETE": mfa.remove_authenticator}),
    "/mfa/associate": (CLIENT_UTF8, {"POST": mfa.associate}),
    "/mfa/challenge": (CLIENT_UTF8, {"POST": mfa.challenge}),
    "/authorize": (FORM_PAGE, {"GET": authorize, "POST": authorize}),
    "/": (PAGE, {"GET": activate.start}),
    "/activate": (FORM_PAGE, {"GET": activate.show, "POST": activate.act}),
    "/activate/done": (PAGE, {"GET": activate.done}),
    "/u/login": (FORM_PAGE, {"GET": login.show, "POST": login.act}),
    "/u/mfa": (FORM_PAGE, {"GET": second_factor.show, "POST": second_factor.act}),
    "/u/end": (FORM_PAGE, {"GET": end_login.show, "POST": end_login.act}),
    "/u/enrol": (PAGE, {"GET": login.enrol}),
    "/u/answer": (PAGE, {"GET": show_answer}),
    "/u/consent": (FORM_PAGE, {"GET": consent.show, "POST": consent.act}),
    "/account": (FORM_PAGE, {"GET": account.show, "POST": account.act}),
    "/account/passkey": (FORM_PAGE, {"GET": account_passkey.show, "POST": account_passkey.act}),
    "/u/forgot": (FORM_PAGE, {"GET": new_password.show_forgot, "POST": new_password.act_forgot}),
    "/u/sent": (PAGE, {"GET": new_password.show_sent}),
    "/u/reset": (FORM_PAGE, {"GET": new_password.show_reset, "POST": new_password.act_reset}),
    "/u/signup": (FORM_PAGE, {"GET": sign_up.show_signup, "POST": sign_up.act_signup}),
    "/u/join": (FORM_PAGE, {"GET": sign_up.show_join, "POST": sign_up.act_join}),
    "/u/verify": (FORM_PAGE, {"GET": sign_up.show_verify, "POST": sign_up.act_verify}),
    "/u/verified": (PAGE, {"GET": sign_up.show_verified}),
    "/v2/logout": (PAGE, {"GET": v2_logout}),
    "/oidc/logout": (FORM_PAGE, {"GET": oidc_logout, "POST": oidc_logout}),
    "/oidc/logout/done": (PAGE, {"GET": logout_done}),
    images.PATH: (PAGE, {"GET": images.show}),
    "/healthz": (PAGE, {"GET": health}),
    "/readyz": (PAGE, {"GET": ready}),
}


def handle(site: Site, request: Request) -> Coroutine[Any, Any, Response]:
    """Return the coroutine that returns the response to a request. HEAD is handled like GET."""
    path = request.path
    found = ROUTES.get(path)
    if found is None:
        if path.startswith(ONE_AUTHENTICATOR):
            path = ONE_AUTHENTICATOR
        elif path.startswith("//.well-known/"):  # some clients append a second slash to the issuer
            path = path[1:]
        found = ROUTES.get(path)
    if found is None:
        return apply_policy(site, request, PAGE, path, _not_found)
    policy, methods = found
    endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
    if endpoint is not None:
        return apply_policy(site, request, policy, path, endpoint)
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    async def wrong_method(site: Site, _: Request) -> Response:
        return answer(site.config.wire, "method_not_allowed", headers=(("allow", allowed),))

    return apply_policy(site, request, policy, path, wrong_method)


async def _not_found(site: Site, _: Request) -> Response:
    return site.refuse("not_found")
