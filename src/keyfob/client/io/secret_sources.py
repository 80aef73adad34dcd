"""Read a program's secret, private key or identity from where it lies."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import NoReturn

from keyfob.client.model.credential import Credential, PrivateKey
from keyfob.client.model.source import Source
from keyfob.errors import Malformed, Misuse
from keyfob.jose.keys import SigningKey
from keyfob.protocol.secret import Secret


def read_credential(source: Source, ca: Path | None = None) -> Credential:
    """The secret, the key, or the platform's token.

    Args:
        source: Where it lies.
        ca: Authorities to trust besides, where a platform is asked.

    Raises:
        Misuse: It is not there, empty, or no private key of a kind we sign with. Says where, never what.
        KeyfobError: As `read_identity`.
    """
    if source.kind == "identity":
        from keyfob.client.io.platform_tokens import Platform, read_identity
        from keyfob.io.http import sender_for

        return read_identity(source, Platform(send=sender_for(ca)))
    text = _text(source)
    if source.kind == "secret":
        return Secret(text)
    try:
        return PrivateKey(*SigningKey.read(text.encode()))
    except Malformed as problem:
        hint = "PEM (PKCS #8) or a JWK: RSA of 2048 bits or more, P-256 or Ed25519, without a passphrase."
        raise Misuse(f"{_where(source)} holds no private key that can be used: {problem.message}", hint=hint) from None


def _text(source: Source) -> str:
    if source.place == "env":
        found = os.environ.get(source.name, "")
    elif source.place == "keyring":
        found = _from_keyring(source)
    else:
        try:
            found = Path(source.name).expanduser().read_text(encoding="utf-8").strip()
        except OSError as problem:
            _missing(source, f"cannot be read ({problem.strerror})")
        except UnicodeDecodeError:
            _missing(source, "is not text")
    if not found:
        _missing(source, "is empty or not there")
    return found


def _from_keyring(source: Source) -> str:
    """From this system's keyring, by the library of that name.

    Raises:
        Misuse: It is not installed, or does not open.
    """
    service, _, name = source.name.rpartition("/")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        hint = "Run: pip install 'keyfob[keyring]'"
        raise Misuse("a secret in the keyring needs the extra keyring", code="extra-missing", hint=hint) from None
    try:
        found: object = keyring.get_password(service, name)
    except Exception as problem:  # noqa: BLE001  each backend raises its own
        _missing(source, f"cannot be read ({type(problem).__name__})")
    return found.strip() if isinstance(found, str) else ""


def _where(source: Source) -> str:
    match source.place:
        case "env":
            return f"the variable {source.name}"
        case "keyring":
            return f"{source.name} in the keyring"
        case _:
            return source.name


def _missing(source: Source, problem: str) -> NoReturn:
    """Say so.

    Raises:
        Misuse: Always.
    """
    what = "secret" if source.kind == "secret" else "private key"
    hint = f"This profile logs in with the program's own {what}; it is looked for there each time."
    raise Misuse(f"{_where(source)} {problem}", hint=hint)
