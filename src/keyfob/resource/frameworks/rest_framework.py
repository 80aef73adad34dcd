"""Authentication and permission for Django REST Framework; who calls is `request.auth`."""

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
from keyfob.resource.judge import Judge
from keyfob.resource.once import Needs
from keyfob.resource.require import Denial
from keyfob.resource.verify import Principal


class Denied(APIException):
    """A denial on its way out; REST framework takes its status, its challenge and its body from here."""

    def __init__(self, denial: Denial) -> None:
        super().__init__({"error": denial.error or "unauthorized", "error_description": denial.description})
        self.status_code = denial.status


@dataclass(frozen=True, slots=True)
class Caller:
    """`request.user` where no table of Django's has users: known by issuer and subject, and nobody else's."""

    principal: Principal
    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        """One for each caller, for throttles and logs."""
        return f"{self.principal.issuer}|{self.principal.subject}"

    def get_username(self) -> str:
        """The subject."""
        return self.principal.subject

    def __str__(self) -> str:
        return self.principal.subject


def authentication(judge: Judge) -> type[BaseAuthentication]:
    """Whose token it is. A request without one is left to whatever stands next in `authentication_classes`."""

    class GuardAuthentication(BaseAuthentication):
        def authenticate(self, request: RestRequest) -> tuple[Caller, Principal] | None:
            found = _check(judge, (), request)
            if isinstance(found, Principal):
                return Caller(found), found
            if not found.error:
                return None
            raise _denied(found, (request.parser_context or {}).get("view"))

        def authenticate_header(self, request: RestRequest) -> str | None:
            del request
            found = judge.check(Request("GET", "/"), ())
            return dict(found.headers()).get("www-authenticate") if isinstance(found, Denial) else None

    return GuardAuthentication


def permission(judge: Judge, needs: Needs) -> type[BasePermission]:
    """What the token must cover. It raises its answer, so it cannot be one side of REST framework's `|`."""

    class GuardPermission(BasePermission):
        def has_permission(self, request: RestRequest, view: APIView) -> bool:
            found = _check(judge, needs, request)
            if isinstance(found, Denial):
                raise _denied(found, view)
            return True

    return GuardPermission


def _check(judge: Judge, needs: Needs, request: RestRequest) -> Principal | Denial:
    inner: Any = request
    plain: HttpRequest = inner._request  # noqa: SLF001  REST framework's wrapper has no other word for it
    return django.check(judge, needs, plain)


def _denied(denial: Denial, view: Any) -> Denied:  # noqa: ANN401  the view, if there is one
    # An exception of REST framework's has no headers of its own; those of its view go with every answer.
    if isinstance(view, APIView):
        view.headers.update({name: value for name, value in denial.response().headers if name != "content-type"})
    return Denied(denial)
