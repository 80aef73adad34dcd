"""Client authentication (RFC 6749 §2.3, RFC 7521 §4.2, RFC 7523 §2.2, RFC 8705 §2)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, Literal, get_args
from urllib.parse import quote_plus, unquote_to_bytes

from keyfob.errors import Malformed
from keyfob.light import light_dataclass
from keyfob.protocol.fields import Fields
from keyfob.protocol.secret import Secret

if TYPE_CHECKING:
    from keyfob.protocol.http import Headers

TlsMethod = Literal["tls_client_auth", "self_signed_tls_client_auth"]
AuthMethod = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] | TlsMethod
TLS_METHODS: Final[tuple[TlsMethod, ...]] = get_args(TlsMethod)
# The methods whose credentials are in the request. With a TLS method, the credentials are in the connection.
AUTH_METHODS: Final[tuple[AuthMethod, ...]] = (
    "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
)  # fmt: skip
JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_SECRETS: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type"})


@light_dataclass(frozen=True, slots=True)
class Credentials:
    """The client's credentials in a request.

    Attributes:
        method: The authentication method. With `none`, the client is not authenticated.
        client_id: The claimed client id; "" if only the assertion contains the client id.
        proof: The secret or the assertion. None with `none`, or with a TLS method, whose proof is the certificate of
            the connection (RFC 8705 §2).
    """

    method: AuthMethod
    client_id: str
    proof: Secret | None = None

    def write(self) -> tuple[dict[str, str], Headers]:
        proof = "" if self.proof is None else self.proof.reveal()
        match self.method:
            case "none" | "tls_client_auth" | "self_signed_tls_client_auth":
                return {"client_id": self.client_id}, ()
            case "client_secret_post":
                return {"client_id": self.client_id, "client_secret": proof}, ()
            case "client_secret_basic":
                pair = f"{quote_plus(self.client_id)}:{quote_plus(proof)}".encode("ascii")
                return {}, (("authorization", "Basic " + base64.b64encode(pair).decode("ascii")),)
            case "private_key_jwt":
                assertion = {"client_assertion": proof, "client_assertion_type": JWT_BEARER}
                return {"client_id": self.client_id, **assertion}, ()

    @classmethod
    def read(cls, authorization: str | None, fields: Fields) -> Credentials:
        """Parse the client's credentials in the Authorization header and the parameters.

        A Basic header with an empty secret means `none`, since some libraries send such a header for public clients.

        Args:
            authorization: The value of the header, or None. Schemes other than Basic are ignored.
            fields: The parameters.

        Raises:
            Malformed: The request uses more than one method (RFC 6749 §2.3), two different client ids, or an unknown
                type of assertion. Or the header cannot be read; only then, the error's field is `authorization`.
        """
        named = fields.optional_text("client_id") or ""
        if authorization is None and _SECRETS.isdisjoint(
            fields.values
        ):  # a public client: the request has no other credentials
            return cls("none", named)
        given = [found for found in (_basic(authorization), _post(fields), _assertion(fields)) if found is not None]
        if len(given) > 1:
            raise Malformed("request: more than one way to authenticate was used", field="client_secret")
        found = given[0] if given else cls("none", named)
        if found.client_id and named and found.client_id != named:
            raise Malformed("request: client_id differs from the one that authenticates", field="client_id")
        return cls(found.method, found.client_id or named, found.proof)


def _basic(authorization: str | None) -> Credentials | None:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        # The client id and the secret are form-encoded before they are joined by a colon (RFC 6749 §2.3.1, App. B).
        plain_id = unquote_to_bytes(client_id.replace(b"+", b" ")).decode()
        plain_secret = unquote_to_bytes(secret.replace(b"+", b" ")).decode()
    except ValueError:
        raise Malformed("request: the Basic header cannot be read", field="authorization") from None
    if not colon:
        raise Malformed("request: the Basic header cannot be read", field="authorization")
    if not plain_secret:
        return Credentials("none", plain_id)
    return Credentials("client_secret_basic", plain_id, Secret(plain_secret))


def _post(fields: Fields) -> Credentials | None:
    secret = fields.optional_text("client_secret")
    return None if secret is None else Credentials("client_secret_post", "", Secret(secret))


def _assertion(fields: Fields) -> Credentials | None:
    assertion, kind = fields.optional_text("client_assertion"), fields.optional_text("client_assertion_type")
    if assertion is None and kind is None:
        return None
    if assertion is None or kind != JWT_BEARER:
        raise Malformed("request: client_assertion_type is not one we know", field="client_assertion_type")
    return Credentials("private_key_jwt", "", Secret(assertion))
