"""Which login is meant: issuer, program, API and scopes, under a name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Self, cast, get_args

from keyfob.client.model.callback import Callback
from keyfob.client.model.certificate import CertificateFiles
from keyfob.client.model.flow_names import FlowName, read_flow_name
from keyfob.client.model.presets import habits_of
from keyfob.client.model.source import (
    AssertionAudience,
    IdentityUse,
    Source,
    read_assertion_audience,
    read_identity_use,
)
from keyfob.errors import Malformed, Misuse
from keyfob.protocol.address import is_safe
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.metadata import ENDPOINTS
from keyfob.protocol.scope import Scope
from keyfob.protocol.target import Target

DEFAULT: Final = "default"
Dpop = Literal["off", "prefer", "require"]
DPOP: Final[tuple[Dpop, ...]] = get_args(Dpop)
_NAMED: Final[dict[str, Dpop]] = {name: name for name in DPOP}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Profile:
    """Settings of one login; no secret among them.

    Attributes:
        audience: The API that the token is for.
        credential: Where the program's own secret or key lies; a public program has none.
        is_machine: Whether the program logs in as itself, for no person.
        is_resource: Whether the server is told the API as `resource` (RFC 8707), which is an address, and not as
            Auth0's `audience`.
        callbacks: Where a browser may come back to, in the order to try; () for any port of this machine.
        endpoints: Addresses that the server's metadata does not say, or says wrongly, by the names it would have used.
            With `token_endpoint` among them the server is not asked for metadata at all.
        allows_password: Whether a person's password may be taken here at all: legacy.
        flow: How a person logs in.
        assertion_audience: For whom the program's key signs: the issuer, or an older server's token endpoint.
        ca: A file of authorities to trust beside the system's.
        identity: Where the platform's token lies by which a machine says what it is.
        identity_as: How that is used: exchanged for a token (RFC 8693), as the program's proof of itself, or as the
            grant (RFC 7523 §2.2, §2.1).
        dpop: Whether tokens are bound to a key of this login (RFC 9449): not, where the server can, or always.
        realm: Whose password it is, where the server has several directories (Auth0).
        username: Who logs in with a password this time; asked for where it is not said, and never written down.
        certificate: Where the certificate lies that the program shows to its server and its API (RFC 8705). It proves
            the program where that has no secret, key or identity to do so.
    """

    name: str
    issuer: str
    client_id: str
    audience: str | None = None
    scope: Scope = Scope()
    credential: Source | None = None
    is_machine: bool = False
    is_resource: bool = False
    callbacks: tuple[str, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict[str, str])
    allows_password: bool = False
    realm: str | None = None
    flow: FlowName = "auto"
    identity: Source | None = None
    identity_as: IdentityUse = "exchange"
    ca: str | None = None
    assertion_audience: AssertionAudience = "issuer"
    dpop: Dpop = "off"
    username: str | None = None
    certificate: CertificateFiles | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without asking anybody; the name becomes a file's.

        Raises:
            Misuse: The name will not do, the issuer or client id is empty, a machine has no credential, or an address
                is none that may be used.
        """
        check_name(self.name)
        if not self.issuer or not self.client_id:
            raise Misuse("a profile needs an issuer and a client id")
        if self.is_machine and self.credential is None and self.identity is None and self.certificate is None:
            hint = (
                "Add --secret-env NAME, --secret-file PATH, --key-file PATH, --certificate FILE or --identity PLATFORM."
            )
            raise Misuse("a machine needs to know where its secret or key lies", hint=hint)
        if self.identity is not None and not self.is_machine:
            raise Misuse("a platform's identity is a machine's, not a person's", hint="Add --flow machine.")
        if self.identity is not None and self.identity_as == "assertion" and self.credential is not None:
            hint = "Leave the secret or key away, or say --identity-as exchange."
            raise Misuse("a program proves itself in one way: by its identity, or by a secret or key", hint=hint)
        if self.audience and not habits_of(self.issuer).takes_audience:
            hint = f"Ask for its scopes instead, such as --scope {self.audience.rstrip('/')}/.default at Microsoft."
            raise Misuse("this issuer takes no audience", hint=hint)
        if self.is_resource and (not self.audience or ":" not in self.audience or "#" in self.audience):
            raise Misuse("a resource is an absolute address without a fragment", hint="RFC 8707 §2 says so.")
        self._check_username()
        for name, address in self.endpoints.items():
            if name not in ENDPOINTS or not is_safe(address):
                raise Misuse(
                    "an endpoint is NAME=URL, https or on this machine", hint=f"The names: {', '.join(ENDPOINTS)}"
                )
        for callback in self.callbacks:
            Callback.read(callback)

    def _check_username(self) -> None:
        """Refuse a name that nobody would be told.

        Raises:
            Misuse: It is empty, or the login is not by password.
        """
        if self.username is not None and (self.flow != "password" or not self.username.strip()):
            raise Misuse("a user name goes with a password alone, and is not empty", hint="Add --flow password.")

    @property
    def target(self) -> Target:
        """The API, as the server is told."""
        return Target(self.audience, is_resource=self.is_resource)

    def write(self) -> bytes:
        """For the settings file; what is as usual is left out."""
        members = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "audience": self.audience,
            "scope": self.scope.write(),
            "credential": self.credential.write() if self.credential else None,
            "is_machine": self.is_machine,
            "is_resource": self.is_resource,
            "callbacks": list(self.callbacks),
            "endpoints": dict(self.endpoints),
            "allows_password": self.allows_password,
            "realm": self.realm,
            "way": None if self.flow == "auto" else self.flow,
            "ca": self.ca,
            "assertion_audience": None if self.assertion_audience == "issuer" else self.assertion_audience,
            "identity": self.identity.write() if self.identity else None,
            "identity_as": None if self.identity_as == "exchange" else self.identity_as,
            "dpop": None if self.dpop == "off" else self.dpop,
            "certificate": self.certificate.certificate if self.certificate else None,
            "certificate_key": self.certificate.key if self.certificate else None,
        }
        return json.dumps({name: value for name, value in members.items() if value}, indent=1).encode() + b"\n"

    @classmethod
    def read(cls, name: str, raw: bytes) -> Self:
        """From the settings file.

        Raises:
            Malformed: It is damaged.
            Misuse: A value will not do.
        """
        fields = read_json(raw, "profile")
        credential, identity = fields.optional_text("credential"), fields.optional_text("identity")
        certificate, key = fields.optional_text("certificate"), fields.optional_text("certificate_key")
        return cls(
            name,
            fields.text("issuer"),
            fields.text("client_id"),
            fields.optional_text("audience"),
            Scope.read(fields.optional_text("scope") or ""),
            None if credential is None else Source.read(credential),
            is_machine=fields.values.get("is_machine") is True,
            is_resource=fields.values.get("is_resource") is True,
            callbacks=fields.texts("callbacks"),
            endpoints=_read_endpoints(fields),
            allows_password=fields.values.get("allows_password") is True,
            realm=fields.optional_text("realm"),
            flow=read_flow_name(fields.optional_text("way")),
            identity=None if identity is None else Source.read(identity),
            identity_as=read_identity_use(fields.optional_text("identity_as")),
            ca=fields.optional_text("ca"),
            assertion_audience=read_assertion_audience(fields.optional_text("assertion_audience")),
            dpop=read_dpop(fields.optional_text("dpop")),
            certificate=None if certificate is None else CertificateFiles(certificate, key),
        )


def check_name(name: str) -> None:
    """Refuse a name that could not be a file's.

    Raises:
        Misuse: It holds something other than letters, digits, dot, dash and underscore, or is too long.
    """
    if not _NAME.match(name):
        raise Misuse("a profile's name has letters, digits, dot, dash and underscore, at most 40")


def read_dpop(text: str | None) -> Dpop:
    """By its name; "off" where nothing is said.

    Raises:
        Misuse: It is none; a wish for bound tokens is not dropped silently.
    """
    found = _NAMED.get(text or "off")
    if found is None:
        raise Misuse(f"dpop is one of {', '.join(DPOP)}")
    return found


def _read_endpoints(fields: Fields) -> dict[str, str]:
    found = fields.values.get("endpoints", {})
    if not isinstance(found, dict):
        raise Malformed("profile: endpoints is not an object", field="endpoints")
    inner = Fields(cast("dict[str, object]", found), "profile")
    return {name: inner.text(name) for name in inner.values}


def command(verb: str, name: str) -> str:
    """What a person types about that profile."""
    return f"keyfob {verb}" if name == DEFAULT else f"keyfob {verb} --profile {name}"
