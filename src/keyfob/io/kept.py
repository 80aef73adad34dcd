"""Find the access token in a file of the vault, plain or sealed to a key in the kernel, with few imports.

Called only for a file that the ordinary path has read and found good, so what is looked for here is its very shape as
`Held` and `Envelope` write it. Anything else is an error, and the ordinary path's to explain.
"""

_BEGIN, _MIDDLE, _END = b'{"version": 2, "key": "', b'", "sealed": "', b'"}'
_TOKEN = b'"access_token": "'  # inside a JSON string its quotes would be escaped
# A token that is bound to a key is no use by its letters alone; an older login says nothing, and has none.
_KIND, _BEARER = b'"token_type": ', b'"Bearer"'
_KEY_BYTES = 32


def access_token(content: bytes, profile: str) -> str:
    """The access token of a profile.

    Args:
        content: The profile's file in the vault.
        profile: Whose; also the context that the box is sealed to.

    Raises:
        OSError: The key cannot be had.
        ValueError: The file is not of the usual shape, or of another key.
    """
    plain = _unseal(content, f"vault {profile}") if b'"sealed"' in content else content
    _, is_said, kind = plain.partition(_KIND)
    if plain.count(_TOKEN) != 1 or (is_said and not kind.startswith(_BEARER)):
        raise ValueError("not a login with one bearer token")
    token, end, _ = plain.partition(_TOKEN)[2].partition(b'"')
    text = token.decode("ascii")
    if not end or not text or "\\" in text or not text.isprintable():
        raise ValueError
    return text


def _unseal(raw: bytes, context: str) -> bytes:
    import binascii

    from keyfob.io.kernel_keyring import VAULT_KEY, Calls
    from keyfob.jose import unsealed

    key_id, middle, rest = raw.removeprefix(_BEGIN).partition(_MIDDLE)
    if not raw.startswith(_BEGIN) or not middle or not rest.endswith(_END):
        raise ValueError
    calls = Calls()
    found = calls.find(VAULT_KEY)
    key = calls.read(found, _KEY_BYTES) if found >= 0 else None
    if not key:
        raise OSError("no key")
    box = binascii.a2b_base64(rest.removesuffix(_END), strict_mode=True)
    return unsealed.unseal(box, key, key_id.decode("ascii"), purpose="vault", context=context)
