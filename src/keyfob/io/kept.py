"""Read the access token from a vault entry, plain or encrypted, with few imports.

`quick.py` calls this module only for entries that the full command (with all imports) has accepted. So this module
supports only the exact format that `StoredLogin` and `Envelope` write. For any other format, it raises an error, and
the full command runs.
"""

import binascii
import os
import sys

_BEGIN, _MIDDLE, _END = b'{"version": 2, "key": "', b'", "sealed": "', b'"}'
_NOTE = b'{"version": 1, "place": "'
_TOKEN = b'"access_token": "'  # inside a JSON string its quotes would be escaped
# A DPoP-bound token is of no use by itself. The entry of an older version has no such member, and no bound token.
_KIND, _BEARER = b'"token_type": ', b'"Bearer"'
_KEY_BYTES = 32
_LONGEST_NOTE = 256


def is_sealed(content: bytes) -> bool:
    """Return whether a vault entry is encrypted, that is, whether it has a member `sealed`.

    The text `"sealed"` cannot occur inside a string of the entry, where its quotes are escaped.
    """
    return b'"sealed"' in content


def access_token(content: bytes, profile: str, home: str) -> str:
    """Return the access token of a profile.

    Args:
        content: The vault entry.
        profile: The profile's name, to which the ciphertext is bound.
        home: keyfob's home folder. Its `vault.json` names where the key is stored.

    Raises:
        OSError: The key is not available.
        ValueError: The entry has another format, or is encrypted with another key.
    """
    plain = _decrypt(content, f"vault {profile}", home) if is_sealed(content) else content
    _, is_present, kind = plain.partition(_KIND)
    if plain.count(_TOKEN) != 1 or (is_present and not kind.startswith(_BEARER)):
        raise ValueError("not a login with one bearer token")
    token, end, _ = plain.partition(_TOKEN)[2].partition(b'"')
    text = token.decode("ascii")
    if not end or not text or "\\" in text or not text.isprintable():
        raise ValueError
    return text


def _decrypt(raw: bytes, context: str, home: str) -> bytes:
    from keyfob.jose import unsealed  # noqa: PLC0415  a plain entry needs no decryption

    key_id, middle, rest = raw.removeprefix(_BEGIN).partition(_MIDDLE)
    if not raw.startswith(_BEGIN) or not middle or not rest.endswith(_END):
        raise ValueError
    key = _key(home)
    if len(key) != _KEY_BYTES:
        raise OSError("no key")
    ciphertext = binascii.a2b_base64(rest.removesuffix(_END), strict_mode=True)
    return unsealed.unseal(ciphertext, key, key_id.decode("ascii"), purpose="vault", context=context)


def _key(home: str) -> bytes:
    """Read the vault's key from the place that `vault.json` names: the desktop's keyring, the kernel or systemd.

    For any other place, raise `OSError`. For example, to derive the key from a passphrase would take too long here.
    """
    descriptor = os.open(f"{home}/vault.json", os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        note = os.read(descriptor, _LONGEST_NOTE)
    finally:
        os.close(descriptor)
    place = note.removeprefix(_NOTE).partition(b'"')[0] if note.startswith(_NOTE) else b""
    if place == b"keyring" and sys.platform == "linux":
        from keyfob.io import secret_service  # noqa: PLC0415  only this place needs it; so the next two

        get = os.environ.get
        return secret_service.read(secret_service.bus_address(get("DBUS_SESSION_BUS_ADDRESS"), get("XDG_RUNTIME_DIR")))
    if place == b"kernel":
        from keyfob.io.kernel_keyring import VAULT_KEY, KeyringSyscalls  # noqa: PLC0415  loads ctypes

        calls = KeyringSyscalls()
        found = calls.find(VAULT_KEY)
        return (calls.read(found, _KEY_BYTES) or b"") if found >= 0 else b""
    if place == b"systemd":
        from keyfob.io import systemd_creds  # noqa: PLC0415  as above

        return binascii.a2b_base64(systemd_creds.read(f"{home}/key.systemd"), strict_mode=True)
    raise OSError("no place")
