"""Read a client's secret, private key or platform token from its source."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import NoReturn

from keyfob.client.io.platform_tokens import Platform, read_identity
from keyfob.client.model.credential import Credential, PrivateKey
from keyfob.client.model.source import Source
from keyfob.errors import Malformed, Misuse
from keyfob.io.http import sender_for
from keyfob.jose.keys import SigningKey
from keyfob.protocol.secret import Secret


def read_credential(source: Source, ca: Path | None = None) -> Credential:
    """Return the credential at a source.

    Args:
        source: A file, an environment variable, a keyring entry or a platform.
        ca: A file of certificate authorities to trust in addition to the system's, for requests to a platform.

    Raises:
        Misuse: The credential is missing, empty, or not a supported private key. The message contains no secret.
        KeyfobError: Any error of `read_identity`.
    """
    if source.kind == "identity":
        return read_identity(source, Platform(send=sender_for(ca)))
    text = _text(source)
    if source.kind == "secret":
        return Secret(text)
    try:
        return PrivateKey(*SigningKey.read(text.encode()))
    except Malformed as problem:
        hint = "Use PEM (PKCS #8) or a JWK: RSA of 2048 bits or more, P-256 or Ed25519, without a passphrase."
        raise Misuse(f"{_where(source)} contains no usable private key: {problem.message}", hint=hint) from None


def _text(source: Source) -> str:
    if source.place == "env":
        text = os.environ.get(source.name, "")
    elif source.place == "keyring":
        text = _from_keyring(source)
    else:
        try:
            text = Path(source.name).expanduser().read_text(encoding="utf-8").strip()
        except OSError as problem:
            _missing(source, f"cannot be read ({problem.strerror})")
        except UnicodeDecodeError:
            _missing(source, "is not text")
    if not text:
        _missing(source, "is empty or does not exist")
    return text


def _from_keyring(source: Source) -> str:
    """Return a secret from the system's keyring, by the library `keyring`; "" if there is none.

    Raises:
        Misuse: The library is not installed, or the entry cannot be read.
    """
    service, _, name = source.name.rpartition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        hint = "Run: pip install 'keyfob[keyring]'"
        raise Misuse("a secret in the keyring needs the extra keyring", code="extra-missing", hint=hint) from None
    try:
        secret: object = keyring.get_password(service, name)
    except Exception as problem:  # noqa: BLE001  each backend raises its own
        _missing(source, f"cannot be read ({type(problem).__name__})")
    return secret.strip() if isinstance(secret, str) else ""


def _where(source: Source) -> str:
    match source.place:
        case "env":
            return f"the variable {source.name}"
        case "keyring":
            return f"{source.name} in the keyring"
        case _:
            return source.name


def _missing(source: Source, problem: str) -> NoReturn:
    what = "secret" if source.kind == "secret" else "private key"
    hint = f"This profile uses a {what}, which is read from there each time."
    raise Misuse(f"{_where(source)} {problem}", hint=hint)
