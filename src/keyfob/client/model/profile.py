"""A profile: the settings of one login (issuer, client, API, scope) under a name."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Self, cast, get_args

from keyfob.client.model.callback import Callback
from keyfob.client.model.credential import CertificateFiles
from keyfob.client.model.presets import habits_of
from keyfob.client.model.source import (
    AssertionAudience,
    IdentityUse,
    Source,
    read_assertion_audience,
    read_identity_use,
)
from keyfob.errors import Malformed, Misuse
from keyfob.lazy import LazyModule
from keyfob.protocol.address import is_safe
from keyfob.protocol.fields import Fields, read_json
from keyfob.protocol.scope import Scope
from keyfob.protocol.target import Target

if TYPE_CHECKING:
    import hashlib

    from keyfob.protocol import metadata
else:  # 5 ms, and needed only for a default profile name or for given endpoints
    hashlib = LazyModule("hashlib")
    metadata = LazyModule("keyfob.protocol.metadata")

# The login flows, the safest first. A password requires a profile that allows it (RFC 9700 §2.4).
InteractiveFlow = Literal["browser", "device", "paste"]
FlowName = Literal["auto", "browser", "device", "paste", "password"]
INTERACTIVE_FLOWS: Final[tuple[InteractiveFlow, ...]] = get_args(InteractiveFlow)
FLOW_NAMES: Final[tuple[FlowName, ...]] = get_args(FlowName)
_NAMED_FLOWS: Final[dict[str, FlowName]] = {name: name for name in FLOW_NAMES}
DEFAULT: Final = "default"
KEYFOB_LOGIN: Final = "keyfob login"
Dpop = Literal["off", "prefer", "require"]
DPOP: Final[tuple[Dpop, ...]] = get_args(Dpop)
_NAMED: Final[dict[str, Dpop]] = {name: name for name in DPOP}
LONGEST_SHORT_NAME: Final = 27  # the 40 letters of a profile's name, less a dash and a hash of 12
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings of one login. Contains no secret.

    Attributes:
        audience: The API that the token is for; None for the server's default.
        scope: The scope that the user or the program named; `added_scope` is requested in addition.
        has_exact_scope: Whether exactly `scope` is requested, without `added_scope`.
        credential: The location of the client's secret or key; None for a public client.
        is_machine: Whether the client logs in as itself, without a user.
        is_resource: Whether `audience` is a URL to be sent as `resource` (RFC 8707). If not, it is sent as Auth0's
            parameter `audience`.
        callbacks: The redirect URIs to try, in order; () for a loopback address with any free port.
        endpoints: Endpoints that are missing or wrong in the server's metadata, by their metadata names. If
            `token_endpoint` is among them, no metadata is fetched.
        allows_password: Whether the legacy password grant may be used.
        flow: The flow for a user's login; with "auto", keyfob chooses it.
        assertion_audience: The audience of client assertions: the issuer, or the token endpoint for an older server.
        ca: A file of certificate authorities to trust in addition to the system's; None for no file.
        identity: The location of the workload identity token; None if the client uses none.
        identity_as: The use of the workload identity token: token exchange (RFC 8693), client assertion or grant
            (RFC 7523 §2.2, §2.1).
        dpop: Whether tokens are bound to a key (RFC 9449): "off" for no, "prefer" for yes if the server supports DPoP,
            "require" for always.
        realm: The user directory of a password login, for a server with several directories (Auth0); None for the
            server's default.
        username: The user name of a password login; None to ask the user. Never stored.
        certificate: The certificate to present to the server and the API (RFC 8705). It authenticates the client if
            there is no secret, key or workload identity.
        login_command: The command by which users log in to the running program, for messages; "" if unknown. Never
            stored.
        program_name: The running program's name, for messages; "" if unknown. Never stored.
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
    login_command: str = field(default=KEYFOB_LOGIN, compare=False)
    program_name: str = field(default="", compare=False)
    has_exact_scope: bool = False

    def __post_init__(self) -> None:
        """Validate the settings; raise `Misuse` if they are not valid."""
        check_name(self.name)
        if not self.issuer or not self.client_id:
            raise Misuse("a profile needs an issuer and a client ID")
        if self.is_machine and self.credential is None and self.identity is None and self.certificate is None:
            hint = "Give it a secret, key, certificate or identity."
            flags = "--secret-env NAME, --secret-file PATH, --key-file PATH, --certificate FILE or --identity PLATFORM"
            raise Misuse("a service account needs a secret, key, certificate or identity", hint=hint, flags=flags)
        if self.identity is not None and not self.is_machine:
            what = "a workload identity works for a service account only, not for a user"
            raise Misuse(what, hint="Log in as a service account.", flags="--flow machine")
        if self.identity is not None and self.identity_as == "assertion" and self.credential is not None:
            what = "a client uses either a workload identity, or a secret or key"
            hint = "Omit the secret or key, or exchange the identity for a token."
            raise Misuse(what, hint=hint, flags="--identity-as exchange")
        if self.audience and not habits_of(self.issuer).takes_audience:
            hint = f"Use its scopes instead, such as {self.audience.rstrip('/')}/.default at Microsoft."
            raise Misuse("this issuer supports no audience", hint=hint)
        if self.is_resource and (not self.audience or ":" not in self.audience or "#" in self.audience):
            raise Misuse("a resource is an absolute address without a fragment", hint="See RFC 8707 §2.")
        self._check_username()
        for name, address in self.endpoints.items():
            if name not in metadata.ENDPOINTS or not is_safe(address):
                hint = f"Names: {', '.join(metadata.ENDPOINTS)}"
                raise Misuse("an endpoint is NAME=URL, with https or on this computer", hint=hint)
        for callback in self.callbacks:
            Callback.read(callback)

    def _check_username(self) -> None:
        if self.username is not None and (self.flow != "password" or not self.username.strip()):
            what, hint = (
                "a user name works with the password grant only, and must not be empty",
                "Log in with a password.",
            )
            raise Misuse(what, hint=hint, flags="--flow password")

    def login_hint(self, lead: str = "Run", otherwise: str = "Log in again", flags: str = "") -> str:
        """Return a hint with the command by which users log in to the running program. All such hints come from here.

        Args:
            lead: The text before the command.
            otherwise: The hint if the command is unknown.
            flags: Flags for `keyfob login`. They are left out if the running program has its own login command.
        """
        line = self.login_line(flags)
        return f"{lead}: {line}" if line else f"{otherwise}."

    def login_line(self, flags: str = "") -> str:
        """Return the command line by which users log in to the running program; "" if unknown.

        `flags` are added only to the command `keyfob login`, because another program's command may not have these
        flags.
        """
        if self.login_command == KEYFOB_LOGIN:
            return f"{command('login', self.name)}{flags and f' {flags}'}"
        return self.login_command

    @property
    def program(self) -> str:
        """The name of the running program, for messages; "" if unknown."""
        return self.program_name or self.login_command.partition(" ")[0]

    @property
    def target(self) -> Target:
        return Target(self.audience, is_resource=self.is_resource)

    @property
    def added_scope(self) -> Scope:
        """The scope that a user's login requests in addition to `scope`, as far as the server supports it."""
        if self.is_machine or self.has_exact_scope:
            return Scope()
        return Scope.of(habits_of(self.issuer).scopes) - self.scope

    def write(self) -> bytes:
        members = {
            "issuer": self.issuer,
            "client_id": self.client_id,
            "audience": self.audience,
            "scope": self.scope.write(),
            "exact_scope": self.has_exact_scope,
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
        """Parse a profile's settings file.

        Raises:
            Malformed: The file is damaged.
            Misuse: A value is not valid.
        """
        fields = read_json(raw, "profile")
        credential, identity = fields.optional_text("credential"), fields.optional_text("identity")
        certificate, key = fields.optional_text("certificate"), fields.optional_text("certificate_key")
        return cls(
            name,
            fields.text("issuer"),
            fields.text("client_id"),
            fields.optional_text("audience"),
            Scope.optional(fields) or Scope(),
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
            has_exact_scope=fields.values.get("exact_scope") is True,
        )


def own_name(issuer: str, client_id: str, audience: str | None, *, is_machine: bool, program: str | None = None) -> str:
    """Return a program's default profile name, which differs for each issuer, client and API.

    Args:
        issuer: The issuer.
        client_id: The client ID.
        audience: The API; None for none.
        is_machine: Whether the client is a service account.
        program: The program's name if its users may have several logins, else None. If it is given, the profile's name
            starts with "default". If it is None, the profile's name starts with the client ID.
    """
    key = "\n".join([issuer, client_id, audience or "", "machine" * is_machine])
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", client_id).strip("._-")[:LONGEST_SHORT_NAME]
    first = (readable or "client") if program is None else DEFAULT
    return f"{first}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def check_name(name: str) -> None:
    """Raise `Misuse` if a profile's name is not usable as a file name."""
    if not _NAME.match(name):
        raise Misuse("a profile's name consists of letters, digits, dots, dashes and underscores, 40 at most")


def read_flow_name(text: str | None) -> FlowName:
    """Return the flow of that name; "auto" for None or an unknown name."""
    return _NAMED_FLOWS.get(text or "", "auto")


def read_dpop(text: str | None) -> Dpop:
    """Parse the setting `dpop`; None means "off". Raise `Misuse` for an unknown value: a typo must not disable DPoP."""
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
    """Return the `keyfob` command line for a verb, such as `login`, and a profile's name."""
    return f"keyfob {verb}" if name == DEFAULT else f"keyfob {verb} --profile {name}"
