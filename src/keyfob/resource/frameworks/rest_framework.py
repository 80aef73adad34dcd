"""Authentication and permission classes for Django REST framework. The caller's `Principal` is in `request.auth`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import BasePermission
from rest_framework.request import Request as RestRequest
from rest_framework.views import APIView

from keyfob.protocol.http import Request
from keyfob.resource.frameworks import django
from keyfob.resource.judge import Verifier
from keyfob.resource.once import Needs
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal


class DenialAPIException(APIException):
    """An exception that contains a denial. REST framework's response has the denial's status, challenge and body."""

    def __init__(self, denial: Denial) -> None:
        super().__init__({"error": denial.error or "unauthorized", "error_description": denial.description})
        self.status_code = denial.status


@dataclass(frozen=True, slots=True)
class Caller:
    """The `request.user` of an API without a user table. Issuer and subject identify the caller."""

    principal: Principal
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        """A value that is unique for each caller, for throttles and logs."""
        return f"{self.principal.issuer}|{self.principal.subject}"

    def get_username(self) -> str:
        return self.principal.subject

    def __str__(self) -> str:
        return self.principal.subject


def authentication(verifier: Verifier) -> type[BaseAuthentication]:
    """Return an authentication class.

    If a request has no token, REST framework tries the next class in `authentication_classes`.
    """

    class GuardAuthentication(BaseAuthentication):
        def authenticate(self, request: RestRequest) -> tuple[Caller, Principal] | None:
            found = _check(verifier, (), request)
            if isinstance(found, Principal):
                return Caller(found), found
            if not found.error:
                return None
            raise _denied(found, (request.parser_context or {}).get("view"))

        def authenticate_header(self, request: RestRequest) -> str | None:
            del request
            found = verifier.check(Request("GET", "/"), ())
            return dict(found.headers()).get("www-authenticate") if isinstance(found, Denial) else None

    return GuardAuthentication


def permission(verifier: Verifier, needs: Needs) -> type[BasePermission]:
    """Return a permission class.

    The class does not return False but raises the denial. So REST framework's `|` never tries the second operand.
    """

    class GuardPermission(BasePermission):
        def has_permission(self, request: RestRequest, view: APIView) -> bool:
            found = _check(verifier, needs, request)
            if isinstance(found, Denial):
                raise _denied(found, view)
            return True

    return GuardPermission


def _check(verifier: Verifier, needs: Needs, request: RestRequest) -> Principal | Denial:
    inner: Any = request
    plain: HttpRequest = inner._request  # noqa: SLF001  REST framework has no public name for it
    return django.check(verifier, needs, plain)


def _denied(denial: Denial, view: Any) -> DenialAPIException:  # noqa: ANN401  the view, if there is one
    # REST framework's exceptions have no headers; those of the view are sent with every response.
    if isinstance(view, APIView):
        view.headers.update({name: value for name, value in denial.response().headers if name != "content-type"})
    return DenialAPIException(denial)
